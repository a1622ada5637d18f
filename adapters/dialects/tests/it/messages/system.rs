//! System texts that lead, and messages of the role `system` behind them.

use lattice_dialects::canonical::{Effort, Part, Request, Role};
use serde_json::{Value, json};

use super::{asking, canonical, dropped, refused};

/// A conversation of two questions with a system message behind each.
fn steered(first: Value, second: Value) -> Value {
    asking(json!({
        "system": "s",
        "tools": [
            {"name": "f", "input_schema": {}},
            {"name": "g", "input_schema": {}, "defer_loading": true},
        ],
        "messages": [
            {"role": "user", "content": "a"},
            first,
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
            second,
        ],
    }))
}

fn said(rest: Value) -> Value {
    let mut message = json!({"role": "system"});
    for (key, value) in rest.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

fn system_texts(request: &Request<'_>) -> Vec<String> {
    let turns = request.turns.iter();
    let parts = turns
        .filter(|turn| turn.role == Role::System)
        .flat_map(|turn| &turn.parts);
    let texts = parts.map(|part| match part {
        Part::Text(text) => text.text.clone().into_owned(),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

#[test]
fn texts_lead_until_anybody_has_spoken() {
    let body = asking(json!({
        "system": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        "messages": [
            {"role": "system", "content": "three"},
            {"role": "user", "content": "a"},
            {"role": "system", "content": [{"type": "text", "text": "four"}]},
        ],
    }));
    canonical(&body, |request| {
        let leading: Vec<&str> = request.system.iter().map(|text| &*text.text).collect();
        assert_eq!(leading, ["one", "two", "three"]);
        assert_eq!(system_texts(&request), ["four"]);
    });
}

#[test]
fn what_holds_for_one_turn_only_is_gone_in_the_next() {
    let once = |text| said(json!({"content": text, "clear_at": "next_user_message"}));
    canonical(&steered(once("first"), once("second")), |request| {
        assert_eq!(system_texts(&request), ["second"]);
        let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
        let (user, assistant) = (Role::User, Role::Assistant);
        assert_eq!(roles, [user, assistant, user, Role::System]);
    });
    let always = |text| said(json!({"content": text, "clear_at": "never"}));
    canonical(&steered(always("first"), always("second")), |request| {
        assert_eq!(system_texts(&request), ["first", "second"]);
    });
    let wrong = steered(said(json!({"content": "x", "clear_at": "soon"})), once("y"));
    assert_eq!(refused(&wrong).field, "messages[1].clear_at");
}

#[test]
fn the_effort_of_a_turn_is_that_of_its_own_message() {
    let with = |effort: &str| said(json!({"content": "x", "output_config": {"effort": effort}}));
    let without = || said(json!({"content": "x"}));
    let mut body = steered(with("low"), with("max"));
    body["output_config"] = json!({"effort": "medium"});
    canonical(&body, |request| {
        assert_eq!(request.effort, Some(Effort::Max));
    });
    let mut body = steered(with("low"), without());
    body["output_config"] = json!({"effort": "medium"});
    canonical(&body, |request| {
        assert_eq!(request.effort, Some(Effort::Medium));
    });
}

#[test]
fn tools_that_come_and_go_are_those_at_the_end() {
    let change = |kind: &str, name: &str| json!({"type": kind, "tool": {"type": "tool_reference", "name": name}});
    let defined = json!({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "h", "input_schema": {}}}});
    let first =
        said(json!({"content": [change("tool_removal", "f"), change("tool_removal", "g")]}));
    let second = said(
        json!({"content": [change("tool_addition", "g"), defined, {"type": "text", "text": "x"}]}),
    );
    let body = steered(first, second);
    canonical(&body, |request| {
        let names: Vec<&str> = request.tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, ["g", "h"]);
        assert_eq!(system_texts(&request), ["x"]);
    });
    assert_eq!(
        dropped(&body),
        [
            "messages.content.tool_addition: the tools at the end are offered throughout",
            "tools.defer_loading: offered from the start",
        ]
    );
    let unknown = said(json!({"content": [change("tool_addition", "z")]}));
    let body = steered(unknown, said(json!({"content": "x"})));
    assert_eq!(refused(&body).field, "tools");
    let of_mcp = json!([{"type": "tool_addition", "tool": {"type": "mcp_toolset_reference", "server_name": "s"}}]);
    let body = steered(
        said(json!({"content": of_mcp})),
        said(json!({"content": "x"})),
    );
    assert_eq!(refused(&body).field, "messages[1].content[0].tool.type");
}
