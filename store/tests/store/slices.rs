//! Slices of limits: what one node after the other takes, leaves behind and gets back.

use lattice_audit::Scopes;
use lattice_store::{
    AccountKey, AccountUsage, Bucket, ChainRow, Node, Part, Released, SpendDelta, Store,
    StoreError, StoredLeaf, Take, Taken,
};
use sqlx::AssertSqlSafe;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::servers::Bench;

pub const TEAM: Uuid = Uuid::from_u128(22);
pub const MIDNIGHT: OffsetDateTime = datetime!(2026-11-22 0:00 UTC);

pub const ACCOUNT: AccountKey<'_> = AccountKey {
    kind: "team",
    id: TEAM,
    unit: "usd",
    window: "day",
    rolling: false,
};

pub const DAY: Bucket = Bucket {
    starts: MIDNIGHT,
    ends: datetime!(2026-11-23 0:00 UTC),
    counts_from: MIDNIGHT,
    hourly: true,
};

/// A first take of a hard limit of 1000, on the day.
pub const TAKE: Take<'_> = Take {
    account: ACCOUNT,
    bucket: DAY,
    need: 1,
    want: 100,
    limit: 1000,
    hard: true,
    first: false,
};

cases! { CASES:
    from_need_to_want_is_granted_or_nothing,
    a_limit_that_is_not_hard_grants_and_tells_what_is_used,
    what_is_returned_can_be_taken_again_and_never_more_than_there_is,
    what_is_restated_is_what_counts,
    another_bucket_of_a_calendar_window_has_the_whole_limit,
    a_rolling_window_counts_the_buckets_that_touch_it,
    the_first_take_counts_what_was_spent_before_by_every_node,
    a_limit_that_was_away_counts_what_was_spent_without_it,
    days_of_a_rolling_month_are_those_of_utc_whatever_the_session_says,
    a_dead_node_gives_a_soft_limit_back_after_a_minute_and_a_hard_one_never,
    a_node_that_starts_again_has_what_it_spent_and_fences_who_it_was,
    a_node_is_given_up_only_when_it_is_silent_and_is_fenced_then,
    a_node_that_was_forgotten_does_not_come_back_as_who_it_was,
    what_is_finer_than_hours_is_neither_known_before_nor_reclaimed,
    usage_is_told_in_the_unit_of_the_account,
    buckets_are_swept_when_they_do_not_count_any_more,
    nothing_is_taken_where_old_snapshots_would_be_counted,
}

/// A node that confirms itself.
pub async fn node<'a>(store: &Store, name: &'a str) -> Node<'a> {
    let epoch = store.confirm(name).await.unwrap();
    Node { name, epoch }
}

pub fn part(amount: i64) -> Part<'static> {
    Part {
        account: ACCOUNT,
        starts: MIDNIGHT,
        amount,
    }
}

/// What a take got, and what is used after it.
async fn taken(store: &Store, node: Node<'_>, take: Take<'_>) -> (i64, i64) {
    let Taken { granted, used } = store.take_slice(node, &take).await.unwrap();
    (granted, used)
}

fn first(take: Take<'_>) -> Take<'_> {
    Take {
        first: true,
        ..take
    }
}

/// A chain of `node` ships what it has reserved and spent; `chain` makes it another.
async fn spend(store: &Store, node: &str, chain: u128, at: OffsetDateTime, amounts: (i64, i64)) {
    let row = ChainRow {
        id: Uuid::from_u128(chain),
        node: node.to_owned(),
        started_at: at,
        previous: None,
    };
    let delta = SpendDelta {
        scopes: Scopes {
            team: Some(TEAM),
            ..Scopes::default()
        },
        at,
        reserved_nano: amounts.0,
        spent_nano: amounts.1,
        estimated_nano: 0,
        reserved_tokens: 10 * amounts.0,
        spent_tokens: 10 * amounts.1,
        requests: 1,
    };
    let leaf = StoredLeaf {
        seq: 0,
        leaf: "{}".into(),
        hash: [0; 32],
        delta: Some(delta),
    };
    store.append(&row, &[leaf]).await.unwrap();
}

/// As if the node had been silent for that long.
async fn silence(bench: &Bench, node: &str, seconds: i32) {
    let age = sqlx::query(
        "update gateway set seen_at = now() - make_interval(secs => $2) where node = $1",
    )
    .bind(node)
    .bind(seconds)
    .execute(&mut bench.connection().await)
    .await;
    assert_eq!(age.unwrap().rows_affected(), 1);
}

#[track_caller]
fn assert_fenced<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Fenced(_))), "{result:?}");
}

