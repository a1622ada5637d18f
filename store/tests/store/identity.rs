//! Teams, keys, budgets, settings, and the revision that follows their changes.

use lattice_identity::KeyStore;
use lattice_store::{BudgetRow, KeyRow, NewKey, Store, StoreError, TeamRow};
use sqlx::postgres::PgListener;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::servers::Bench;

pub const NOW: OffsetDateTime = datetime!(2026-11-22 10:30 UTC);

cases! { CASES:
    a_team_is_listed_with_its_models_and_its_name_is_unique,
    a_key_is_found_by_its_mac_with_what_its_team_allows,
    a_key_cannot_be_made_for_a_team_that_does_not_exist,
    the_name_of_a_key_is_unique_until_it_is_revoked,
    a_key_is_revoked_by_name_or_id_and_only_once,
    rotating_replaces_the_secret_and_keeps_the_key,
    a_rotation_that_overlaps_keeps_one_former_secret_until_its_end,
    a_team_with_live_keys_cannot_be_deleted,
    a_budget_is_replaced_under_its_id,
    budgets_in_other_units_and_windows_stand_beside_each_other,
    a_key_and_its_budget_are_stored_together_or_not_at_all,
    every_change_raises_the_revision_once_and_notifies,
    a_setting_keeps_its_first_value,
}

pub fn team(name: &str) -> TeamRow {
    let id = Uuid::from_u128(name.bytes().map(u128::from).sum());
    TeamRow {
        id,
        name: name.to_owned(),
        models: None,
        org: None,
        classification: None,
        created_at: NOW,
    }
}

pub fn key<'a>(n: u128, name: &'a str, mac: &'a [u8; 32]) -> NewKey<'a> {
    NewKey {
        id: Uuid::from_u128(n),
        name,
        team: None,
        owner: None,
        mac,
        models: None,
        created_at: NOW,
        expires_at: None,
        budget: None,
    }
}

fn budget(scope: (&str, &str), amount: i64) -> BudgetRow {
    BudgetRow {
        id: Uuid::from_u128(amount.unsigned_abs().into()),
        scope_kind: scope.0.to_owned(),
        scope_name: scope.1.to_owned(),
        unit: "usd".to_owned(),
        time_window: "month".to_owned(),
        rolling: false,
        amount,
        mode: "hard".to_owned(),
        downgrade_to: None,
    }
}

#[track_caller]
pub fn assert_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>, named: &str) {
    match result {
        Err(StoreError::Conflict { what }) => assert!(what.contains(named), "{what}"),
        other => panic!("not a conflict: {other:?}"),
    }
}

async fn a_team_is_listed_with_its_models_and_its_name_is_unique(Bench { store, .. }: Bench) {
    let research = TeamRow {
        models: Some(vec!["small".to_owned(), "ünïcode".to_owned()]),
        ..team("research")
    };
    let none = TeamRow {
        models: Some(vec![]),
        ..team("none")
    };
    store.create_team(&research).await.unwrap();
    store.create_team(&none).await.unwrap();
    assert_eq!(store.teams().await.unwrap(), [none, research.clone()]);

    let again = TeamRow {
        id: Uuid::from_u128(7),
        ..research
    };
    assert_conflict(store.create_team(&again).await, "team `research`");
}

