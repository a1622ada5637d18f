//! Replies in one piece.

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::canonical::Finish;
use lattice_dialects::firewall::{Call, Fault, Firewall};
use serde_json::{Value, json};

use super::{OTHER, by_name, decoder};
use crate::order::decoded_whole;

#[track_caller]
fn judged(api: Api, body: &Value) -> Result<Value, Fault> {
    let mut judge = |call: &Call<'_>| by_name(call, 0);
    let body = Bytes::from(body.to_string());
    let whole = Firewall::new(api).whole(body, &mut judge)?;
    Ok(serde_json::from_slice(&whole).unwrap())
}

const NAMES: [&str; 3] = ["yes", "no", "new"];

/// A reply that says `Hi` and makes these calls.
fn reply(api: Api, names: &[&str]) -> Value {
    let calls = names.iter().map(|name| {
        let (id, arguments) = (format!("call_{name}"), json!({"q": "secret"}));
        match api {
            Api::Chat => json!({"id": id, "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()}}),
            Api::Messages => {
                json!({"type": "tool_use", "id": id, "name": name, "input": arguments})
            }
            Api::Generate => json!({"functionCall": {"name": name, "args": arguments}}),
            Api::Responses => {
                json!({"type": "function_call", "id": format!("fc_{name}"), "call_id": id,
                "name": name, "arguments": arguments.to_string(), "status": "completed"})
            }
        }
    });
    let with = |first: Value| -> Value { [first].into_iter().chain(calls.clone()).collect() };
    match api {
        Api::Chat => json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": "Hi", "tool_calls": calls.collect::<Value>()}}]}),
        Api::Messages => json!({"id": "msg", "type": "message", "role": "assistant", "model": "m",
            "content": with(json!({"type": "text", "text": "Hi"})), "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1}}),
        Api::Generate => json!({"candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": with(json!({"text": "Hi"}))}}]}),
        Api::Responses => {
            json!({"id": "resp", "object": "response", "status": "completed", "model": "m",
            "output": with(json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}))})
        }
    }
}

#[test]
fn a_whole_reply_keeps_the_calls_that_are_allowed() {
    for api in super::APIS {
        let mixed = judged(api, &reply(api, &NAMES)).unwrap();
        let told = decoded_whole(mixed.to_string().as_bytes(), &mut *decoder(api, 1)).unwrap();
        let choice = &told.choices[&0];
        let calls: Vec<_> = choice
            .calls
            .iter()
            .map(|call| {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                (call.name.as_str(), arguments)
            })
            .collect();
        let other: Value = serde_json::from_str(OTHER).unwrap();
        assert_eq!(
            calls,
            [("yes", json!({"q": "secret"})), ("new", other)],
            "{api:?}"
        );
        assert_eq!(choice.finish, Some(Finish::ToolCalls));
        let text = choice.text.replace('\n', "");
        assert_eq!(
            text,
            r#"HiThe call of the tool "no" was refused: Not here."#
        );
        assert_eq!(mixed.to_string().matches("secret").count(), 1);
    }
}

#[test]
fn a_whole_reply_without_a_call_left_has_stopped() {
    for api in super::APIS {
        let refused = judged(api, &reply(api, &["no", "none"])).unwrap();
        let told = decoded_whole(refused.to_string().as_bytes(), &mut *decoder(api, 1)).unwrap();
        let choice = &told.choices[&0];
        assert!(choice.calls.is_empty());
        assert_eq!(choice.finish, Some(Finish::Stop), "{api:?}");
        assert!(!refused.to_string().contains("secret"));
        assert!(!refused.to_string().contains("tool_calls"));
    }
}

#[test]
fn a_whole_reply_without_calls_is_the_same_bytes() {
    for api in super::APIS {
        let body = Bytes::from(reply(api, &[]).to_string());
        let whole = Firewall::new(api)
            .whole(body.clone(), &mut |_| unreachable!())
            .unwrap();
        assert_eq!(whole, body, "{api:?}");
    }
}

#[test]
fn each_choice_is_judged_on_its_own() {
    let mut body = reply(Api::Chat, &["no"]);
    let mut second = reply(Api::Chat, &["yes"])["choices"][0].take();
    second["index"] = json!(1);
    body["choices"].as_array_mut().unwrap().push(second);
    let told = judged(Api::Chat, &body).unwrap();
    assert_eq!(told["choices"][0]["finish_reason"], "stop");
    assert_eq!(told["choices"][0]["message"].get("tool_calls"), None);
    assert_eq!(told["choices"][1], body["choices"][1]);
}