async fn from_need_to_want_is_granted_or_nothing(Bench { store, .. }: Bench) {
    let (a, b) = (node(&store, "a").await, node(&store, "b").await);
    let take = |need, want| Take { need, want, ..TAKE };
    assert_eq!(taken(&store, a, take(10, 700)).await, (700, 700));
    assert_eq!(taken(&store, b, take(301, 400)).await, (0, 700));
    assert_eq!(taken(&store, b, take(299, 400)).await, (300, 1000));
    assert_eq!(taken(&store, a, take(0, 5)).await, (0, 1000));
    assert_eq!(taken(&store, a, take(1, 1)).await, (0, 1000));
    let lowered = Take { limit: 500, ..TAKE };
    assert_eq!(taken(&store, a, lowered).await, (0, 1000));
    let raised = Take {
        limit: 1050,
        ..TAKE
    };
    assert_eq!(taken(&store, a, raised).await, (50, 1050));
}

async fn a_limit_that_is_not_hard_grants_and_tells_what_is_used(Bench { store, .. }: Bench) {
    let a = node(&store, "a").await;
    let soft = |want| Take {
        want,
        hard: false,
        ..TAKE
    };
    assert_eq!(taken(&store, a, soft(900)).await, (900, 900));
    assert_eq!(taken(&store, a, soft(900)).await, (900, 1800));
    let all = taken(&store, a, soft(i64::MAX)).await;
    assert_eq!(all, (i64::MAX, i64::MAX));
    assert_eq!(taken(&store, a, TAKE).await, (0, i64::MAX));
}

async fn what_is_returned_can_be_taken_again_and_never_more_than_there_is(
    Bench { store, .. }: Bench,
) {
    let (a, b) = (node(&store, "a").await, node(&store, "b").await);
    taken(&store, a, Take { want: 600, ..TAKE }).await;
    taken(&store, b, Take { want: 400, ..TAKE }).await;
    // Both parts are of the same slice.
    store.return_slices(a, &[part(10), part(20)]).await.unwrap();
    assert_eq!(taken(&store, b, TAKE).await, (30, 1000));
    store.return_slices(a, &[part(5000)]).await.unwrap();
    store.return_slices(b, &[part(-5000)]).await.unwrap();
    let everything = Take { want: 5000, ..TAKE };
    assert_eq!(taken(&store, b, everything).await, (570, 1000));
    // Of what was never taken nothing comes back.
    let other = Part {
        account: AccountKey {
            unit: "tokens",
            ..ACCOUNT
        },
        ..part(9)
    };
    store.return_slices(a, &[other]).await.unwrap();
    store.return_slices(a, &[]).await.unwrap();
    assert_eq!(taken(&store, a, TAKE).await, (0, 1000));
}

async fn what_is_restated_is_what_counts(Bench { store, .. }: Bench) {
    let (a, b) = (node(&store, "a").await, node(&store, "b").await);
    taken(&store, a, Take { want: 600, ..TAKE }).await;
    for _ in 0..2 {
        store.restate_slices(a, &[part(70)]).await.unwrap();
    }
    assert_eq!(taken(&store, b, TAKE).await, (100, 170));
    store.restate_slices(a, &[part(1500)]).await.unwrap();
    assert_eq!(taken(&store, b, TAKE).await, (0, 1600));
}

async fn another_bucket_of_a_calendar_window_has_the_whole_limit(Bench { store, .. }: Bench) {
    let a = node(&store, "a").await;
    let all = Take { want: 1000, ..TAKE };
    assert_eq!(taken(&store, a, all).await, (1000, 1000));
    let tomorrow = Bucket {
        starts: DAY.ends,
        ends: DAY.ends + Duration::DAY,
        counts_from: DAY.ends,
        hourly: true,
    };
    let next = Take {
        bucket: tomorrow,
        ..all
    };
    assert_eq!(taken(&store, a, next).await, (1000, 1000));
    // Nor does the new day count in the old one, for whoever is still in it.
    assert_eq!(taken(&store, a, all).await, (0, 1000));
}

/// The 24 buckets of a rolling day, the newest of which starts `hours` after midnight.
fn rolling(hours: i64) -> Take<'static> {
    let starts = MIDNIGHT + Duration::hours(hours);
    Take {
        account: AccountKey {
            rolling: true,
            ..ACCOUNT
        },
        bucket: Bucket {
            starts,
            ends: starts + Duration::HOUR,
            counts_from: starts - Duration::hours(23),
            hourly: true,
        },
        ..TAKE
    }
}

