//! Two gateways over one database: what is changed once is in force on both.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::{Duration, Instant};

use harness::shared::Database;
use harness::{Gateway, Reply, Upstream, ask, eventually, signal};

/// What the poll alone may take: 2 s, and as much again on a busy machine.
const POLLED: Duration = Duration::from_secs(4);

struct House {
    one: Gateway,
    two: Gateway,
    database: Database,
    upstream: Upstream,
}

impl House {
    fn start() -> Self {
        let (upstream, database) = (Upstream::start(), Database::start());
        let [one, two] = [(), ()].map(|()| database.gateway(&upstream));
        let house = Self {
            one,
            two,
            database,
            upstream,
        };
        eventually(Duration::from_secs(10), "both follow", || {
            house.listeners().len() == 2
                && house.database.sql("select count(*) from gateway") == ["2"]
        });
        house
    }

    /// Asks both with this key.
    fn ask(&self, key: &str) -> [Reply; 2] {
        [&self.one, &self.two].map(|gateway| gateway.chat(key, &ask("mock", "")))
    }

    #[track_caller]
    fn serve(&self, key: &str) {
        for reply in self.ask(key) {
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    }

    #[track_caller]
    fn refuse(&self, key: &str, code: &str) {
        for reply in self.ask(key) {
            assert_eq!(refusal(&reply).as_deref(), Some(code), "{reply:?}");
        }
    }

    /// The server's processes that gateways listen at.
    fn listeners(&self) -> Vec<u32> {
        let rows = self
            .database
            .sql("select pid from pg_stat_activity where query ilike 'listen %'");
        rows.iter().map(|pid| pid.parse().unwrap()).collect()
    }
}

/// The code of a refusal of gate 1.
fn refusal(reply: &Reply) -> Option<String> {
    let mark = &reply.json()["lattice"];
    (reply.status == 401).then(|| mark["code"].as_str().unwrap().to_owned())
}

#[test]
fn what_a_command_has_changed_is_in_force_on_both_when_it_returns() {
    let house = House::start();
    let said = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let began = Instant::now();
        let said = house.one.lattice(&words);
        println!("lattice {arguments}: {:?}", began.elapsed());
        said
    };
    said("user create ada");
    said("agent create build --owner ada");
    let ci = house.one.key("ci", &[]);
    let own = house.two.key("own", &["--user", "ada"]);
    let agents = house.two.key("agents", &["--agent", "build"]);
    for key in [&ci, &own, &agents] {
        house.serve(key);
    }

    assert_eq!(
        said("key revoke ci"),
        "key ci revoked; in force on 2 gateways\n"
    );
    house.refuse(&ci, "identity_revoked");

    said("agent disable build");
    house.refuse(&agents, "identity_revoked");
    house.serve(&own);
    said("agent enable build");
    house.serve(&agents);
    assert_eq!(
        said("user disable ada"),
        "user ada disabled; in force on 2 gateways\n"
    );
    house.refuse(&own, "identity_revoked");
    house.refuse(&agents, "identity_revoked");
    said("user enable ada");
    house.serve(&own);

    let rotated = said("key rotate own --overlap 24h");
    let second = rotated.lines().nth(1).unwrap();
    house.serve(&own);
    house.serve(second);
    let third = said("key rotate own");
    assert!(third.ends_with("the old secret is unknown from now on; in force on 2 gateways\n"));
    house.refuse(&own, "identity_unknown");
    house.refuse(second, "identity_unknown");
    house.serve(third.lines().nth(1).unwrap());
    said("key revoke own");
    house.refuse(third.lines().nth(1).unwrap(), "identity_revoked");
}