async fn a_key_is_found_by_its_mac_with_what_its_team_allows(Bench { store, .. }: Bench) {
    let models = vec!["small".to_owned()];
    store
        .create_team(&TeamRow {
            models: Some(models.clone()),
            ..team("research")
        })
        .await
        .unwrap();
    let mac = [1; 32];
    let expires_at = Some(datetime!(2027-01-01 00:00 UTC));
    let own = ["large".to_owned()];
    let new = NewKey {
        team: Some("research"),
        models: Some(&own),
        expires_at,
        ..key(1, "ci", &mac)
    };
    let created = store.create_key(&new).await.unwrap();

    let found = store.find_key_by_mac(&mac).await.unwrap().unwrap();
    assert_eq!(found, created);
    assert_eq!((found.id, found.name.as_str()), (Uuid::from_u128(1), "ci"));
    assert_eq!(
        (found.created_at, found.expires_at, found.revoked_at),
        (NOW, expires_at, None)
    );
    assert_eq!(
        (found.team_id, found.team_name.as_deref()),
        (Some(team("research").id), Some("research"))
    );
    assert_eq!(
        (found.models, found.team_models),
        (Some(own.to_vec()), Some(models))
    );
    assert_eq!(store.find_key_by_mac(&[2; 32]).await.unwrap(), None);

    let alone = store.create_key(&key(2, "alone", &[3; 32])).await.unwrap();
    assert_eq!(
        (
            &alone.team_id,
            &alone.team_name,
            &alone.team_models,
            &alone.models
        ),
        (&None, &None, &None, &None)
    );
    assert_eq!(store.keys().await.unwrap(), [alone, created]);
}

async fn a_key_cannot_be_made_for_a_team_that_does_not_exist(Bench { store, .. }: Bench) {
    let error = store
        .create_key(&NewKey {
            team: Some("ghosts"),
            ..key(1, "ci", &[1; 32])
        })
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Missing { what } if what.contains("`ghosts`")),
        "{error}"
    );
    assert_eq!(store.keys().await.unwrap(), []);
}

async fn the_name_of_a_key_is_unique_until_it_is_revoked(Bench { store, .. }: Bench) {
    store.create_key(&key(1, "ci", &[1; 32])).await.unwrap();
    assert_conflict(store.create_key(&key(2, "ci", &[2; 32])).await, "key `ci`");
    store.revoke_key("ci", NOW).await.unwrap().unwrap();
    store.create_key(&key(3, "ci", &[3; 32])).await.unwrap();
    let found = store.find_key_by_mac(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(NOW));
}

async fn a_key_is_revoked_by_name_or_id_and_only_once(Bench { store, .. }: Bench) {
    for n in 1..=2 {
        store
            .create_key(&key(n.into(), &format!("key {n}"), &[n; 32]))
            .await
            .unwrap();
    }
    let by_name = store.revoke_key("key 1", NOW).await.unwrap().unwrap();
    assert_eq!(
        (by_name.id, by_name.revoked_at),
        (Uuid::from_u128(1), Some(NOW))
    );
    let second = Uuid::from_u128(2).to_string();
    assert_eq!(
        store.revoke_key(&second, NOW).await.unwrap().unwrap().name,
        "key 2"
    );
    for gone in ["key 1", &second, "never was"] {
        assert_eq!(store.revoke_key(gone, NOW).await.unwrap(), None, "{gone}");
    }
}

async fn rotating_replaces_the_secret_and_keeps_the_key(Bench { store, .. }: Bench) {
    let before = store.create_key(&key(1, "ci", &[1; 32])).await.unwrap();
    store.create_key(&key(2, "other", &[2; 32])).await.unwrap();
    let after = KeyRow {
        mac: [9; 32],
        ..before
    };
    let rotated = store.rotate_key("ci", &[9; 32], None).await.unwrap();
    assert_eq!(rotated.as_ref(), Some(&after));
    assert_eq!(store.find_key_by_mac(&[1; 32]).await.unwrap(), None);
    assert_eq!(store.find_key_by_mac(&[9; 32]).await.unwrap(), Some(after));
    assert_conflict(store.rotate_key("ci", &[2; 32], None).await, "secret");
    assert_eq!(
        store.rotate_key("never was", &[8; 32], None).await.unwrap(),
        None
    );
}