async fn a_rolling_window_counts_the_buckets_that_touch_it(Bench { store, .. }: Bench) {
    let (a, b) = (node(&store, "a").await, node(&store, "b").await);
    let most = |hours| Take {
        want: 600,
        ..rolling(hours)
    };
    assert_eq!(taken(&store, a, most(0)).await, (600, 600));
    assert_eq!(taken(&store, b, most(1)).await, (400, 1000));
    assert_eq!(taken(&store, a, most(23)).await, (0, 1000));
    assert_eq!(taken(&store, a, most(24)).await, (600, 1000));
    assert_eq!(taken(&store, a, most(25)).await, (400, 1000));
    // A node whose clock is behind sees what the others have taken since.
    assert_eq!(taken(&store, b, most(24)).await, (0, 1400));
}

async fn the_first_take_counts_what_was_spent_before_by_every_node(Bench { store, .. }: Bench) {
    let hour = |hour| MIDNIGHT + Duration::hours(hour);
    spend(&store, "a", 1, hour(3), (5, 100)).await;
    spend(&store, "a", 2, hour(4), (0, 50)).await;
    spend(&store, "gone", 3, hour(23), (0, 300)).await;
    spend(&store, "a", 4, hour(24), (0, 7000)).await;
    spend(&store, "a", 5, hour(-1), (0, 7000)).await;
    let a = node(&store, "a").await;
    assert_eq!(taken(&store, a, first(TAKE)).await, (100, 555));
    // What it has taken pays for what it spends from now on: that is not counted twice.
    spend(&store, "a", 6, hour(5), (0, 90)).await;
    assert_eq!(taken(&store, a, TAKE).await, (100, 655));
    let b = node(&store, "b").await;
    assert_eq!(taken(&store, b, first(TAKE)).await, (100, 755));

    let tokens = Take {
        account: AccountKey {
            unit: "tokens",
            ..ACCOUNT
        },
        limit: 100_000,
        ..first(TAKE)
    };
    assert_eq!(taken(&store, b, tokens).await, (100, 5550));
    let requests = Take {
        account: AccountKey {
            unit: "requests",
            ..ACCOUNT
        },
        ..first(TAKE)
    };
    assert_eq!(taken(&store, b, requests).await, (100, 104));

    // In the window that rolls, each hour is a bucket: one after the other stops to count.
    let by_hour = |hours| Take {
        need: 0,
        want: 0,
        ..first(rolling(hours))
    };
    assert_eq!(taken(&store, b, by_hour(23)).await, (0, 545));
    assert_eq!(taken(&store, b, by_hour(26)).await, (0, 7545));
    assert_eq!(taken(&store, b, by_hour(27)).await, (0, 7440));
    assert_eq!(taken(&store, b, by_hour(48)).await, (0, 0));
}

async fn a_limit_that_was_away_counts_what_was_spent_without_it(Bench { store, .. }: Bench) {
    let a = node(&store, "a").await;
    assert_eq!(taken(&store, a, first(TAKE)).await, (100, 100));
    spend(&store, "a", 1, MIDNIGHT, (0, 900)).await;
    assert_eq!(taken(&store, a, first(TAKE)).await, (100, 1000));
}

async fn days_of_a_rolling_month_are_those_of_utc_whatever_the_session_says(bench: Bench) {
    let mut admin = bench.connection().await;
    let change = "do $$ begin execute format('alter database %I set timezone = ''Europe/Berlin''', current_database()); end $$";
    sqlx::query(change).execute(&mut admin).await.unwrap();
    // Clocks went back on 25 October.
    let store = bench.another_store().await;
    let starts = datetime!(2026-11-10 0:00 UTC);
    let month = Take {
        account: AccountKey {
            window: "month",
            rolling: true,
            ..ACCOUNT
        },
        bucket: Bucket {
            starts,
            ends: starts + Duration::DAY,
            counts_from: starts - Duration::days(29),
            hourly: true,
        },
        ..first(TAKE)
    };
    let lasts = datetime!(2026-10-20 23:00 UTC);
    spend(&store, "old", 1, lasts, (0, 5)).await;
    let a = node(&store, "a").await;
    assert_eq!(taken(&store, a, month).await, (100, 105));
    let rows = sqlx::query_as::<_, (OffsetDateTime, OffsetDateTime, OffsetDateTime)>(
        "select bucket, ends, counts_until from slice order by bucket",
    );
    let old = datetime!(2026-10-20 0:00 UTC);
    let row = |starts: OffsetDateTime| {
        let ends = starts + Duration::DAY;
        (starts, ends, ends + Duration::days(29))
    };
    assert_eq!(
        rows.fetch_all(&mut admin).await.unwrap(),
        [row(old), row(starts)]
    );
}

