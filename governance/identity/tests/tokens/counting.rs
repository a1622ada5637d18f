//! Tokens that count, and whom they stand for.

use std::sync::atomic::Ordering;

use lattice_identity::directory::{Holder, Team};
use lattice_identity::token::{Others, Table};
use lattice_kernel::Code;
use lattice_kernel::principal::{Auth, Grant, Level, SubjectKind};
use serde_json::json;
use time::ext::NumericalDuration;

use crate::signer::Signer;
use crate::world::{AUDIENCE, KEY, World, issuer, named};

#[tokio::test(start_paused = true)]
async fn every_algorithm_verifies_what_it_has_signed() {
    let rsa = Signer::rsa(2048);
    let (p256, p384) = (Signer::p256(4), Signer::p384(4));
    let world = World::new();
    world.web.publish_keys(&[
        rsa.jwk("rsa"),
        p256.jwk("p256"),
        p384.jwk("p384"),
        world.key.jwk("ed"),
    ]);
    for (algorithm, id, signer) in [
        ("RS256", "rsa", &rsa),
        ("RS384", "rsa", &rsa),
        ("RS512", "rsa", &rsa),
        ("PS256", "rsa", &rsa),
        ("PS384", "rsa", &rsa),
        ("PS512", "rsa", &rsa),
        ("ES256", "p256", &p256),
        ("ES384", "p384", &p384),
        ("EdDSA", "ed", &world.key),
        ("Ed25519", "ed", &world.key),
    ] {
        let (_, claims) = world.parts();
        let header = json!({"alg": algorithm, "kid": id});
        let token = signer.token(&header, &claims);
        assert_eq!(world.code(&token).await, None, "{algorithm}");
        // The same signature under a sister's name is another one.
        let sister =
            json!({"alg": if algorithm == "RS256" { "PS256" } else { "RS256" }, "kid": id});
        let (_, signature) = token.rsplit_once('.').unwrap();
        let swapped = signer.token(&sister, &claims);
        let swapped = format!("{}.{signature}", swapped.rsplit_once('.').unwrap().0);
        assert_eq!(
            world.code(&swapped).await,
            Some(Code::IdentityUnknown),
            "{algorithm}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn types_and_audiences_may_be_written_in_their_ways() {
    let world = World::new();
    for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = world.token(|header, _| header["typ"] = kind.into());
        assert_eq!(world.code(&token).await, None, "{kind}");
    }
    let token = world.token(|header, _| {
        header.as_object_mut().unwrap().remove("typ");
    });
    assert_eq!(world.code(&token).await, None);
    let token = world.token(|_, claims| claims["aud"] = json!(["other", AUDIENCE]));
    assert_eq!(world.code(&token).await, None);
    let token =
        world.token(|_, claims| claims["exp"] = json!(claims["exp"].as_f64().unwrap() + 0.5));
    assert_eq!(world.code(&token).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_user_whom_the_store_does_not_know_is_the_same_one_each_time() {
    let world = World::new();
    let of = |email: &'static str| world.token(move |_, claims| claims["email"] = email.into());
    let first = world.show(&of("ada@example.com")).await.unwrap();
    let again = world.show(&of("ada@new.example")).await.unwrap();
    assert_eq!(first.subject.kind, SubjectKind::User);
    assert_eq!(first.auth, Auth::Token);
    assert_eq!(first.user, Some(first.subject.named.clone()));
    assert_eq!(first.key, None);
    assert_eq!(first.subject, again.subject);
    assert_eq!(first.subject.named.id.get_version_num(), 5);
    let other = world.token(|_, claims| claims["sub"] = "s-2".into());
    let other = world.show(&other).await.unwrap();
    assert_ne!(first.subject.named.id, other.subject.named.id);
}

#[tokio::test(start_paused = true)]
async fn only_a_user_of_the_store_has_a_bare_name() {
    let world = World::new();
    let token = world.token(|_, claims| {
        for claim in ["email", "name", "preferred_username", "upn", "nickname"] {
            claims[claim] = "stored".into();
        }
        claims["email_verified"] = true.into();
    });
    let name = async || world.show(&token).await.unwrap().subject.named.name.clone();
    assert_eq!(&*name().await, "https://id.example#s-1");
    world.people.add_user("s-1", |_| ());
    assert_eq!(&*name().await, "stored");
}

#[tokio::test(start_paused = true)]
async fn groups_and_roles_become_team_and_grants() {
    let world = World::new();
    world.people.add_team("research", |team| {
        team.models = Some(vec!["small".into()]);
        team.classification = Some("confidential".into());
        team.org = Some(named(9, "acme"));
        team.grants = vec![Grant {
            level: Level::Team,
            role: "member".into(),
        }];
    });
    let token = world.token(|_, claims| {
        claims["groups"] = json!(["nobody's", "research"]);
        claims["roles"] = json!(["idp-admins", "unlisted", "idp-admins"]);
    });
    let who = world.show(&token).await.unwrap();
    assert_eq!(who.team.as_ref().map(|team| &*team.name), Some("research"));
    assert_eq!(who.org, Some(named(9, "acme")));
    assert_eq!(who.team_models, Some(vec!["small".into()]));
    assert_eq!(who.classification.as_deref(), Some("confidential"));
    let grants: Vec<_> = who
        .grants
        .iter()
        .map(|grant| (grant.level, &*grant.role))
        .collect();
    assert_eq!(grants, [(Level::Org, "admin"), (Level::Team, "member")]);
}

#[tokio::test(start_paused = true)]
async fn groups_that_are_not_listed_lead_nowhere() {
    let mut issuer = issuer();
    issuer.mapping.teams = Table::new(vec![("idp-research".into(), "research".into())], None);
    let world = World::of(issuer.clone());
    world.people.add_team("research", |_| ());
    let of = |group: &str| world.token(|_, claims| claims["groups"] = json!([group]));
    let team = async |token: String| world.show(&token).await.unwrap().team.clone();
    assert!(team(of("idp-research")).await.is_some());
    assert!(team(of("research")).await.is_none());

    issuer.mapping.teams = Table::new(Vec::new(), Some(Others::Be("research".into())));
    let world = World::of(issuer);
    world.people.add_team("research", |_| ());
    let who = world.show(&of("anything")).await.unwrap();
    assert!(who.team.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_groups_stand_for_teams_acts_in_one_of_them_or_not_at_all() {
    let world = World::new();
    let of = |groups: &[&str]| world.token(|_, claims| claims["groups"] = json!(groups));
    assert!(world.show(&of(&[])).await.unwrap().team.is_none());
    world.people.add_team("research", |_| ());
    let either = world.show(&of(&["lost", "research"])).await.unwrap();
    assert_eq!(either.team, Some(named(2, "research")));

    let lost = of(&["lost"]);
    let stranger = world.token(|_, claims| claims["aud"] = "other".into());
    let usual = world.show(&stranger).await.unwrap_err();
    // Also where the user has a team that the token does not name.
    for stored in [false, true] {
        if stored {
            let research = world.people.teams.lock()["research"].clone();
            world
                .people
                .add_user("s-1", |user| user.team = Some(research));
        }
        let refusal = world.show(&lost).await.unwrap_err();
        assert_eq!(refusal.code, Code::IdentityUnknown);
        assert_eq!(refusal.message, usual.message);
        let detail = refusal.detail().unwrap();
        assert!(detail.contains("\"lost\"") && detail.contains("lattice team create"));
    }
    world.people.add_team("lost", |_| ());
    assert_eq!(world.code(&lost).await, None, "once it is made");
}

#[tokio::test(start_paused = true)]
async fn a_team_of_another_organisation_than_the_token_says_does_not_count() {
    let world = World::new();
    world
        .people
        .add_team("research", |team| team.org = Some(named(9, "acme")));
    world.people.add_org(9, "acme");
    world.people.add_org(8, "other");
    let of = |org: &str| {
        world.token(|_, claims| {
            claims["groups"] = json!(["research"]);
            claims["org"] = org.into();
        })
    };
    let who = world.show(&of("acme")).await.unwrap();
    assert!(who.team.is_some());
    let refused = Some(Code::IdentityUnknown);
    assert_eq!(world.code(&of("other")).await, refused);
    world.people.add_team("research", |_| ());
    assert_eq!(world.code(&of("acme")).await, refused, "a team of nobody's");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_that_the_store_does_not_know_is_nobodys() {
    let world = World::new();
    let token = world.token(|_, claims| claims["org"] = "acme".into());
    let refusal = world.show(&token).await.unwrap_err();
    assert_eq!(refusal.code, Code::IdentityUnknown);
    assert!(refusal.detail().unwrap().contains("lattice org create"));
    world.people.add_org(9, "acme");
    let who = world.show(&token).await.unwrap();
    assert_eq!(who.org, Some(named(9, "acme")), "with the store's own id");
    // Whose organisation the store knows is not asked by the token.
    world
        .people
        .add_user("s-1", |user| user.org = Some(named(8, "umbrella")));
    world.people.orgs.lock().clear();
    let who = world.show(&token).await.unwrap();
    assert_eq!(who.org, Some(named(8, "umbrella")));
}

#[tokio::test(start_paused = true)]
async fn a_user_that_was_deleted_is_no_stranger() {
    let world = World::new();
    let token = world.token(|_, _| ());
    world.people.add_user("s-1", |user| user.user = None);
    assert_eq!(world.code(&token).await, Some(Code::IdentityRevoked));
}

#[tokio::test(start_paused = true)]
async fn the_organisation_that_the_store_knows_goes_before_the_one_that_a_token_says() {
    let world = World::new();
    for (id, org) in [(8, "umbrella"), (9, "acme")] {
        world
            .people
            .add_team(&format!("of {org}"), |team| team.org = Some(named(id, org)));
    }
    world.people.add_team("of nobody", |_| ());
    let of = |team: &str, org: Option<&str>| {
        world.token(|_, claims| {
            claims["groups"] = json!([team]);
            claims["org"] = org.into();
        })
    };
    let of_acme = world.people.teams.lock()["of acme"].clone();
    let belongs: [fn(&mut Holder, Team); 2] = [
        |user, of_acme| user.org = of_acme.org,
        |user, of_acme| user.team = Some(of_acme),
    ];
    for belong in belongs {
        world
            .people
            .add_user("s-1", |user| belong(user, of_acme.clone()));
        for org in [None, Some("acme"), Some("umbrella")] {
            let who = world.show(&of("of acme", org)).await.unwrap();
            assert_eq!(who.org, Some(named(9, "acme")), "{org:?}");
            for team in ["of umbrella", "of nobody"] {
                let code = world.code(&of(team, org)).await;
                assert_eq!(code, Some(Code::IdentityUnknown), "{team} {org:?}");
            }
        }
    }
    // Whoever is of no organisation is put into any team, and takes on its own.
    world.people.add_user("s-1", |_| ());
    for (team, org) in [
        ("of umbrella", Some(named(8, "umbrella"))),
        ("of nobody", None),
    ] {
        let who = world.show(&of(team, None)).await.unwrap();
        assert_eq!(who.org, org, "{team}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_adds_what_it_knows_and_disables_at_once() {
    let world = World::new();
    let token = world.token(|_, claims| claims["roles"] = json!(["idp-admins"]));
    world.people.add_user("s-1", |user| {
        user.org = Some(named(9, "acme"));
        user.grants = vec![Grant {
            level: Level::Own,
            role: "viewer".into(),
        }];
    });
    let who = world.show(&token).await.unwrap();
    assert_eq!(who.subject.named, named(1, "stored"));
    assert_eq!(who.org, Some(named(9, "acme")));
    assert_eq!(who.grants.len(), 2);
    world.people.add_user("s-1", |user| user.disabled = true);
    assert_eq!(world.code(&token).await, Some(Code::IdentityRevoked));
    world.people.down.store(true, Ordering::SeqCst);
    assert_eq!(world.code(&token).await, Some(Code::StoreUnavailable));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_remembered_but_never_beyond_its_end() {
    let world = World::new();
    let token =
        world.token(|_, claims| claims["exp"] = (claims["iat"].as_i64().unwrap() + 30).into());
    assert_eq!(world.code(&token).await, None);
    world.pass(89.seconds());
    assert_eq!(world.code(&token).await, None, "within the leeway");
    world.pass(1.seconds());
    assert_eq!(world.code(&token).await, Some(Code::IdentityExpired));
    // A clock that is set back does not find it valid before it was.
    world.pass(-(10.minutes()));
    assert_eq!(world.code(&token).await, Some(Code::IdentityUnknown));
}

#[tokio::test(start_paused = true)]
async fn what_one_gateway_remembers_is_not_another_audiences() {
    let world = World::new();
    let token = world.token(|_, _| ());
    assert_eq!(world.code(&token).await, None);
    let mut other = issuer();
    other.audience = "other".into();
    let other = World::of(other);
    assert_eq!(other.code(&token).await, Some(Code::IdentityUnknown));
    // Two tokens that begin alike are two tokens.
    let twin = world.token(|_, claims| claims["sub"] = "s-2".into());
    let (one, two) = (
        world.show(&token).await.unwrap(),
        world.show(&twin).await.unwrap(),
    );
    assert_ne!(one.subject, two.subject);
    assert_eq!(world.parts().0["kid"], KEY);
}