async fn a_rotation_that_overlaps_keeps_one_former_secret_until_its_end(
    Bench { store, .. }: Bench,
) {
    let (tomorrow, next_week) = (NOW + Duration::days(1), NOW + Duration::days(7));
    let new = NewKey {
        expires_at: Some(next_week),
        ..key(1, "ci", &[1; 32])
    };
    store.create_key(&new).await.unwrap();
    store.create_key(&key(2, "other", &[2; 32])).await.unwrap();
    let ends = async |secret: u8| {
        let found = KeyStore::find(&store, &[secret; 32]).await.unwrap()?;
        assert_eq!(found.mac, [secret; 32]);
        assert_eq!(found.principal.key.unwrap().id, Uuid::from_u128(1));
        Some((found.expires_at.unwrap(), found.revoked_at))
    };
    store
        .rotate_key("ci", &[3; 32], Some(tomorrow))
        .await
        .unwrap();
    assert_eq!(ends(1).await, Some((tomorrow, None)));
    assert_eq!(ends(3).await, Some((next_week, None)));

    // Never three at once; and no overlap goes beyond the key's own end.
    let late = next_week + Duration::days(1);
    store.rotate_key("ci", &[4; 32], Some(late)).await.unwrap();
    assert_eq!(ends(1).await, None);
    assert_eq!(ends(3).await, Some((next_week, None)));
    assert_eq!(ends(4).await, Some((next_week, None)));

    store.revoke_key("ci", NOW).await.unwrap();
    assert_eq!(ends(3).await, Some((next_week, Some(NOW))));
    assert_eq!(ends(4).await, Some((next_week, Some(NOW))));

    store
        .rotate_key("other", &[5; 32], Some(tomorrow))
        .await
        .unwrap();
    store.rotate_key("other", &[6; 32], None).await.unwrap();
    for gone in [2, 5] {
        assert_eq!(store.find_key_by_mac(&[gone; 32]).await.unwrap(), None);
    }
}

