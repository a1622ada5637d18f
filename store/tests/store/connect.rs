//! Connecting, migrating, and telling an outage from a mistake.

use std::net::TcpListener;
use std::time::Duration;

use lattice_store::{DatabaseConfig, Schema, Store, StoreError};
use sqlx::Row;

use crate::servers::{Bench, block_on, config};

cases! { CASES:
    migrating_again_or_at_the_same_time_changes_nothing,
    a_schema_is_compared_with_the_one_of_this_version,
    a_closed_store_is_unavailable,
    a_session_that_the_server_ends_is_an_outage_and_the_next_call_works,
    a_database_that_does_not_exist_is_rejected,
}

async fn migrating_again_or_at_the_same_time_changes_nothing(bench: Bench) {
    bench.store.set_if_absent("kept", "yes").await.unwrap();
    let other = bench.another_store().await;
    let (first, second) = tokio::join!(bench.store.migrate(), other.migrate());
    first.unwrap();
    second.unwrap();
    assert_eq!(other.setting("kept").await.unwrap().as_deref(), Some("yes"));
}

async fn a_schema_is_compared_with_the_one_of_this_version(bench: Bench) {
    let current = Schema {
        pending: 0,
        unknown: 0,
    };
    assert_eq!(bench.store.schema().await.unwrap(), current);
    let mut admin = bench.connection().await;
    let newer = "update _sqlx_migrations set version = 99990101000000
                 where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(newer).execute(&mut admin).await.unwrap();
    let schema = bench.store.schema().await.unwrap();
    assert_eq!((schema.pending, schema.unknown), (1, 1));

    let none = "drop table _sqlx_migrations";
    sqlx::query(none).execute(&mut admin).await.unwrap();
    let schema = bench.store.schema().await.unwrap();
    assert!(schema.pending > 0);
    assert_eq!(schema.unknown, 0);
}

async fn a_closed_store_is_unavailable(bench: Bench) {
    bench.store.ping().await.unwrap();
    bench.store.close().await;
    let error = bench.store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

async fn a_session_that_the_server_ends_is_an_outage_and_the_next_call_works(bench: Bench) {
    let mut admin = bench.connection().await;
    for hold in ["begin", "insert into setting values ('held', 'theirs')"] {
        sqlx::query(hold).execute(&mut admin).await.unwrap();
    }
    let waiting = bench.store.set_if_absent("held", "ours");
    let ending = async {
        let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(end)
            .fetch_one(&mut admin)
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sqlx::query("rollback").execute(&mut admin).await.unwrap();
    };
    let (ended, ()) = tokio::join!(waiting, ending);
    let error = ended.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(
        bench.store.set_if_absent("held", "ours").await.unwrap(),
        "ours"
    );
}

async fn a_database_that_does_not_exist_is_rejected(bench: Bench) {
    let (before, after) = bench.url.split_once('?').unwrap();
    let error = Store::connect(&config(&format!("{before}_gone?{after}")))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("database.url"), "{error}");
}

cases! { TCP_CASES:
    the_connection_is_encrypted,
    a_wrong_password_is_rejected,
    a_certificate_that_cannot_be_checked_is_not_trusted,
}

async fn the_connection_is_encrypted(bench: Bench) {
    let query = sqlx::query("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()");
    let row = query
        .fetch_one(&mut bench.connection().await)
        .await
        .unwrap();
    assert!(row.get::<bool, _>("ssl"));
    assert_eq!(row.get::<String, _>("version"), "TLSv1.3");
}

async fn a_wrong_password_is_rejected(bench: Bench) {
    let wrong = bench.url.replace("lattice:", "lattice:not");
    let error = Store::connect(&config(&wrong)).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected { .. }), "{error}");
}

async fn a_certificate_that_cannot_be_checked_is_not_trusted(bench: Bench) {
    let (unpinned, _) = bench.url.split_once("&sslrootcert").unwrap();
    let error = Store::connect(&config(unpinned)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[test]
fn where_nobody_listens_the_database_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://lattice@127.0.0.1:{port}/lattice");
    let error = block_on(Store::connect(&config(&url))).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_url_of_something_else_is_rejected_and_a_password_is_never_printed() {
    for url in [
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgres://u:hunter2@h:port/d",
    ] {
        let config = DatabaseConfig {
            url: url.to_owned(),
            max_connections: 1,
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = block_on(Store::connect(&config)).unwrap_err();
        assert!(matches!(error, StoreError::Rejected { .. }), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
}