#[test]
fn the_older_kind_of_call_is_judged_too() {
    let body = |name: &str| {
        json!({"choices": [{"index": 0, "finish_reason": "function_call",
        "message": {"role": "assistant", "content": null, "function_call": {"name": name, "arguments": "{}"}}}]})
    };
    assert_eq!(judged(Api::Chat, &body("yes")).unwrap(), body("yes"));
    let refused = judged(Api::Chat, &body("no")).unwrap();
    let text = r#"The call of the tool "no" was refused: Not here."#;
    assert_eq!(
        refused["choices"][0]["message"],
        json!({"role": "assistant", "content": text})
    );
    assert_eq!(refused["choices"][0]["finish_reason"], "stop");
}

/// What the judge was asked of one item, and what became of it.
fn item(item: Value) -> (Option<(String, String, bool)>, Value) {
    let mut asked = None;
    let mut judge = |call: &Call<'_>| {
        asked = Some((call.name.to_owned(), call.arguments.to_owned(), call.json));
        by_name(call, 0)
    };
    let body = json!({"status": "completed", "output": [item]}).to_string();
    let whole = Firewall::new(Api::Responses)
        .whole(body.into(), &mut judge)
        .unwrap();
    let mut whole: Value = serde_json::from_slice(&whole).unwrap();
    (asked, whole["output"][0].take())
}

#[test]
fn every_item_that_the_caller_is_to_run_is_judged() {
    for (told, name, arguments, json) in [
        (
            json!({"type": "custom_tool_call", "name": "no", "input": "ls {"}),
            "no",
            "ls {",
            false,
        ),
        (
            json!({"type": "local_shell_call", "action": {"command": ["ls"]}}),
            "local_shell",
            r#"{"command":["ls"]}"#,
            true,
        ),
        (
            json!({"type": "shell_call", "action": {"commands": ["ls"]}}),
            "shell",
            r#"{"commands":["ls"]}"#,
            true,
        ),
        (
            json!({"type": "apply_patch_call", "operation": {"diff": "+"}}),
            "apply_patch",
            r#"{"diff":"+"}"#,
            true,
        ),
        (
            json!({"type": "computer_call", "action": {"type": "click"}}),
            "computer",
            r#"{"type":"click"}"#,
            true,
        ),
        (
            json!({"type": "mcp_approval_request", "name": "no", "arguments": "{}"}),
            "no",
            "{}",
            true,
        ),
        (
            json!({"type": "tool_search_call", "execution": "client", "arguments": null}),
            "tool_search",
            "{}",
            true,
        ),
        (json!({"type": "some_later_call"}), "some_later", "{}", true),
    ] {
        let (asked, left) = item(told.clone());
        assert_eq!(
            asked.unwrap(),
            (name.to_owned(), arguments.to_owned(), json)
        );
        let refused = name == "no";
        assert_eq!(left["type"] == "message", refused, "{told}");
        assert_eq!(left == told, !refused, "{told}");
    }
    for kind in [
        "web_search_call",
        "file_search_call",
        "mcp_call",
        "code_interpreter_call",
        "image_generation_call",
        "tool_search_call",
    ] {
        let told = json!({"type": kind, "name": "no", "arguments": "{}"});
        assert_eq!(item(told.clone()), (None, told));
    }
}

#[test]
fn a_text_of_a_custom_tool_cannot_be_rewritten() {
    let (_, left) =
        item(json!({"type": "custom_tool_call", "id": "ct_1", "name": "new", "input": "secret"}));
    assert_eq!(left["type"], "message");
    assert_eq!(left["id"], "msg_1");
    let text = left["content"][0]["text"].as_str().unwrap();
    assert!(
        text.ends_with("Its arguments cannot be replaced."),
        "{text}"
    );
}

#[test]
fn an_action_is_rewritten_as_an_action() {
    let told = json!({"type": "new_call", "action": {"type": "click"}});
    assert_eq!(
        item(told).1["action"],
        serde_json::from_str::<Value>(OTHER).unwrap()
    );
}

#[test]
fn calls_of_tools_that_the_provider_runs_pass() {
    for kind in ["server_tool_use", "mcp_tool_use"] {
        let mut body = reply(Api::Messages, &["no"]);
        body["content"][1]["type"] = json!(kind);
        assert_eq!(judged(Api::Messages, &body).unwrap(), body);
    }
    let body = json!({"candidates": [{"content": {"parts": [{"toolCall": {"name": "no"}}]}}]});
    assert_eq!(judged(Api::Generate, &body).unwrap(), body);
}
