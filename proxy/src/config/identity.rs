//! Who is recognised beside the holders of keys: OpenID providers and certificates.

use std::collections::{BTreeMap, HashSet};

use lattice_identity::certificate::{Assigned, Assignee};
use lattice_identity::token::{
    Algorithm, ClaimName, ClaimNames, Issuer, KeysAt, MOST_LEEWAY, Mapping, Others, Required,
    RoleAt, Table,
};
use lattice_kernel::principal::Level;
use lattice_providers::{Egress, egress};

use crate::config::load::ConfigError;
use crate::config::providers::{Url, admit_host};
use crate::config::raw;

/// The word for whatever is not listed.
const OTHERS: &str = "*";
/// The longest name of anybody or anything, bytes.
const LONGEST: usize = 256;

/// Who is recognised beside the holders of keys.
#[derive(Debug, Default)]
pub struct Identity {
    /// Providers of OpenID, each issuer once.
    pub oidc: Vec<Issuer>,
    /// Certificates, each name once.
    pub certificates: Vec<Assigned>,
}

/// Checks all of it; the URLs of issuers against `egress`. `asked` is whether clients
/// are asked for certificates.
pub fn check(raw: &raw::Identity, egress: &Egress, asked: bool) -> Result<Identity, ConfigError> {
    if !raw.certificates.is_empty() && !asked {
        return Err(ConfigError::invalid(
            "identity.certificates",
            "can be shown by nobody: clients are asked for certificates where `server.tls.client_ca` is set",
        ));
    }
    let mut seen = HashSet::new();
    let oidc = raw.oidc.iter().map(|oidc| {
        let at = format!("identity.oidc.{}", oidc.issuer);
        if !seen.insert(&*oidc.issuer) {
            return Err(ConfigError::invalid(at, "is there twice; keep one"));
        }
        issuer(&at, oidc, egress)
    });
    let oidc = oidc.collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    let certificates = raw.certificates.iter().map(|certificate| {
        let assigned = assigned(certificate)?;
        if !seen.insert(assigned.name.clone()) {
            let at = format!("identity.certificates.{}", assigned.name);
            return Err(ConfigError::invalid(at, "is there twice; keep one"));
        }
        Ok(assigned)
    });
    Ok(Identity {
        oidc,
        certificates: certificates.collect::<Result<_, _>>()?,
    })
}

fn issuer(at: &str, raw: &raw::Oidc, egress: &Egress) -> Result<Issuer, ConfigError> {
    let invalid = |key: &str, what: String| ConfigError::invalid(format!("{at}.{key}"), what);
    url(&format!("{at}.issuer"), &raw.issuer, egress)?;
    if let Some(jwks_url) = &raw.jwks_url {
        url(&format!("{at}.jwks_url"), jwks_url, egress)?;
    }
    let leeway = raw.leeway_seconds.unwrap_or(MOST_LEEWAY);
    if leeway > MOST_LEEWAY {
        let what = format!("{leeway} is out of range; from 0 to {MOST_LEEWAY}");
        return Err(invalid("leeway_seconds", what));
    }
    let role = |word: &str| role(&format!("{at}.roles"), word);
    let team = |word: &str| name(&format!("{at}.teams"), word);
    Ok(Issuer {
        keys: KeysAt {
            issuer: raw.issuer.as_str().into(),
            jwks_url: raw.jwks_url.as_deref().map(Into::into),
        },
        audience: name(&format!("{at}.audience"), &raw.audience)?,
        algorithms: algorithms(at, raw.algorithms.as_deref())?,
        leeway: time::Duration::seconds(leeway.into()),
        mapping: Mapping {
            claims: claims(at, &raw.claims)?,
            teams: table(&raw.teams, team)?,
            roles: table(&raw.roles, role)?,
            required: required(at, &raw.required)?,
        },
    })
}

/// Tokens are as trustworthy as the way by which the keys come.
fn url(at: &str, text: &str, egress: &Egress) -> Result<(), ConfigError> {
    let url = Url::parse(text).ok_or_else(|| {
        ConfigError::invalid(
            at,
            "is not a URL of a provider; write https://HOST[:PORT]/PATH, without user, query or fragment",
        )
    })?;
    if !url.tls && !egress::is_this_machine(url.host) {
        return Err(ConfigError::invalid(
            at,
            "is in plain HTTP, in which anybody on the way could put keys of their own; write https://",
        ));
    }
    admit_host(egress, at, url.host)
}

fn algorithms(at: &str, names: Option<&[String]>) -> Result<Vec<Algorithm>, ConfigError> {
    let Some(names) = names else {
        return Ok(Algorithm::DEFAULT.to_vec());
    };
    let at = format!("{at}.algorithms");
    if names.is_empty() {
        let what = "is empty, so that no token could count; leave it out, or name at least one";
        return Err(ConfigError::invalid(at, what));
    }
    let known = || Algorithm::ALL.map(Algorithm::as_str).join(", ");
    let read = |name: &String| {
        Algorithm::parse(name).ok_or_else(|| {
            let what = format!(
                "`{name}` does not count; known are those with a public key: {}",
                known()
            );
            ConfigError::invalid(&at, what)
        })
    };
    names.iter().map(read).collect()
}

