use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{requests, set};
use crate::authzen::{MOST, Problem, evaluation, evaluations};
use crate::footprint::Footprint;
use crate::{Options, Policy, PolicySet};

const AT: OffsetDateTime = datetime!(2026-11-22 12:34:56 UTC);

/// Shows what it was asked.
const NOSY: &str = "
    decision := {\"allow\": true, \"deny\": [], \"obligations\": [{\"type\": \"echo\", \"seen\": input}]}
";

/// Allows Ada.
const ADA: &str = "
    decision := {\"allow\": allow, \"deny\": deny, \"obligations\": []}
    default allow := false
    allow if input.subject.id == \"ada\"
    deny contains {\"code\": \"policy_denied\", \"msg\": sprintf(\"No %s.\", [input.action.name])} if input.subject.id == \"bob\"
";

fn policy(body: &str) -> Policy {
    Policy::new(set(body), Options::default())
}

fn single(policy: &Policy, request: &Value) -> Result<Value, Problem> {
    evaluation(policy, AT, request.to_string().as_bytes())
}

fn batch(policy: &Policy, request: &Value) -> Result<Value, Problem> {
    evaluations(policy, AT, request.to_string().as_bytes())
}

/// The input that a request becomes.
fn seen(request: &Value) -> Value {
    single(&policy(NOSY), request).unwrap()["context"]["obligations"][0]["seen"].clone()
}

fn asks(subject: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": "infer"},
        "resource": {"type": "model", "id": "assistant"},
    })
}

#[test]
fn what_is_left_out_is_as_in_a_request_that_lacks_it() {
    let wanted = json!({
        "subject": {"type": "user", "id": "ada", "properties": {
            "org": null, "team": null, "user": null, "agent": null, "key": null, "auth": null,
            "roles": [], "grants": [], "classification": null, "models": null, "team_models": null}},
        "action": {"name": "infer"},
        "resource": {"type": "model", "id": "assistant", "properties": {
            "name": "assistant", "provider": null, "model": null, "classification": null, "local": false}},
        "context": {"dialect": null, "stream": false, "tools": [], "offered": [], "weekday": "sunday",
            "minute_of_day": 754, "source": null, "classification": null},
    });
    assert_eq!(seen(&asks("ada")), wanted);
}

#[test]
fn what_is_said_stays_as_it_is() {
    let said = json!({
        "subject": {"type": "agent", "id": "ada", "properties": {
            "team": "research", "grants": [{"role": "b", "level": "team"}, {"role": "a", "level": "own"}], "badge": 7}},
        "action": {"name": "tool.call", "properties": {"dry": true}},
        "resource": {"type": "tool", "id": "shell", "properties": {"arguments": {"cmd": "ls"}}},
        "context": {"minute_of_day": 5, "weekday": "friday", "ticket": "T-1"},
    });
    let seen = seen(&said);
    assert_eq!(seen["subject"]["properties"]["team"], "research");
    assert_eq!(seen["subject"]["properties"]["badge"], 7);
    assert_eq!(
        seen["subject"]["properties"]["roles"],
        json!(["a", "b"]),
        "follow from the grants"
    );
    assert_eq!(seen["action"], said["action"]);
    assert_eq!(
        seen["resource"]["properties"]["arguments"],
        json!({"cmd": "ls"})
    );
    assert_eq!(seen["resource"]["properties"]["asked"], Value::Null);
    assert_eq!(seen["context"]["ticket"], "T-1");
    assert_eq!(seen["context"]["minute_of_day"], 5);
}

proptest! {
    #[test]
    fn an_input_of_ours_is_decided_as_our_own(request in requests()) {
        let document = request.see(|input| input.document(Footprint::WHOLE)).unwrap();
        let document = serde_json::to_value(document).unwrap();
        prop_assert_eq!(&seen(&document), &document);
        let policy = Policy::new(PolicySet::shipped().unwrap(), Options::default());
        let ours = request.see(|input| policy.set().evaluate(input)).unwrap();
        let theirs = single(&policy, &document).unwrap();
        prop_assert_eq!(&theirs["decision"], ours.allows());
    }
}

#[test]
fn a_denial_says_why() {
    let policy = policy(ADA);
    let allowed = single(&policy, &asks("ada")).unwrap();
    assert_eq!(allowed["decision"], true);
    assert_eq!(allowed["context"]["revision"], **policy.set().revision());
    assert_eq!(allowed["context"].get("reason_admin"), None);
    let denied = single(&policy, &asks("bob")).unwrap();
    assert_eq!(denied["decision"], false);
    assert_eq!(
        denied["context"]["deny"],
        json!([{"code": "policy_denied", "msg": "No infer."}])
    );
    assert_eq!(
        denied["context"]["reason_admin"],
        json!({"en": "No infer."})
    );
    let denied = single(&policy, &asks("eve")).unwrap();
    assert_eq!(denied["decision"], false);
    assert!(
        denied["context"]["reason_admin"]["en"]
            .as_str()
            .unwrap()
            .contains("No policy rule")
    );
    assert_eq!(
        (policy.counts().bypasses, policy.counts().hits),
        (3, 0),
        "nothing is kept"
    );
}

#[test]
fn an_obligation_that_only_a_tool_call_can_meet_denies_a_request() {
    let rewriting = "decision := {\"allow\": true, \"deny\": [], \"obligations\": [{\"type\": \"set_arguments\", \"arguments\": {}}]}";
    let policy = policy(rewriting);
    assert_eq!(single(&policy, &asks("ada")).unwrap()["decision"], false);
    let mut call = asks("ada");
    call["action"]["name"] = "tool.call".into();
    call["resource"]["type"] = "tool".into();
    let answer = single(&policy, &call).unwrap();
    assert_eq!(answer["decision"], true);
    assert_eq!(
        answer["context"]["obligations"],
        json!([{"type": "set_arguments", "arguments": {}}])
    );
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    let policy = policy(ADA);
    let without = |name: &str| {
        let mut request = asks("ada");
        request.as_object_mut().unwrap().remove(name);
        request
    };
    let with = |pointer: &str, value: Value| {
        let mut request = asks("ada");
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    for (request, name) in [
        (without("subject"), "subject"),
        (without("action"), "action"),
        (without("resource"), "resource"),
        (with("/subject", json!("ada")), "subject"),
        (with("/subject/id", json!(7)), "subject.id"),
        (with("/subject/type", json!(null)), "subject.type"),
        (with("/action", json!({})), "action.name"),
        (with("/resource", json!({"type": "model"})), "resource.id"),
        (
            with(
                "/resource",
                json!({"type": "a", "id": "b", "properties": []}),
            ),
            "resource.properties",
        ),
        (json!([asks("ada")]), "not a JSON object"),
    ] {
        let problem = single(&policy, &request).unwrap_err();
        assert_eq!(problem.status(), 400);
        assert!(problem.to_string().contains(name), "{problem}");
    }
    for text in ["", "{", "\u{0}", "{}x", &"[".repeat(100_000)] {
        assert_eq!(
            evaluation(&policy, AT, text.as_bytes())
                .unwrap_err()
                .status(),
            400
        );
    }
    assert_eq!(policy.counts().bypasses, 0);
}

#[test]
fn no_decision_is_no_answer() {
    let policy = policy(
        "decision := {\"allow\": true, \"deny\": [], \"obligations\": []} if input.subject.type == \"key\"",
    );
    assert_eq!(single(&policy, &asks("ada")).unwrap_err().status(), 500);
    assert_eq!((policy.counts().failures, policy.counts().bypasses), (1, 1));
    let answer = batch(&policy, &json!({"evaluations": [asks("ada")]})).unwrap();
    assert_eq!(answer["evaluations"][0]["decision"], false);
    assert_eq!(answer["evaluations"][0]["context"]["error"]["status"], 500);
}

/// The decisions on these subjects, in turn.
fn decisions(semantic: Option<&str>, subjects: &[&str]) -> Vec<bool> {
    let single = subjects
        .iter()
        .map(|id| json!({"subject": {"type": "user", "id": id}}));
    let mut request = asks("nobody");
    request["evaluations"] = single.collect();
    if let Some(semantic) = semantic {
        request["options"] = json!({"evaluations_semantic": semantic});
    }
    let answer = batch(&policy(ADA), &request).unwrap();
    let answers = answer["evaluations"].as_array().unwrap().iter();
    answers
        .map(|answer| answer["decision"].as_bool().unwrap())
        .collect()
}

#[test]
fn evaluations_end_where_they_are_told_to() {
    let all = ["ada", "bob", "ada", "eve"];
    assert_eq!(decisions(None, &all), [true, false, true, false]);
    assert_eq!(
        decisions(Some("execute_all"), &all),
        [true, false, true, false]
    );
    assert_eq!(decisions(Some("deny_on_first_deny"), &all), [true, false]);
    assert_eq!(decisions(Some("permit_on_first_permit"), &all), [true]);
    assert_eq!(
        decisions(Some("permit_on_first_permit"), &["bob", "ada", "ada"]),
        [false, true]
    );
    assert_eq!(
        decisions(Some("deny_on_first_deny"), &["ada", "ada"]),
        [true, true]
    );
}

#[test]
fn an_evaluation_inherits_what_it_leaves_out_whole() {
    let request = json!({
        "subject": {"type": "user", "id": "ada", "properties": {"team": "research"}},
        "action": {"name": "infer"},
        "context": {"ticket": "T-1"},
        "evaluations": [
            {"resource": {"type": "model", "id": "one"}},
            {"resource": {"type": "model", "id": "two"}, "subject": {"type": "user", "id": "bob"}, "context": {}},
            {"subject": {"type": "user", "id": "bob"}},
            "none",
        ],
    });
    let answer = batch(&policy(NOSY), &request).unwrap();
    let seen = |index: usize| &answer["evaluations"][index]["context"]["obligations"][0]["seen"];
    assert_eq!(seen(0)["subject"]["properties"]["team"], "research");
    assert_eq!(
        (&seen(0)["resource"]["id"], &seen(0)["context"]["ticket"]),
        (&json!("one"), &json!("T-1"))
    );
    assert_eq!(
        (&seen(1)["subject"]["id"], &seen(1)["resource"]["id"]),
        (&json!("bob"), &json!("two"))
    );
    assert_eq!(seen(1)["subject"]["properties"]["team"], Value::Null);
    assert_eq!(seen(1)["context"].get("ticket"), None);
    for index in [2, 3] {
        let answer = &answer["evaluations"][index];
        assert_eq!(
            (&answer["decision"], &answer["context"]["error"]["status"]),
            (&json!(false), &json!(400))
        );
    }
}

#[test]
fn without_evaluations_it_is_one() {
    let policy = policy(ADA);
    let mut request = asks("ada");
    let wanted = single(&policy, &request).unwrap();
    assert_eq!(batch(&policy, &request).unwrap(), wanted);
    request["evaluations"] = json!([]);
    assert_eq!(batch(&policy, &request).unwrap(), wanted);
}

#[test]
fn a_batch_is_bounded() {
    let policy = policy(ADA);
    let of = |count: usize| {
        let mut request = asks("ada");
        request["evaluations"] = vec![json!({}); count].into();
        request
    };
    let answer = batch(&policy, &of(MOST)).unwrap();
    assert_eq!(answer["evaluations"].as_array().unwrap().len(), MOST);
    assert_eq!(batch(&policy, &of(MOST + 1)).unwrap_err().status(), 400);
    for options in [
        json!(7),
        json!({"evaluations_semantic": "any"}),
        json!({"evaluations_semantic": 1}),
    ] {
        let mut request = of(1);
        request["options"] = options;
        assert_eq!(batch(&policy, &request).unwrap_err().status(), 400);
    }
}
