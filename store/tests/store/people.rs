//! Organisations, users and agents, and how keys, tokens and certificates lead to them.

use lattice_identity::{Directory, Handle, Holder, KeyStore};
use lattice_kernel::principal::{Auth, Grant, Level, Principal, SubjectKind};
use lattice_store::{
    AgentRow, Grantee, NewKey, OrgRow, Owner, Store, StoreError, TeamRow, UserRow,
};
use uuid::Uuid;

use crate::identity::{NOW, assert_conflict, key, team};
use crate::servers::Bench;

cases! { CASES:
    everything_around_a_key_comes_with_it,
    a_key_acts_for_the_team_of_its_user_where_it_has_none,
    whoever_is_disabled_is_found_as_disabled,
    a_token_leads_to_the_user_of_its_issuer_and_subject,
    a_certificate_leads_to_the_holder_of_its_first_known_name,
    a_team_is_found_with_what_its_members_inherit,
    nobody_acts_for_a_team_of_another_organisation,
    whoever_still_has_keys_cannot_be_deleted,
    whom_tokens_named_is_refused_once_it_is_deleted,
    names_are_unique,
    what_is_referred_to_must_exist,
}

fn org(name: &str) -> OrgRow {
    OrgRow {
        id: team(&format!("org {name}")).id,
        name: name.to_owned(),
        created_at: NOW,
    }
}

fn user(name: &str) -> UserRow {
    UserRow {
        id: team(&format!("user {name}")).id,
        name: name.to_owned(),
        org: None,
        team: None,
        issuer: None,
        subject: None,
        created_at: NOW,
        disabled_at: None,
    }
}

fn agent(name: &str) -> AgentRow {
    AgentRow {
        id: team(&format!("agent {name}")).id,
        name: name.to_owned(),
        team: None,
        owner: None,
        created_at: NOW,
        disabled_at: None,
    }
}

fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn grant(level: Level, role: &str) -> Grant {
    Grant {
        level,
        role: role.into(),
    }
}

/// The organisation acme with the team research, its user ada, whom tokens name, and ada's
/// agent build, each with a role of its own.
async fn acme(store: &Store) {
    let ada = UserRow {
        issuer: some("https://id.example.com"),
        subject: some("4711"),
        ..user("ada")
    };
    acme_with(store, ada).await;
}

/// As [`acme`], with an ada of the caller's.
async fn acme_with(store: &Store, ada: UserRow) {
    store.create_org(&org("acme")).await.unwrap();
    let research = TeamRow {
        org: some("acme"),
        classification: some("restricted"),
        models: Some(vec!["small".to_owned()]),
        ..team("research")
    };
    store.create_team(&research).await.unwrap();
    let ada = UserRow {
        org: some("acme"),
        ..ada
    };
    store.create_user(&ada).await.unwrap();
    let build = AgentRow {
        team: some("research"),
        owner: some("ada"),
        ..agent("build")
    };
    store.create_agent(&build).await.unwrap();
    for (role, level, to) in [
        ("of ada", Level::Org, Grantee::User("ada")),
        ("of build", Level::Own, Grantee::Agent("build")),
        ("of research", Level::Team, Grantee::Team("research")),
    ] {
        assert!(store.grant_role(role, level, to).await.unwrap());
    }
}

async fn principal(store: &Store, mac: u8) -> Principal {
    let found = KeyStore::find(store, &[mac; 32]).await.unwrap();
    found.unwrap().principal
}

async fn holder(store: &Store, handle: Handle) -> Option<Holder> {
    store.holder(&handle).await.unwrap()
}

/// The names of subject, user, agent, team and organisation.
fn names(who: &Principal) -> [Option<&str>; 5] {
    let of = |named: &'_ Option<lattice_kernel::principal::Named>| {
        named
            .as_ref()
            .map(|named| named.name.to_string().leak() as &str)
    };
    [
        Some(&who.subject.named.name),
        of(&who.user),
        of(&who.agent),
        of(&who.team),
        of(&who.org),
    ]
}