fn claims(at: &str, raw: &raw::Claims) -> Result<ClaimNames, ConfigError> {
    let claim = |key: &str, name: Option<&str>, default: &str| {
        ClaimName::new(name.unwrap_or(default)).ok_or_else(|| empty(&format!("{at}.claims.{key}")))
    };
    let org = raw.org.as_deref();
    Ok(ClaimNames {
        user: claim("user", raw.user.as_deref(), "sub")?,
        team: claim("team", raw.team.as_deref(), "groups")?,
        roles: claim("roles", raw.roles.as_deref(), "roles")?,
        org: org.map(|org| claim("org", Some(org), "")).transpose()?,
    })
}

fn table<T>(
    raw: &BTreeMap<String, String>,
    meaning: impl Fn(&str) -> Result<T, ConfigError>,
) -> Result<Table<T>, ConfigError> {
    let mut rows = Vec::new();
    let mut others = None;
    for (word, means) in raw {
        match (word.as_str(), means.as_str()) {
            (OTHERS, OTHERS) => others = Some(Others::Stay),
            (OTHERS, means) => others = Some(Others::Be(meaning(means)?)),
            (word, means) => rows.push((word.into(), meaning(means)?)),
        }
    }
    Ok(Table::new(rows, others))
}

/// `ROLE`, or `LEVEL:ROLE`.
fn role(at: &str, word: &str) -> Result<RoleAt, ConfigError> {
    let leveled = word
        .split_once(':')
        .and_then(|(level, role)| Some((Level::parse(level)?, role)));
    match leveled {
        Some((level, role)) => Ok(RoleAt {
            role: name(at, role)?,
            level,
        }),
        None => Ok(name(at, word)?.into()),
    }
}

fn required(
    at: &str,
    raw: &BTreeMap<String, raw::OneOrMore>,
) -> Result<Vec<Required>, ConfigError> {
    let read = |(claim, values): (&String, &raw::OneOrMore)| {
        let at = format!("{at}.required.{claim}");
        let values = match values {
            raw::OneOrMore::One(value) => std::slice::from_ref(value),
            raw::OneOrMore::More(values) => values,
        };
        let claim = ClaimName::new(claim).filter(|_| !values.is_empty());
        let values = values.iter().map(|value| name(&at, value));
        Ok(Required {
            claim: claim.ok_or_else(|| empty(&at))?,
            values: values.collect::<Result<_, _>>()?,
        })
    };
    raw.iter().map(read).collect()
}

fn assigned(raw: &raw::Certificate) -> Result<Assigned, ConfigError> {
    let at = format!("identity.certificates.{}", raw.name);
    let to = match (&raw.user, &raw.agent) {
        (Some(user), None) => Assignee::User(name(&at, user)?),
        (None, Some(agent)) => Assignee::Agent(name(&at, agent)?),
        _ => {
            let what = "names neither or both of `user` and `agent`; name the one who has it";
            return Err(ConfigError::invalid(at, what));
        }
    };
    let roles = raw.roles.iter().map(|role| name(&at, role));
    Ok(Assigned {
        name: certificate_name(&at, &raw.name)?,
        to,
        team: raw
            .team
            .as_deref()
            .map(|team| name(&at, team))
            .transpose()?,
        roles: roles.collect::<Result<_, _>>()?,
    })
}

/// As a verified certificate spells it.
fn certificate_name(at: &str, text: &str) -> Result<Box<str>, ConfigError> {
    let is_digest =
        |hex: &str| hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    match text.split_once(':') {
        Some(("sha256", hex)) if is_digest(hex) => Ok(text.to_ascii_lowercase().into()),
        Some(("dns", host)) if !host.is_empty() => Ok(text.to_ascii_lowercase().into()),
        Some(("uri" | "email" | "cn", name)) if !name.is_empty() => Ok(text.into()),
        _ => Err(ConfigError::invalid(
            at,
            "is no name of a certificate; write uri:…, dns:…, email:…, cn:…, or sha256: and the 64 hex digits of its fingerprint",
        )),
    }
}

fn name(at: &str, text: &str) -> Result<Box<str>, ConfigError> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        let what = format!("a name has 1 to {LONGEST} printable characters");
        return Err(ConfigError::invalid(at, what));
    }
    Ok(text.into())
}

