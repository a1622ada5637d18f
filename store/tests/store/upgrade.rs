//! Rows that earlier versions have written, under the migrations that came after.

use lattice_store::{BudgetRow, Node, Schema, Store, Take};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::servers::{Bench, config};
use crate::slices::{TAKE, TEAM};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

cases! { CASES:
    budgets_and_spend_from_before_the_slices_count_on,
}

/// A database of its own that has only the first migrations.
async fn older(bench: &Bench, versions: i64) -> String {
    let (address, options) = bench.url.split_once('?').unwrap();
    let (server, name) = address.rsplit_once('/').unwrap();
    let name = format!("{}_older", &name[..40]);
    let create = AssertSqlSafe(format!("create database {name}"));
    sqlx::query(create)
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    let url = format!("{server}/{name}?{options}");
    let migrations: Vec<_> = MIGRATIONS
        .iter()
        .filter(|migration| migration.version <= versions)
        .cloned()
        .collect();
    let migrator = Migrator::with_migrations(migrations);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    url
}

async fn budgets_and_spend_from_before_the_slices_count_on(bench: Bench) {
    let url = older(&bench, 4).await;
    let rows = format!(
        "insert into spend values ('team', '{TEAM}', '2026-11-22 05:00Z', 300, 20, 0, 4);
         insert into budget values
             ('{TEAM}', 'team', 'research', 'month', 5, 'soft'),
             ('00000000-0000-0000-0000-000000000001', 'key', 'ci', 'day', 7, 'downgrade');
         insert into gateway values ('a', 3, now()), ('b', 3, now());"
    );
    let mut old = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(rows))
        .execute(&mut old)
        .await
        .unwrap();

    let store = Store::connect(&config(&url)).await.unwrap();
    assert_eq!(store.schema().await.unwrap().pending, 1);
    store.migrate().await.unwrap();
    let current = Schema {
        pending: 0,
        unknown: 0,
    };
    assert_eq!(store.schema().await.unwrap(), current);
    let research = BudgetRow {
        id: TEAM,
        scope_kind: "team".to_owned(),
        scope_name: "research".to_owned(),
        unit: "usd".to_owned(),
        time_window: "month".to_owned(),
        rolling: false,
        amount: 5,
        mode: "soft".to_owned(),
        downgrade_to: None,
    };
    let ci = BudgetRow {
        id: Uuid::from_u128(1),
        scope_kind: "key".to_owned(),
        scope_name: "ci".to_owned(),
        time_window: "day".to_owned(),
        amount: 7,
        mode: "hard".to_owned(),
        ..research.clone()
    };
    assert_eq!(store.budgets().await.unwrap(), [ci, research.clone()]);
    let raised = BudgetRow {
        amount: 6,
        ..research
    };
    assert_eq!(store.set_budget(&raised).await.unwrap(), raised);

    let epochs = [
        store.confirm("a").await.unwrap(),
        store.confirm("b").await.unwrap(),
    ];
    assert_ne!(epochs[0], epochs[1]);
    let a = Node {
        name: "a",
        epoch: epochs[0],
    };
    let take = Take {
        first: true,
        ..TAKE
    };
    let taken = store.take_slice(a, &take).await.unwrap();
    assert_eq!((taken.granted, taken.used), (100, 420));
    store.close().await;
}