async fn everything_around_a_key_comes_with_it(Bench { store, .. }: Bench) {
    acme(&store).await;
    let new = NewKey {
        owner: Some(Owner::Agent("build")),
        ..key(1, "ci", &[1; 32])
    };
    store.create_key(&new).await.unwrap();
    let to = Grantee::Key("ci");
    store.grant_role("of ci", Level::Own, to).await.unwrap();

    let who = principal(&store, 1).await;
    assert_eq!(who.subject.kind, SubjectKind::Agent);
    assert_eq!(
        names(&who),
        [
            Some("build"),
            Some("ada"),
            Some("build"),
            Some("research"),
            Some("acme")
        ]
    );
    assert_eq!(
        (who.auth, who.key.unwrap().id),
        (Auth::Key, Uuid::from_u128(1))
    );
    assert_eq!(
        who.grants,
        [
            grant(Level::Org, "of ada"),
            grant(Level::Team, "of research"),
            grant(Level::Own, "of build"),
            grant(Level::Own, "of ci"),
        ]
    );
    assert_eq!(who.classification.as_deref(), Some("restricted"));
    assert_eq!(who.team_models, Some(vec!["small".into()]));

    store.create_key(&key(2, "alone", &[2; 32])).await.unwrap();
    let alone = principal(&store, 2).await;
    assert_eq!(alone.subject.kind, SubjectKind::Key);
    assert_eq!(names(&alone), [Some("alone"), None, None, None, None]);
    assert_eq!(alone.grants, []);
}

async fn a_key_acts_for_the_team_of_its_user_where_it_has_none(Bench { store, .. }: Bench) {
    acme(&store).await;
    store.create_team(&team("other")).await.unwrap();
    let eve = UserRow {
        team: some("research"),
        ..user("eve")
    };
    store.create_user(&eve).await.unwrap();
    let owner = Some(Owner::User("eve"));
    let new = NewKey {
        owner,
        ..key(1, "one", &[1; 32])
    };
    store.create_key(&new).await.unwrap();
    let new = NewKey {
        owner,
        team: Some("other"),
        ..key(2, "two", &[2; 32])
    };
    store.create_key(&new).await.unwrap();

    let one = principal(&store, 1).await;
    assert_eq!(one.subject.kind, SubjectKind::User);
    assert_eq!(
        names(&one),
        [
            Some("eve"),
            Some("eve"),
            None,
            Some("research"),
            Some("acme")
        ]
    );
    assert_eq!(one.grants, [grant(Level::Team, "of research")]);
    let two = principal(&store, 2).await;
    assert_eq!(
        names(&two),
        [Some("eve"), Some("eve"), None, Some("other"), None]
    );
    assert_eq!(two.grants, []);
}

async fn whoever_is_disabled_is_found_as_disabled(Bench { store, .. }: Bench) {
    acme(&store).await;
    for (n, owner) in [(1, Owner::User("ada")), (2, Owner::Agent("build"))] {
        let (name, mac) = (format!("key {n}"), [n; 32]);
        let new = NewKey {
            owner: Some(owner),
            ..key(n.into(), &name, &mac)
        };
        store.create_key(&new).await.unwrap();
    }
    let token = || Handle::Token {
        issuer: "https://id.example.com".into(),
        subject: "4711".into(),
    };
    let disabled = async || {
        let key = async |mac| {
            KeyStore::find(&store, &[mac; 32])
                .await
                .unwrap()
                .unwrap()
                .disabled
        };
        let holder = async |handle| holder(&store, handle).await.unwrap().disabled;
        [
            key(1).await,
            key(2).await,
            holder(token()).await,
            holder(Handle::Agent("build".into())).await,
        ]
    };
    assert_eq!(disabled().await, [false; 4]);
    assert!(store.disable_agent("build", Some(NOW)).await.unwrap());
    assert_eq!(disabled().await, [false, true, false, true]);
    assert!(store.disable_agent("build", None).await.unwrap());
    // What a user's agent does, it does for that user.
    assert!(store.disable_user("ada", Some(NOW)).await.unwrap());
    assert_eq!(disabled().await, [true; 4]);
    assert_eq!(store.users().await.unwrap()[0].disabled_at, Some(NOW));
    assert!(store.disable_user("ada", None).await.unwrap());
    assert_eq!(disabled().await, [false; 4]);
    assert!(!store.disable_user("nobody", Some(NOW)).await.unwrap());
    assert!(!store.disable_agent("nobody", Some(NOW)).await.unwrap());
}

async fn a_token_leads_to_the_user_of_its_issuer_and_subject(Bench { store, .. }: Bench) {
    acme(&store).await;
    let token = |issuer: &str, subject: &str| Handle::Token {
        issuer: issuer.into(),
        subject: subject.into(),
    };
    let ada = holder(&store, token("https://id.example.com", "4711"))
        .await
        .unwrap();
    assert_eq!(ada.grants, [grant(Level::Org, "of ada")]);
    let who = ada.clone().principal(Auth::Token).unwrap();
    assert_eq!(
        names(&who),
        [Some("ada"), Some("ada"), None, None, Some("acme")]
    );
    assert_eq!((who.auth, who.key), (Auth::Token, None));
    assert_eq!(holder(&store, Handle::User("ada".into())).await, Some(ada));
    for (issuer, subject) in [
        ("https://id.example.com/", "4711"),
        ("https://id.example.com", "4712"),
        ("https://elsewhere.example.com", "4711"),
        ("' or '1'='1", "' or '1'='1"),
    ] {
        assert_eq!(
            holder(&store, token(issuer, subject)).await,
            None,
            "{issuer} {subject}"
        );
    }
}