async fn a_team_with_live_keys_cannot_be_deleted(Bench { store, .. }: Bench) {
    store.create_team(&team("research")).await.unwrap();
    for n in 1..=2 {
        let name = format!("key {n}");
        store
            .create_key(&NewKey {
                team: Some("research"),
                ..key(n.into(), &name, &[n; 32])
            })
            .await
            .unwrap();
    }
    store.revoke_key("key 1", NOW).await.unwrap();
    assert_conflict(store.delete_team("research").await, "live keys");
    let revoked = store.find_key_by_mac(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(revoked.team_name.as_deref(), Some("research"));

    store.revoke_key("key 2", NOW).await.unwrap();
    assert!(store.delete_team("research").await.unwrap());
    assert!(!store.delete_team("research").await.unwrap());
    assert!(
        store
            .keys()
            .await
            .unwrap()
            .iter()
            .all(|key| key.team_id.is_none())
    );
}

async fn a_budget_is_replaced_under_its_id(Bench { store, .. }: Bench) {
    let first = store
        .set_budget(&budget(("team", "research"), 5))
        .await
        .unwrap();
    let changed = BudgetRow {
        mode: "soft".to_owned(),
        ..budget(("team", "research"), 7)
    };
    let second = store.set_budget(&changed).await.unwrap();
    assert_eq!(
        second,
        BudgetRow {
            id: first.id,
            ..changed
        }
    );
    let hourly = BudgetRow {
        time_window: "hour".to_owned(),
        ..budget(("team", "research"), 1)
    };
    store.set_budget(&hourly).await.unwrap();
    assert_eq!(store.budgets().await.unwrap(), [hourly, second]);

    assert!(
        store
            .delete_budget("team", "research", "usd", "hour", false)
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_budget("team", "research", "usd", "hour", false)
            .await
            .unwrap()
    );
    assert_eq!(store.budgets().await.unwrap().len(), 1);
    let negative = store
        .set_budget(&budget(("key", "ci"), -1))
        .await
        .unwrap_err();
    assert!(matches!(negative, StoreError::Internal(_)), "{negative}");
}

async fn budgets_in_other_units_and_windows_stand_beside_each_other(Bench { store, .. }: Bench) {
    let usd = budget(("team", "research"), 5);
    let tokens = BudgetRow {
        id: Uuid::from_u128(6),
        unit: "tokens".to_owned(),
        mode: "downgrade".to_owned(),
        downgrade_to: Some("small".to_owned()),
        ..usd.clone()
    };
    let rolling = BudgetRow {
        id: Uuid::from_u128(7),
        rolling: true,
        ..usd.clone()
    };
    for budget in [&usd, &tokens, &rolling] {
        assert_eq!(store.set_budget(budget).await.unwrap(), *budget);
    }
    let stored = [tokens.clone(), usd.clone(), rolling];
    assert_eq!(store.budgets().await.unwrap(), stored);
    let aimless = BudgetRow {
        downgrade_to: None,
        ..tokens.clone()
    };
    store.set_budget(&aimless).await.unwrap_err();
    let softer = BudgetRow {
        mode: "soft".to_owned(),
        ..aimless
    };
    assert_eq!(store.set_budget(&softer).await.unwrap(), softer);
    let deleted = store.delete_budget("team", "research", "usd", "month", true);
    assert!(deleted.await.unwrap());
    assert_eq!(store.budgets().await.unwrap(), [softer, usd]);
}

async fn a_key_and_its_budget_are_stored_together_or_not_at_all(Bench { store, .. }: Bench) {
    let broken = BudgetRow {
        mode: "never".to_owned(),
        ..budget(("key", "ci"), 5)
    };
    store
        .create_key(&NewKey {
            budget: Some(&broken),
            ..key(1, "ci", &[1; 32])
        })
        .await
        .unwrap_err();
    assert_eq!(store.keys().await.unwrap(), []);

    let limit = budget(("key", "ci"), 5);
    store
        .create_key(&NewKey {
            budget: Some(&limit),
            ..key(1, "ci", &[1; 32])
        })
        .await
        .unwrap();
    assert_eq!(store.budgets().await.unwrap(), [limit]);
}

async fn every_change_raises_the_revision_once_and_notifies(Bench { store, url }: Bench) {
    let mut listener = PgListener::connect(&url).await.unwrap();
    listener.listen("lattice").await.unwrap();
    let mut revision = store.revision().await.unwrap();
    let mut changed = async |change: &str| {
        revision += 1;
        assert_eq!(store.revision().await.unwrap(), revision, "after {change}");
        assert_eq!(
            listener.recv().await.unwrap().payload(),
            revision.to_string(),
            "after {change}"
        );
    };
    store.create_team(&team("research")).await.unwrap();
    changed("create_team").await;
    store
        .create_key(&NewKey {
            team: Some("research"),
            ..key(1, "ci", &[1; 32])
        })
        .await
        .unwrap();
    changed("create_key").await;
    store.rotate_key("ci", &[2; 32], None).await.unwrap();
    changed("rotate_key").await;
    store.set_budget(&budget(("key", "ci"), 5)).await.unwrap();
    changed("set_budget, new").await;
    store.set_budget(&budget(("key", "ci"), 6)).await.unwrap();
    changed("set_budget, again").await;
    store
        .delete_budget("key", "ci", "usd", "month", false)
        .await
        .unwrap();
    changed("delete_budget").await;
    store.revoke_key("ci", NOW).await.unwrap();
    changed("revoke_key").await;
    store.delete_team("research").await.unwrap();
    changed("delete_team").await;

    let quiet = store.revision().await.unwrap();
    change_nothing(&store).await;
    assert_eq!(store.revision().await.unwrap(), quiet);
}

async fn change_nothing(store: &Store) {
    store.delete_team("research").await.unwrap();
    store.revoke_key("ci", NOW).await.unwrap();
    store.rotate_key("ci", &[3; 32], None).await.unwrap();
    store
        .delete_budget("key", "ci", "usd", "month", false)
        .await
        .unwrap();
    store
        .create_key(&NewKey {
            team: Some("ghosts"),
            ..key(2, "x", &[4; 32])
        })
        .await
        .unwrap_err();
}

async fn a_setting_keeps_its_first_value(bench: Bench) {
    assert_eq!(bench.store.setting("pepper").await.unwrap(), None);
    let other = bench.another_store().await;
    let (first, second) = tokio::join!(
        bench.store.set_if_absent("pepper", "one"),
        other.set_if_absent("pepper", "two")
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!(bench.store.setting("pepper").await.unwrap(), Some(first));
}
