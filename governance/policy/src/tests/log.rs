use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::ToolCall;
use lattice_kernel::gates::Authorization;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Request, set, source};
use crate::log::{Event, Lines, LinesOptions, Mask, Sink};
use crate::{Options, Policy, PolicySet};

const OPEN: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";

#[derive(Default)]
struct Collected(Mutex<Vec<Event>>);

impl Sink for Collected {
    fn put(&self, event: Event) {
        self.0.lock().push(event);
    }

    fn dropped(&self) -> u64 {
        0
    }
}

impl Collected {
    fn masked(&self, mask: &Mask) -> Vec<Value> {
        self.0
            .lock()
            .iter()
            .map(|event| event.masked(mask))
            .collect()
    }

    fn pop(&self) -> Event {
        self.0.lock().pop().unwrap()
    }
}

fn logged(set: PolicySet) -> (Policy, Arc<Collected>) {
    let log = Arc::new(Collected::default());
    let options = Options {
        shadow: 0.0,
        ..Options::default()
    };
    (Policy::new(set, options).logged(log.clone()), log)
}

fn ask(policy: &Policy, request: &Request) {
    let rules = policy.rules();
    policy.decide(
        &rules,
        request.at,
        &request.who,
        &request.ask,
        &request.target(),
    );
}

fn judge(policy: &Policy, arguments: &str) {
    let request = Request::sample();
    let call = ToolCall {
        name: "shell",
        arguments,
        json: true,
    };
    policy.judge(
        request.at,
        &request.who,
        &request.ask,
        &request.target(),
        &call,
    );
}