async fn a_certificate_leads_to_the_holder_of_its_first_known_name(Bench { store, .. }: Bench) {
    acme(&store).await;
    let fingerprint = lattice_identity::directory::fingerprint_name(&[0xab; 32]);
    let declared = [
        ("uri:spiffe://corp/agent/build", Owner::Agent("build")),
        ("cn:ada", Owner::User("ada")),
        (&*fingerprint, Owner::User("ada")),
    ];
    for (n, (name, owner)) in (1..).zip(declared) {
        store
            .create_certificate(Uuid::from_u128(n), name, owner, NOW)
            .await
            .unwrap();
    }
    let shown = async |names: &[&str], digit: u8| {
        let certificate = lattice_kernel::Certificate {
            fingerprint: [digit; 32],
            names: names.iter().map(|name| Box::from(*name)).collect(),
            not_after: NOW,
        };
        let found = holder(&store, Handle::of_certificate(&certificate)).await?;
        let who = found.principal(Auth::Certificate).unwrap();
        Some(who.subject.named.name.to_string())
    };
    let both = ["uri:spiffe://corp/agent/build", "cn:ada"];
    assert_eq!(shown(&both, 1).await, some("build"));
    assert_eq!(shown(&["dns:x", "cn:ada"], 1).await, some("ada"));
    assert_eq!(
        shown(&both, 0xab).await,
        some("ada"),
        "a fingerprint goes before names"
    );
    assert_eq!(
        shown(&["uri:spiffe://corp/agent", "cn:Ada", "ada"], 1).await,
        None
    );

    let listed = store.certificates().await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|row| (&*row.name, &*row.kind, &*row.holder))
        .collect();
    assert_eq!(
        listed,
        [
            ("cn:ada", "user", "ada"),
            (&fingerprint, "user", "ada"),
            ("uri:spiffe://corp/agent/build", "agent", "build"),
        ]
    );
    let again = store.create_certificate(Uuid::from_u128(9), "cn:ada", Owner::Agent("build"), NOW);
    assert_conflict(again.await, "cn:ada");
    assert!(store.delete_certificate("cn:ada").await.unwrap());
    assert!(!store.delete_certificate("cn:ada").await.unwrap());
    assert_eq!(shown(&["cn:ada"], 1).await, None);
}

async fn a_team_is_found_with_what_its_members_inherit(Bench { store, .. }: Bench) {
    acme(&store).await;
    let research = Directory::team(&store, "research").await.unwrap().unwrap();
    assert_eq!(
        (research.named.id, &*research.named.name),
        (team("research").id, "research")
    );
    assert_eq!(&*research.org.unwrap().name, "acme");
    assert_eq!(research.classification.as_deref(), Some("restricted"));
    assert_eq!(research.models, Some(vec!["small".into()]));
    assert_eq!(research.grants, [grant(Level::Team, "of research")]);
    assert_eq!(Directory::team(&store, "Research").await.unwrap(), None);
}

async fn nobody_acts_for_a_team_of_another_organisation(Bench { store, .. }: Bench) {
    acme(&store).await;
    store.create_org(&org("umbrella")).await.unwrap();
    let hive = TeamRow {
        org: some("umbrella"),
        ..team("hive")
    };
    store.create_team(&hive).await.unwrap();
    for owner in [Owner::User("ada"), Owner::Agent("build")] {
        let new = NewKey {
            owner: Some(owner),
            team: Some("hive"),
            ..key(1, "ci", &[1; 32])
        };
        assert_conflict(store.create_key(&new).await, "`umbrella`");
    }
    let spy = UserRow {
        org: some("acme"),
        team: some("hive"),
        ..user("spy")
    };
    assert_conflict(store.create_user(&spy).await, "`umbrella`");
    let drone = AgentRow {
        owner: some("ada"),
        team: some("hive"),
        ..agent("drone")
    };
    assert_conflict(store.create_agent(&drone).await, "`umbrella`");
    assert_eq!(store.keys().await.unwrap(), []);
    assert_eq!(store.users().await.unwrap().len(), 1);
    assert_eq!(store.agents().await.unwrap().len(), 1);
}