async fn a_dead_node_gives_a_soft_limit_back_after_a_minute_and_a_hard_one_never(bench: Bench) {
    let store = &bench.store;
    let (a, b) = (node(store, "a").await, node(store, "b").await);
    let soft = Take {
        hard: false,
        ..TAKE
    };
    taken(store, a, Take { want: 400, ..soft }).await;
    spend(store, "a", 1, MIDNIGHT, (20, 30)).await;
    silence(&bench, "a", 55).await;
    assert_eq!(taken(store, b, soft).await, (100, 500));
    silence(&bench, "a", 600).await;
    assert_eq!(taken(store, b, TAKE).await, (100, 600));
    assert_eq!(taken(store, b, soft).await, (100, 350));
    // It was only cut off: nothing is left to give back, and it goes on.
    let a = node(store, "a").await;
    store.return_slices(a, &[part(350)]).await.unwrap();
    assert_eq!(taken(store, a, soft).await, (100, 450));
    store.return_slices(a, &[part(100)]).await.unwrap();
    assert_eq!(taken(store, b, TAKE).await, (100, 450));
}

async fn a_node_that_starts_again_has_what_it_spent_and_fences_who_it_was(bench: Bench) {
    let store = &bench.store;
    let (before, b) = (node(store, "a").await, node(store, "b").await);
    taken(store, before, Take { want: 400, ..TAKE }).await;
    taken(store, b, TAKE).await;
    spend(store, "a", 1, MIDNIGHT, (20, 30)).await;
    let epoch = store.reclaim_slices("a").await.unwrap();
    assert_ne!(epoch, before.epoch);
    assert_eq!(store.confirm("a").await.unwrap(), epoch);
    assert_eq!(store.follow("a", 7).await.unwrap(), epoch);
    assert_fenced(store.take_slice(before, &TAKE).await);
    assert_fenced(store.return_slices(before, &[part(1)]).await);
    assert_fenced(store.restate_slices(before, &[part(1)]).await);
    let everything = Take { want: 5000, ..TAKE };
    assert_eq!(taken(store, b, everything).await, (850, 1000));
    let after = Node { epoch, ..before };
    assert_eq!(taken(store, after, TAKE).await, (0, 1000));
    // And so again, when nothing is there to reclaim.
    store.reclaim_slices("new").await.unwrap();
}

async fn a_node_is_given_up_only_when_it_is_silent_and_is_fenced_then(bench: Bench) {
    let store = &bench.store;
    let (a, b) = (node(store, "a").await, node(store, "b").await);
    taken(store, a, Take { want: 400, ..TAKE }).await;
    let tokens = AccountKey {
        unit: "tokens",
        ..ACCOUNT
    };
    let of_tokens = Take {
        account: tokens,
        limit: 9000,
        want: 5000,
        ..TAKE
    };
    taken(store, a, of_tokens).await;
    spend(store, "a", 1, MIDNIGHT, (20, 30)).await;
    let alive = Released {
        found: true,
        alive: true,
        ..Released::default()
    };
    silence(&bench, "a", 80).await;
    assert_eq!(store.release_slices("a").await.unwrap(), alive);
    assert_eq!(taken(store, a, TAKE).await, (100, 500));

    silence(&bench, "a", 91).await;
    let back = Released {
        found: true,
        alive: false,
        slices: 2,
        nano_usd: 450,
        tokens: 4500,
        requests: 0,
    };
    assert_eq!(store.release_slices("a").await.unwrap(), back);
    let nothing = Released {
        found: true,
        ..Released::default()
    };
    assert_eq!(store.release_slices("a").await.unwrap(), nothing);
    assert_eq!(
        store.release_slices("never was").await.unwrap(),
        Released::default()
    );
    assert_fenced(store.return_slices(a, &[part(1)]).await);
    assert_fenced(store.take_slice(a, &TAKE).await);
    let everything = Take { want: 5000, ..TAKE };
    assert_eq!(taken(store, b, everything).await, (950, 1000));

    // It was stopped only, and says what it has spent in truth.
    let again = node(store, "a").await;
    assert_ne!(again.epoch, a.epoch);
    store.restate_slices(again, &[part(60)]).await.unwrap();
    assert_eq!(taken(store, b, TAKE).await, (0, 1010));
}

