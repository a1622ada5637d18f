//! From the claims of a verified token to whom they describe.

use lattice_kernel::principal::{Grant, Level};

use super::claims::{ClaimName, Required};
use super::fault::Fault;
use super::json::Object;

/// Which claims say what.
#[derive(Debug, Clone)]
pub struct ClaimNames {
    /// Who the user is at the issuer: stable, and given to nobody else later.
    pub user: ClaimName,
    /// The groups, of which the first that leads to a team counts.
    pub team: ClaimName,
    /// The roles.
    pub roles: ClaimName,
    /// The organisation, of users of whom the store knows none.
    pub org: Option<ClaimName>,
}

/// From an issuer's word to ours. A word that is not listed means nothing, unless
/// there is a rule for all others.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: Vec<(Box<str>, T)>,
    others: Option<Others<T>>,
}

/// What words mean that are not listed.
#[derive(Debug, Clone)]
pub enum Others<T> {
    /// All the same.
    Be(T),
    /// Themselves.
    Stay,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            others: None,
        }
    }
}

impl<T> Table<T> {
    /// Of the rows, and what becomes of words that have none.
    #[must_use]
    pub fn new(rows: Vec<(Box<str>, T)>, others: Option<Others<T>>) -> Self {
        Self { rows, others }
    }
}

impl<T: Clone + From<Box<str>>> Table<T> {
    fn look_up(&self, word: &str) -> Option<T> {
        let row = self.rows.iter().find(|(listed, _)| **listed == *word);
        match (row, &self.others) {
            (Some((_, meaning)), _) => Some(meaning.clone()),
            (None, Some(Others::Be(meaning))) => Some(meaning.clone()),
            (None, Some(Others::Stay)) => Some(T::from(word.into())),
            (None, None) => None,
        }
    }
}

/// What a role of the issuer means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAt {
    /// Its name here.
    pub role: Box<str>,
    /// How far it reaches.
    pub level: Level,
}

/// A role that nobody has given a reach is the caller's own, the least of all.
impl From<Box<str>> for RoleAt {
    fn from(role: Box<str>) -> Self {
        Self {
            role,
            level: Level::Own,
        }
    }
}

/// How the claims of one issuer are read.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Which claims say what.
    pub claims: ClaimNames,
    /// From groups to teams.
    pub teams: Table<Box<str>>,
    /// From roles to roles.
    pub roles: Table<RoleAt>,
    /// What else a token must say.
    pub required: Vec<Required>,
}

/// Whom a token describes, in our words. Which of it the store knows is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) subject: Box<str>,
    /// Those that may be the team, best first, each once.
    pub(crate) teams: Vec<Box<str>>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) org: Option<Box<str>>,
}

impl Mapping {
    pub(crate) fn describe(&self, claims: &Object) -> Result<Described, Fault> {
        if !self.required.iter().all(|required| required.is_met(claims)) {
            return Err(Fault::Required);
        }
        let names = &self.claims;
        let subject = names.user.text(claims).ok_or(Fault::Subject)?;
        let mut teams = Vec::new();
        for group in names.team.texts(claims) {
            if let Some(team) = self.teams.look_up(group)
                && !teams.contains(&team)
            {
                teams.push(team);
            }
        }
        let roles = names.roles.texts(claims).into_iter();
        let roles = roles.filter_map(|role| self.roles.look_up(role));
        Ok(Described {
            subject: subject.into(),
            teams,
            grants: roles
                .map(|RoleAt { role, level }| Grant { level, role })
                .collect(),
            org: names
                .org
                .as_ref()
                .and_then(|org| org.text(claims))
                .map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(name: &str) -> ClaimName {
        ClaimName::new(name).unwrap()
    }

    fn mapping() -> Mapping {
        Mapping {
            claims: ClaimNames {
                user: claim("sub"),
                team: claim("groups"),
                roles: claim("roles"),
                org: Some(claim("org")),
            },
            teams: Table::new(vec![("g1".into(), "research".into())], None),
            roles: Table::new(
                vec![(
                    "idp-admins".into(),
                    RoleAt {
                        role: "admin".into(),
                        level: Level::Org,
                    },
                )],
                None,
            ),
            required: Vec::new(),
        }
    }

    fn described(mapping: &Mapping, claims: Value) -> Result<Described, Fault> {
        mapping.describe(claims.as_object().unwrap())
    }

    fn roles(mapping: &Mapping) -> Vec<(Level, String)> {
        let claims = json!({"sub": "s", "roles": ["idp-admins", "other"]});
        let grants = described(mapping, claims).unwrap().grants;
        let grants = grants.into_iter();
        grants
            .map(|grant| (grant.level, grant.role.into()))
            .collect()
    }

    #[test]
    fn words_that_are_not_listed_mean_nothing_unless_there_is_a_rule_for_them() {
        let mut mapping = mapping();
        let admin = (Level::Org, "admin".to_owned());
        assert_eq!(roles(&mapping), std::slice::from_ref(&admin));
        mapping.roles.others = Some(Others::Stay);
        let other = |name: &str| (Level::Own, name.to_owned());
        assert_eq!(roles(&mapping), [admin.clone(), other("other")]);
        mapping.roles.others = Some(Others::Be(Box::<str>::from("member").into()));
        assert_eq!(roles(&mapping), [admin, other("member")]);
    }

    #[test]
    fn groups_lead_to_teams_in_their_order() {
        let mut mapping = mapping();
        mapping.teams.others = Some(Others::Stay);
        let claims = json!({"sub": "s", "groups": ["x", "g1", "research", "x"]});
        let teams = described(&mapping, claims).unwrap().teams;
        assert_eq!(teams, [Box::from("x"), Box::from("research")]);
    }

    #[test]
    fn a_required_claim_must_have_one_of_its_values() {
        let mut mapping = mapping();
        mapping.required = vec![Required {
            claim: claim("azp"),
            values: vec!["cli".into(), "web".into()],
        }];
        for (azp, sound) in [
            (json!("cli"), true),
            (json!(["x", "web"]), true),
            (json!("CLI"), false),
            (json!(["x"]), false),
            (json!(null), false),
        ] {
            let found = described(&mapping, json!({"sub": "s", "azp": azp}));
            assert_eq!(found.is_ok(), sound, "{azp}");
        }
        assert_eq!(
            described(&mapping, json!({"sub": "s"})),
            Err(Fault::Required)
        );
    }
}