async fn whoever_still_has_keys_cannot_be_deleted(Bench { store, .. }: Bench) {
    acme_with(&store, user("ada")).await;
    for (n, owner) in [(1, Owner::User("ada")), (2, Owner::Agent("build"))] {
        let (name, mac) = (format!("key {n}"), [n; 32]);
        let new = NewKey {
            owner: Some(owner),
            ..key(n.into(), &name, &mac)
        };
        store.create_key(&new).await.unwrap();
    }
    store
        .create_certificate(Uuid::from_u128(3), "cn:build", Owner::Agent("build"), NOW)
        .await
        .unwrap();
    assert_conflict(store.delete_agent("build").await, "live keys");
    assert_conflict(store.delete_user("ada").await, "live keys or agents");
    assert_conflict(store.delete_team("research").await, "agents");
    assert_conflict(store.delete_org("acme").await, "teams or users");

    store.revoke_key("key 2", NOW).await.unwrap();
    assert!(store.delete_agent("build").await.unwrap());
    assert_eq!(store.certificates().await.unwrap(), []);
    store.revoke_key("key 1", NOW).await.unwrap();
    assert!(store.delete_user("ada").await.unwrap());
    assert!(store.delete_team("research").await.unwrap());
    assert!(store.delete_org("acme").await.unwrap());
    assert_eq!(store.grants().await.unwrap(), []);
    for key in store.keys().await.unwrap() {
        assert_eq!(
            (key.user_id, key.agent_id, key.revoked_at),
            (None, None, Some(NOW))
        );
    }
    assert!(!store.delete_user("ada").await.unwrap());
    assert!(!store.delete_agent("build").await.unwrap());
    assert!(!store.delete_org("acme").await.unwrap());
}

async fn whom_tokens_named_is_refused_once_it_is_deleted(Bench { store, .. }: Bench) {
    acme(&store).await;
    let token = || Handle::Token {
        issuer: "https://id.example.com".into(),
        subject: "4711".into(),
    };
    assert!(store.delete_agent("build").await.unwrap());
    assert!(store.delete_user("ada").await.unwrap());
    let left = holder(&store, token()).await.unwrap();
    assert_eq!((left.user, left.agent, left.org), (None, None, None));
    assert!(store.delete_team("research").await.unwrap());
    assert!(store.delete_org("acme").await.unwrap());

    let ada = UserRow {
        issuer: some("https://id.example.com"),
        subject: some("4711"),
        ..user("ada")
    };
    store.create_user(&ada).await.unwrap();
    assert!(holder(&store, token()).await.unwrap().user.is_some());
}

async fn names_are_unique(Bench { store, .. }: Bench) {
    acme(&store).await;
    assert_conflict(
        store
            .create_org(&OrgRow {
                id: Uuid::from_u128(1),
                ..org("acme")
            })
            .await,
        "`acme`",
    );
    assert_conflict(
        store
            .create_user(&UserRow {
                id: Uuid::from_u128(1),
                ..user("ada")
            })
            .await,
        "`ada`",
    );
    assert_conflict(
        store
            .create_agent(&AgentRow {
                id: Uuid::from_u128(1),
                ..agent("build")
            })
            .await,
        "`build`",
    );
    let twin = UserRow {
        issuer: some("https://id.example.com"),
        subject: some("4711"),
        ..user("twin")
    };
    assert_conflict(store.create_user(&twin).await, "issuer and subject");
}

async fn what_is_referred_to_must_exist(Bench { store, .. }: Bench) {
    let absent = |refused: Result<(), StoreError>, named: &str| match refused {
        Err(StoreError::Missing { what }) => assert!(what.contains(named), "{what}"),
        other => panic!("not missing: {other:?}"),
    };
    let ghost = some("ghost");
    absent(
        store
            .create_team(&TeamRow {
                org: ghost.clone(),
                ..team("x")
            })
            .await,
        "organisation `ghost`",
    );
    absent(
        store
            .create_user(&UserRow {
                org: ghost.clone(),
                ..user("x")
            })
            .await,
        "organisation `ghost`",
    );
    absent(
        store
            .create_user(&UserRow {
                team: ghost.clone(),
                ..user("x")
            })
            .await,
        "team `ghost`",
    );
    absent(
        store
            .create_agent(&AgentRow {
                owner: ghost,
                ..agent("x")
            })
            .await,
        "user `ghost`",
    );
    for (owner, named) in [
        (Owner::User("ghost"), "user"),
        (Owner::Agent("ghost"), "agent"),
    ] {
        let new = NewKey {
            owner: Some(owner),
            ..key(1, "x", &[1; 32])
        };
        absent(store.create_key(&new).await.map(drop), named);
        let id = Uuid::from_u128(1);
        absent(
            store.create_certificate(id, "cn:x", owner, NOW).await,
            named,
        );
    }
}