async fn a_node_that_was_forgotten_does_not_come_back_as_who_it_was(bench: Bench) {
    let store = &bench.store;
    let (a, b) = (node(store, "a").await, node(store, "b").await);
    taken(store, a, Take { want: 400, ..TAKE }).await;
    silence(&bench, "a", 7200).await;
    store.unfollow("somebody else").await.unwrap();
    assert_fenced(store.return_slices(a, &[part(1)]).await);
    let released = store.release_slices("a").await.unwrap();
    assert_eq!((released.found, released.nano_usd), (true, 400));
    assert_ne!(store.confirm("a").await.unwrap(), a.epoch);
    assert_fenced(store.return_slices(a, &[part(1)]).await);
    assert_eq!(taken(store, b, TAKE).await, (100, 100));
}

async fn what_is_finer_than_hours_is_neither_known_before_nor_reclaimed(bench: Bench) {
    let store = &bench.store;
    spend(store, "a", 1, MIDNIGHT, (0, 500)).await;
    let minute = Take {
        account: AccountKey {
            window: "minute",
            ..ACCOUNT
        },
        bucket: Bucket {
            ends: MIDNIGHT + Duration::MINUTE,
            hourly: false,
            ..DAY
        },
        ..TAKE
    };
    let a = node(store, "a").await;
    assert_eq!(taken(store, a, first(minute)).await, (100, 100));
    let epoch = store.reclaim_slices("a").await.unwrap();
    let a = Node { epoch, ..a };
    assert_eq!(taken(store, a, first(minute)).await, (100, 200));
}

async fn usage_is_told_in_the_unit_of_the_account(Bench { store, .. }: Bench) {
    let a = node(&store, "a").await;
    spend(&store, "a", 1, MIDNIGHT, (20, 30)).await;
    spend(&store, "b", 2, MIDNIGHT, (0, 1)).await;
    taken(&store, a, first(TAKE)).await;
    let of = |unit| AccountKey { unit, ..ACCOUNT };
    let finer = Bucket {
        hourly: false,
        ..DAY
    };
    let nobody = AccountKey {
        id: Uuid::nil(),
        ..ACCOUNT
    };
    let asked = [
        (of("tokens"), DAY),
        (nobody, DAY),
        (ACCOUNT, finer),
        (of("requests"), DAY),
        (ACCOUNT, DAY),
    ];
    let usage = |used, spent, reserved| AccountUsage {
        used,
        spent,
        reserved,
    };
    let told = [
        usage(0, Some(310), Some(200)),
        usage(0, Some(0), Some(0)),
        usage(151, None, None),
        usage(0, Some(2), Some(0)),
        usage(151, Some(31), Some(20)),
    ];
    assert_eq!(store.usage_of(&asked).await.unwrap(), told);
    assert_eq!(store.usage_of(&[]).await.unwrap(), []);
}

async fn buckets_are_swept_when_they_do_not_count_any_more(Bench { store, .. }: Bench) {
    let a = node(&store, "a").await;
    taken(&store, a, TAKE).await;
    taken(&store, a, rolling(0)).await;
    let sweep = async |at: OffsetDateTime| store.sweep_slices(at).await.unwrap();
    // The rolling one's last hour counts until its end is 23 hours ago.
    assert_eq!(sweep(DAY.ends).await, 0);
    assert_eq!(sweep(DAY.ends + Duration::SECOND).await, 2);
    assert_eq!(taken(&store, a, TAKE).await, (100, 100));
}

async fn nothing_is_taken_where_old_snapshots_would_be_counted(bench: Bench) {
    let name = bench.url.split('?').next().unwrap();
    let name = name.rsplit('/').next().unwrap();
    let change =
        format!("alter database {name} set default_transaction_isolation = 'repeatable read'");
    let mut admin = bench.connection().await;
    sqlx::query(AssertSqlSafe(change))
        .execute(&mut admin)
        .await
        .unwrap();
    let store = bench.another_store().await;
    let a = node(&store, "a").await;
    let error = store.take_slice(a, &TAKE).await.unwrap_err();
    assert!(
        error.to_string().contains("default_transaction_isolation"),
        "{error}"
    );
}