/// One event of a judged tool call, of a set with this mask besides.
fn judged(body: &str, mask: &str) -> Value {
    let files = [
        ("authz.rego", source(body)),
        ("mask.rego", format!("package system.log\n\n{mask}\n")),
    ];
    let (policy, log) = logged(super::load(files).unwrap());
    judge(&policy, r#"{"cmd": "rm"}"#);
    log.pop().masked(&Mask::default())
}

#[test]
fn each_decision_is_an_event_and_a_hit_names_the_one_that_made_it() {
    let (policy, log) = logged(set(OPEN));
    ask(&policy, &Request::sample());
    ask(&policy, &Request::sample());
    judge(&policy, r#"{"cmd": "ls"}"#);
    let events = log.masked(&Mask::default());
    let caches: Vec<_> = events
        .iter()
        .map(|event| event["lattice"]["cache"].clone())
        .collect();
    assert_eq!(caches, ["miss", "hit", "bypass"]);
    assert_eq!(events[1]["lattice"]["decided_as"], events[0]["decision_id"]);
    assert_eq!(events[2]["lattice"].get("decided_as"), None);
    let ids: std::collections::BTreeSet<_> = events
        .iter()
        .map(|event| event["decision_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 3);
    let mut miss = events[0].clone();
    let miss = miss.as_object_mut().unwrap();
    assert!(miss.remove("decision_id").unwrap().is_string());
    assert!(miss.remove("metrics").unwrap()["timer_server_handler_ns"].is_u64());
    let input = Request::sample()
        .see(|input| policy.set().document(input))
        .unwrap();
    let wanted = json!({
        "bundles": {"lattice": {"revision": &**policy.set().revision()}},
        "path": "lattice/authz/decision",
        "input": input,
        "result": {"allow": true, "deny": [], "obligations": []},
        "requested_by": "10.0.0.1",
        "timestamp": "2026-11-22T12:34:56Z",
        "lattice": {"cache": "miss", "data_revision": 0, "gate": "authorization"},
    });
    assert_eq!(Value::Object(miss.clone()), wanted);
}

#[test]
fn arguments_are_not_shown_unless_asked_for() {
    let body = "decision := {\"allow\": true, \"deny\": [], \"obligations\": [{\"type\": \"set_arguments\", \"arguments\": {\"cmd\": \"ls\"}}]}";
    let (policy, log) = logged(set(body));
    judge(&policy, r#"{"cmd": "rm"}"#);
    let event = log.pop();
    let masked = event.masked(&Mask::default());
    let properties = masked["input"]["resource"]["properties"]
        .as_object()
        .unwrap();
    assert!(properties.contains_key("asked") && !properties.contains_key("arguments"));
    assert_eq!(
        masked["result"]["obligations"],
        json!([{"type": "set_arguments"}])
    );
    let places = [
        "/input/resource/properties/arguments",
        "/result/obligations/0/arguments",
    ];
    assert_eq!(masked["erased"], json!(places));
    assert!(!masked.to_string().contains("\"rm\"") && !masked.to_string().contains("\"ls\""));
    let open = event.masked(&Mask::new([]).unwrap());
    assert_eq!(
        open["input"]["resource"]["properties"]["arguments"],
        json!({"cmd": "rm"})
    );
    assert_eq!(open.get("erased"), None);
}

#[test]
fn the_set_says_what_else_is_masked() {
    let event = judged(
        OPEN,
        "mask contains \"/input/subject/properties/key\"
         mask contains {\"op\": \"upsert\", \"path\": \"/input/subject/id\", \"value\": \"x\"} if input.result.allow
         mask contains {\"op\": \"remove\", \"path\": \"/input/nowhere\"}
         mask contains \"/input/context\" if input.input.resource.properties.arguments",
    );
    let subject = &event["input"]["subject"];
    assert_eq!(subject["id"], "x");
    assert_eq!(subject["properties"].get("key"), None);
    // What is masked in any case the set's own rule does not see either.
    assert!(event["input"]["context"].is_object());
    let erased = json!([
        "/input/resource/properties/arguments",
        "/input/subject/properties/key"
    ]);
    assert_eq!(
        (&event["erased"], &event["masked"]),
        (&erased, &json!(["/input/subject/id"]))
    );
}

#[test]
fn a_mask_that_fails_leaves_the_bare_answer() {
    for mask in [
        "mask contains 5",
        "mask contains \"input\"",
        "mask contains \"/decision_id\"",
        "mask contains {\"op\": \"upsert\", \"path\": \"/input/subject\"}",
        "mask contains {\"op\": \"hide\", \"path\": \"/input/subject\"}",
        "mask := true",
        "mask := 1 if input.path\nmask := 2 if input.result",
        "masks contains \"/input\"",
    ] {
        let event = judged(
            "decision := {\"allow\": false, \"deny\": [{\"code\": \"x\", \"msg\": input.resource.properties.arguments.cmd}], \"obligations\": []}
             if input.action.name == \"tool.call\"
             else := {\"allow\": true, \"deny\": [], \"obligations\": []}",
            mask,
        );
        assert_eq!(event.get("input"), None, "{mask}");
        assert_eq!(event["result"], json!({"allow": false}), "{mask}");
        assert_eq!(event["lattice"]["mask"], "failed", "{mask}");
        let erased = event["erased"].as_array().unwrap();
        assert!(
            erased.contains(&json!("/input")) && erased.contains(&json!("/result/deny")),
            "{mask}"
        );
    }
}

#[test]
fn a_decision_that_failed_says_so_without_quoting() {
    let (policy, log) = logged(set(
        "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
         allow := true
         allow := false if input.resource.properties.arguments.cmd",
    ));
    judge(&policy, r#"{"cmd": "rm"}"#);
    let event = log.pop().masked(&Mask::default());
    assert_eq!(event["error"], json!({"code": "failed"}));
    assert_eq!(event.get("result"), None);
    judge(&policy, "[]");
    let event = log.pop().masked(&Mask::default());
    assert_eq!(
        (&event["error"]["code"], event.get("input")),
        (&json!("arguments"), None)
    );
}

#[test]
fn only_input_and_result_can_be_masked() {
    for place in ["", "input", "/", "/labels", "/decision_id", "//input"] {
        let error = Mask::new([place]).unwrap_err();
        assert!(error.to_string().contains(&format!("`{place}`")), "{error}");
    }
    assert!(Mask::new(["/input", "/result/obligations/*/arguments"]).is_ok());
}

fn lines(path: &Path, max_bytes: u64) -> Arc<Lines> {
    let options = LinesOptions {
        path: path.to_owned(),
        mask: Mask::default(),
        labels: BTreeMap::from([("app".to_owned(), "lattice".to_owned())]),
        max_bytes,
    };
    Arc::new(Lines::open(options).unwrap())
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Events of so many decisions, put into the log.
fn put(log: &Arc<Lines>, count: usize) {
    let (policy, collected) = logged(set(OPEN));
    for _ in 0..count {
        ask(&policy, &Request::sample());
        log.put(collected.pop());
    }
}

fn within_a_second(what: impl Fn() -> bool) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        what()
    })
}

#[test]
fn the_file_holds_a_line_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let log = lines(&path, 1 << 30);
    put(&log, 25);
    log.close();
    let events = read(&path);
    assert_eq!(events.len(), 25);
    put(&log, 1);
    assert_eq!(log.dropped(), 1, "nothing is written any more");
    drop(log);
    assert!(
        events
            .iter()
            .all(|event| event["labels"] == json!({"app": "lattice"}))
    );
    // The next start goes on.
    let log = lines(&path, 1 << 30);
    put(&log, 5);
    assert_eq!((log.dropped(), log.last_error()), (0, None));
    drop(log);
    assert_eq!(read(&path).len(), 30);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_file_that_has_grown_gives_way_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.jsonl");
    let old = folder.path().join("decisions.jsonl.1");
    for _ in 0..3 {
        let log = lines(&path, 1);
        put(&log, 1);
        drop(log);
    }
    assert_eq!((read(&path).len(), read(&old).len()), (1, 1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_was_renamed_is_let_go_of_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let [path, away] = ["decisions.jsonl", "away"].map(|name| folder.path().join(name));
    let log = lines(&path, 1 << 30);
    put(&log, 1);
    assert!(within_a_second(|| read(&path).len() == 1));
    std::fs::rename(&path, &away).unwrap();
    log.reopen();
    put(&log, 1);
    drop(log);
    assert_eq!((read(&path).len(), read(&away).len()), (1, 1));
}

#[test]
fn an_event_for_which_there_is_no_room_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = lines(&folder.path().join("decisions.jsonl"), 1 << 30);
    let (policy, collected) = logged(set(OPEN));
    ask(&policy, &Request::sample());
    let mut event = collected.pop();
    event.texts = 1 << 30;
    log.put(event);
    assert_eq!(log.dropped(), 1);
    put(&log, 1);
    drop(log);
    assert_eq!(read(&folder.path().join("decisions.jsonl")).len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_counted() {
    let log = lines(Path::new("/dev/full"), 1 << 30);
    put(&log, 3);
    assert!(within_a_second(|| log.dropped() == 3), "{}", log.dropped());
    assert!(log.last_error().unwrap().contains("space"));
}
