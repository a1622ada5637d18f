//! Roles and grants, and how gateways learn of changes and say that they have.

use std::time::Duration;

use lattice_identity::Permissions;
use lattice_kernel::principal::Level;
use lattice_store::{GrantRow, Grantee, Notices, Store, StoreError};
use sqlx::Row as _;
use tokio::time::timeout;

use crate::identity::{NOW, assert_conflict, key, team};
use crate::servers::Bench;

cases! { CASES:
    policy_is_given_every_role_with_the_revision_that_they_are_of,
    a_role_is_granted_once_a_level_and_taken_back_there,
    a_role_that_somebody_has_cannot_be_deleted,
    every_change_of_who_may_do_what_raises_the_revision,
    a_listener_hears_of_changes_and_of_its_own_return,
    gateways_are_those_that_were_heard_of_lately,
}

fn permissions(rule: &str) -> Permissions {
    Permissions::of_rules([rule], []).unwrap()
}

async fn policy_is_given_every_role_with_the_revision_that_they_are_of(Bench { store, .. }: Bench) {
    let data = store.policy_data().await.unwrap();
    assert_eq!(data.revision, store.revision().await.unwrap());
    assert_eq!(compact(&data.json), r#"{"roles":{}}"#);
    store
        .create_role("b \"quoted\"", &permissions("infer:model:gpt-*"), NOW)
        .await
        .unwrap();
    store
        .create_role("a", &permissions("*:*"), NOW)
        .await
        .unwrap();
    let data = store.policy_data().await.unwrap();
    assert_eq!(data.revision, store.revision().await.unwrap());
    assert_eq!(
        compact(&data.json),
        r#"{"roles":{"a":{"permissions":[{"actions":["*"],"resources":["*"]}]},"b\"quoted\"":{"permissions":[{"actions":["infer"],"resources":["model:gpt-*"]}]}}}"#
    );
    assert_conflict(
        store.create_role("a", &permissions("*:*"), NOW).await,
        "`a`",
    );
}

/// PostgreSQL writes spaces around colons and braces, in no way that matters.
fn compact(json: &str) -> String {
    json.split_whitespace().collect()
}

async fn a_role_is_granted_once_a_level_and_taken_back_there(Bench { store, .. }: Bench) {
    store.create_team(&team("research")).await.unwrap();
    store.create_key(&key(1, "ci", &[1; 32])).await.unwrap();
    let (to_team, to_key) = (Grantee::Team("research"), Grantee::Key("ci"));
    let grant = |level, to| store.grant_role("coder", level, to);
    assert!(grant(Level::Team, to_team).await.unwrap());
    assert!(grant(Level::Own, to_key).await.unwrap());
    assert!(grant(Level::Org, to_key).await.unwrap());
    let before = store.revision().await.unwrap();
    assert!(!grant(Level::Org, to_key).await.unwrap());
    assert!(
        !store
            .revoke_role("coder", Level::Team, to_key)
            .await
            .unwrap()
    );
    assert!(
        !store
            .revoke_role("writer", Level::Org, to_key)
            .await
            .unwrap()
    );
    assert_eq!(store.revision().await.unwrap(), before);

    assert!(
        store
            .revoke_role("coder", Level::Org, to_key)
            .await
            .unwrap()
    );
    let row = |level: &str, kind: &str, name: &str| GrantRow {
        role: "coder".to_owned(),
        level: level.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let listed = [row("own", "key", "ci"), row("team", "team", "research")];
    assert_eq!(store.grants().await.unwrap(), listed);

    // Another key of that name has nothing of what the one before was granted.
    store.revoke_key("ci", NOW).await.unwrap();
    store.create_key(&key(2, "ci", &[2; 32])).await.unwrap();
    assert_eq!(store.grants().await.unwrap(), listed[1..]);
    let found = store.find_key_by_mac(&[2; 32]).await.unwrap().unwrap();
    assert_eq!(found.grants, [""; 0]);

    for ghost in [
        Grantee::User("ghost"),
        Grantee::Agent("ghost"),
        Grantee::Key("ghost"),
        Grantee::Team("ghost"),
    ] {
        let refused = grant(Level::Own, ghost).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Missing { what } if what.contains("`ghost`")),
            "{refused}"
        );
    }
}