fn empty(at: &str) -> ConfigError {
    ConfigError::invalid(at, "is empty; leave it out, or name something")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse;

    fn checked(text: &str) -> Result<Identity, String> {
        let raw = parse("lattice.yaml".as_ref(), text).map_err(|error| error.to_string())?;
        let asked = raw.server.tls.is_some();
        check(&raw.identity, &Egress::default(), asked).map_err(|error| error.to_string())
    }

    fn of_oidc(more: &str) -> Result<Identity, String> {
        checked(&format!(
            "identity: {{ oidc: [ {{ issuer: https://id.example, audience: lattice, {more} }} ] }}"
        ))
    }

    #[test]
    fn a_provider_needs_no_more_than_issuer_and_audience() {
        let issuer = &of_oidc("").unwrap().oidc[0];
        assert_eq!(issuer.algorithms, Algorithm::DEFAULT);
        assert_eq!(issuer.leeway, time::Duration::seconds(60));
        assert_eq!(issuer.mapping.claims.user.as_str(), "sub");
        assert_eq!(issuer.mapping.claims.team.as_str(), "groups");
        assert_eq!(issuer.mapping.claims.org, None);
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        let of = |issuer: &str| {
            checked(&format!(
                "identity: {{ oidc: [ {{ issuer: \"{issuer}\", audience: a }} ] }}"
            ))
        };
        for sound in [
            "https://id.example/realms/corp/",
            "https://id.example:8443",
            "http://127.0.0.1:4000",
            "http://localhost:4000/a",
            "http://[::1]:4000",
            "https://10.1.2.3",
        ] {
            assert!(of(sound).is_ok(), "{sound}");
        }
        for (unsound, why) in [
            ("http://id.example", "plain HTTP"),
            ("http://10.1.2.3", "plain HTTP"),
            ("http://localhost.example", "plain HTTP"),
            ("id.example", "not a URL"),
            ("https://user@id.example", "not a URL"),
            ("https://id.example/?a=b", "not a URL"),
            ("https://169.254.169.254", "metadata service"),
            ("https://2130706433", "a number"),
            ("https://0.0.0.0", "where servers listen"),
        ] {
            let error = of(unsound).unwrap_err();
            assert!(error.contains(why), "{unsound}: {error}");
        }
    }

    #[test]
    fn each_value_that_cannot_be_used_is_named() {
        for (more, error) in [
            ("leeway_seconds: 61", "leeway_seconds: 61 is out of range"),
            ("algorithms: [HS256]", "algorithms: `HS256` does not count"),
            ("algorithms: [none]", "algorithms: `none` does not count"),
            ("algorithms: []", "algorithms: is empty"),
            ("claims: { user: \"\" }", "claims.user: is empty"),
            ("claims: { group: g }", "unknown key `group`"),
            ("roles: { a: \"\" }", "roles: a name has"),
            ("roles: { a: \"org:\" }", "roles: a name has"),
            ("required: { azp: [] }", "required.azp: is empty"),
            (
                "jwks_url: http://id.example/k",
                "jwks_url: is in plain HTTP",
            ),
            ("jwks_uri: https://id.example/k", "did you mean `jwks_url`"),
        ] {
            let found = of_oidc(more).unwrap_err();
            assert!(found.contains(error), "{more}: {found}");
        }
        let twice = "identity: { oidc: [ { issuer: https://a, audience: a }, { issuer: https://a, audience: b } ] }";
        assert!(checked(twice).unwrap_err().contains("is there twice"));
    }

    #[test]
    fn a_role_may_say_how_far_it_reaches() {
        let read = |word: &str| role("roles", word).unwrap();
        assert_eq!(read("org:admin").level, Level::Org);
        assert_eq!(&*read("team:lead").role, "lead");
        assert_eq!(read("admin").level, Level::Own);
        assert_eq!(&*read("urn:x:admin").role, "urn:x:admin");
    }

    #[test]
    fn a_certificate_is_somebodys_by_a_name_that_certificates_have() {
        let plain =
            |entry: &str| checked(&format!("identity: {{ certificates: [ {{ {entry} }} ] }}"));
        let nobody = plain("name: \"cn:b\", agent: b").unwrap_err();
        assert!(nobody.contains("can be shown by nobody"), "{nobody}");
        let tls = "server: { tls: { cert: c, key: k, client_ca: a } }";
        let of = |entry: &str| {
            checked(&format!(
                "{tls}\nidentity: {{ certificates: [ {{ {entry} }} ] }}"
            ))
        };
        let name = |entry: &str| of(entry).unwrap().certificates[0].name.clone();
        assert_eq!(
            &*name("name: \"dns:Build.Example\", agent: b"),
            "dns:build.example"
        );
        assert_eq!(
            &*name("name: \"uri:spiffe://Corp/b\", user: b"),
            "uri:spiffe://Corp/b"
        );
        let digest = "AB".repeat(32);
        let expected = format!("sha256:{}", digest.to_lowercase());
        assert_eq!(
            *name(&format!("name: \"sha256:{digest}\", agent: b")),
            *expected
        );
        for (entry, why) in [
            ("name: build, agent: b", "no name of a certificate"),
            ("name: \"uri:\", agent: b", "no name of a certificate"),
            ("name: \"sha256:ab\", agent: b", "no name of a certificate"),
            ("name: \"cn:b\"", "neither or both"),
            ("name: \"cn:b\", user: u, agent: a", "neither or both"),
        ] {
            let error = of(entry).unwrap_err();
            assert!(error.contains(why), "{entry}: {error}");
        }
    }
}
