//! Tools on offer and which of them to call.

use lattice_dialects::canonical::{Cache, ToolChoice};
use serde_json::{Value, json};

use super::{asking, canonical, dropped, refused};

fn offering(tools: Value, choice: Value) -> Value {
    asking(json!({"tools": tools, "tool_choice": choice}))
}

#[test]
fn a_tool_keeps_what_every_provider_has() {
    let tool = json!({
        "type": "custom",
        "name": "f",
        "description": "d",
        "input_schema": {"type": "object"},
        "strict": true,
        "cache_control": {"type": "ephemeral"},
        "allowed_callers": ["direct"],
    });
    canonical(&offering(json!([tool]), json!(null)), |request| {
        let tool = &request.tools[0];
        assert_eq!((&*tool.name, tool.description.as_deref()), ("f", Some("d")));
        assert_eq!(tool.parameters.unwrap().get(), r#"{"type":"object"}"#);
        assert_eq!(
            (tool.strict, tool.cache),
            (Some(true), Some(Cache::FiveMinutes))
        );
        assert!(request.dropped.is_empty());
    });
}

#[test]
fn hints_about_a_tool_are_noted() {
    let tool = json!({
        "name": "f",
        "input_schema": {},
        "input_examples": [{}],
        "eager_input_streaming": true,
        "defer_loading": true,
    });
    assert_eq!(
        dropped(&offering(json!([tool]), json!(null))),
        [
            "tools.eager_input_streaming",
            "tools.input_examples",
            "tools.defer_loading: offered from the start"
        ]
    );
}

#[test]
fn every_choice_has_its_like() {
    let choice = |choice: Value| {
        let tools = json!([{"name": "f", "input_schema": {}}]);
        canonical(&offering(tools, choice), |request| {
            let named = match request.tool_choice {
                Some(ToolChoice::Named(name)) => name.into_owned(),
                other => format!("{other:?}"),
            };
            (named, request.parallel_tool_calls)
        })
    };
    for (theirs, ours, parallel) in [
        (json!({"type": "auto"}), "Some(Auto)", None),
        (json!({"type": "any"}), "Some(Required)", None),
        (json!({"type": "none"}), "Some(None)", None),
        (json!({"type": "tool", "name": "f"}), "f", None),
        (
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            "Some(Auto)",
            Some(false),
        ),
        (
            json!({"type": "any", "disable_parallel_tool_use": false}),
            "Some(Required)",
            Some(true),
        ),
        (json!(null), "None", None),
    ] {
        assert_eq!(choice(theirs), (ours.to_owned(), parallel));
    }
}

#[test]
fn tools_that_only_anthropic_has_are_refused() {
    let f = || json!([{"name": "f", "input_schema": {}}]);
    for (tools, choice, field) in [
        (
            json!([{"type": "web_search_20250305", "name": "web_search"}]),
            json!(null),
            "tools[0].type",
        ),
        (
            json!([{"type": "bash_20250124", "name": "bash"}]),
            json!(null),
            "tools[0].type",
        ),
        (json!([{"name": "f"}]), json!(null), "tools[0].input_schema"),
        (
            json!([{"name": "f", "input_schema": "x"}]),
            json!(null),
            "tools[0].input_schema",
        ),
        (
            json!([{"name": "", "input_schema": {}}]),
            json!(null),
            "tools[0].name",
        ),
        (
            json!([{"name": "f", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}]),
            json!(null),
            "tools[0].allowed_callers",
        ),
        (
            json!([{"name": "f", "input_schema": {}, "new": 1}]),
            json!(null),
            "tools[0].new",
        ),
        (
            f(),
            json!({"type": "tool", "name": "g"}),
            "tool_choice.name",
        ),
        (f(), json!({"type": "maybe"}), "tool_choice.type"),
        (f(), json!({"type": "auto", "new": 1}), "tool_choice.new"),
    ] {
        let refusal = refused(&offering(tools, choice));
        assert_eq!(refusal.field, field, "{refusal}");
    }
}