async fn a_role_that_somebody_has_cannot_be_deleted(Bench { store, .. }: Bench) {
    store.create_team(&team("research")).await.unwrap();
    store
        .create_role("coder", &permissions("*:*"), NOW)
        .await
        .unwrap();
    let to = Grantee::Team("research");
    store.grant_role("coder", Level::Team, to).await.unwrap();
    assert_conflict(store.delete_role("coder").await, "granted");
    assert_eq!(store.roles().await.unwrap().len(), 1);
    store.revoke_role("coder", Level::Team, to).await.unwrap();
    assert!(store.delete_role("coder").await.unwrap());
    assert!(!store.delete_role("coder").await.unwrap());
    assert_eq!(store.roles().await.unwrap(), []);
}

async fn every_change_of_who_may_do_what_raises_the_revision(Bench { store, .. }: Bench) {
    let mut revision = store.revision().await.unwrap();
    let mut changed = async |change: &str| {
        revision += 1;
        assert_eq!(store.revision().await.unwrap(), revision, "after {change}");
    };
    store.create_team(&team("research")).await.unwrap();
    changed("create_team").await;
    store
        .create_role("coder", &permissions("*:*"), NOW)
        .await
        .unwrap();
    changed("create_role").await;
    let to = Grantee::Team("research");
    store.grant_role("coder", Level::Team, to).await.unwrap();
    changed("grant_role").await;
    store.revoke_role("coder", Level::Team, to).await.unwrap();
    changed("revoke_role").await;
    store.delete_role("coder").await.unwrap();
    changed("delete_role").await;
    store.create_key(&key(1, "ci", &[1; 32])).await.unwrap();
    changed("create_key").await;
    store.rotate_key("ci", &[2; 32], Some(NOW)).await.unwrap();
    changed("rotate_key").await;
}

async fn is_told(notices: &mut Notices) -> bool {
    let told = timeout(Duration::from_secs(5), notices.next()).await;
    told.is_ok_and(|told| told.is_ok())
}

async fn a_listener_hears_of_changes_and_of_its_own_return(bench: Bench) {
    let mut notices = bench.store.listen().await.unwrap();
    let quiet = timeout(Duration::from_millis(200), notices.next()).await;
    assert!(quiet.is_err(), "nothing has changed");
    bench.store.create_team(&team("one")).await.unwrap();
    assert!(is_told(&mut notices).await);

    // What changes while it does not listen is not told of, so that it was away is.
    assert_eq!(end_listeners(&bench).await, 1);
    assert!(is_told(&mut notices).await);
    bench.store.create_team(&team("two")).await.unwrap();
    assert!(is_told(&mut notices).await);
}

/// Ends the connections that listen, of this case's database alone; how many there were.
async fn end_listeners(bench: &Bench) -> usize {
    let ended = sqlx::query(
        "select pg_terminate_backend(pid) as ended from pg_stat_activity
         where datname = current_database() and query ilike 'listen %'",
    )
    .fetch_all(&mut bench.connection().await)
    .await
    .unwrap();
    ended.iter().filter(|row| row.get("ended")).count()
}

async fn gateways_are_those_that_were_heard_of_lately(bench: Bench) {
    let store: &Store = &bench.store;
    assert_eq!(store.gateways().await.unwrap(), []);
    store.follow("one", 4).await.unwrap();
    store.follow("two", 5).await.unwrap();
    store.follow("one", 6).await.unwrap();
    let row = |node: &str, seen| (node.to_owned(), seen);
    assert_eq!(
        store.gateways().await.unwrap(),
        [row("one", 6), row("two", 5)]
    );
    sqlx::query("update gateway set seen_at = now() - interval '16 seconds' where node = 'two'")
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(store.gateways().await.unwrap(), [row("one", 6)]);
    store.unfollow("one").await.unwrap();
    assert_eq!(store.gateways().await.unwrap(), []);
}