#[test]
fn a_role_that_is_changed_counts_for_the_next_request_on_both() {
    let house = House::start();
    let said = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        house.one.lattice(&words)
    };
    // What both answer with.
    let statuses = |key: &str| house.ask(key).map(|reply| reply.status);
    let key = house.one.key("ci", &[]);
    house.serve(&key);

    // Granted: the roles take the place of the default ones, and this one counts tokens.
    let granted = said("role grant viewer --to key:ci --level own");
    assert!(granted.contains("in force on 2 gateways"), "{granted}");
    assert_eq!(statuses(&key), [404, 404]);
    said("role revoke viewer --to key:ci --level own");
    assert_eq!(statuses(&key), [200, 200]);

    // Defined in the store, granted, and defined anew: each counts when its command returns.
    said("role create narrow --allow infer:model:mock");
    said("role grant narrow --to key:ci --level own");
    assert_eq!(statuses(&key), [200, 200]);
    said("role revoke narrow --to key:ci --level own");
    said("role delete narrow");
    said("role create narrow --deny infer:model:mock");
    said("role grant narrow --to key:ci --level own");
    assert_eq!(statuses(&key), [404, 404]);

    for gateway in [&house.one, &house.two] {
        let leaves = gateway.leaves();
        let swaps = harness::of_kind(&leaves, "policy");
        assert!(swaps.len() > 3, "{swaps:?}");
        assert!(swaps.iter().all(|swap| swap["refused"].is_null()));
    }
}

#[test]
fn a_connection_that_was_lost_is_made_again_and_one_that_hangs_is_done_without() {
    let house = House::start();
    let keys = ["a", "b", "c"].map(|name| house.one.key(name, &[]));
    keys.iter().for_each(|key| house.serve(key));
    let listeners = house.listeners();
    house
        .database
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %'");
    house.one.lattice(&["key", "revoke", "a"]);
    house.refuse(&keys[0], "identity_revoked");

    eventually(Duration::from_secs(10), "both listen again", || {
        let again = house.listeners();
        again.len() == 2 && again.iter().all(|pid| !listeners.contains(pid))
    });
    house.one.lattice(&["key", "revoke", "b"]);
    house.refuse(&keys[1], "identity_revoked");

    // Their server processes stand still: nothing is told any more, and no error either.
    let standing = Standing::still(house.listeners());
    let began = Instant::now();
    house.database.sql(
        "update api_key set revoked_at = now() where name = 'c';
         update revision set value = value + 1; select pg_notify('lattice', '')",
    );
    eventually(POLLED, "the poll sees it", || {
        house
            .ask(&keys[2])
            .iter()
            .all(|reply| refusal(reply).is_some())
    });
    println!("polled: {:?}", began.elapsed());
    drop(standing);
    assert!(house.upstream.mock.seen() >= 6);
}

/// Processes that are there and do nothing, until this is dropped.
struct Standing(Vec<u32>);

impl Standing {
    fn still(pids: Vec<u32>) -> Self {
        let standing = Self(pids);
        standing.0.iter().for_each(|pid| signal(*pid, "STOP"));
        standing
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| signal(*pid, "CONT"));
    }
}

#[test]
fn a_gateway_that_stopped_is_not_waited_for_and_one_that_died_is_named() {
    let mut house = House::start();
    for name in ["a", "b", "c"] {
        house.one.key(name, &[]);
    }
    house.two.kill();
    let late = house.one.cli(&["key", "revoke", "a"]);
    let [out, err] = [late.stdout, late.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(out, "key a revoked; in force on 1 of 2 gateways\n");
    let node = std::fs::read_to_string(house.two.path().join("data/node")).unwrap();
    assert!(err.contains(&format!("gateway {node} has not")), "{err}");
    assert!(late.status.success());

    house.two.launch();
    assert_eq!(house.two.stop(), Some(0));
    let revoke = |name: &str| house.one.lattice(&["key", "revoke", name]);
    assert_eq!(revoke("b"), "key b revoked; in force on 1 gateway\n");
    house.one.stop();
    let c = house.one.lattice(&["key", "revoke", "c"]);
    assert_eq!(c, "key c revoked; no gateway is running\n");
}
