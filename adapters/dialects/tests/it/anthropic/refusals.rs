//! What Claude, or one Claude, cannot be given: each refusal names its field and
//! what to do.

use lattice_dialects::canonical::{Effort, Format, Role, Schema, Source, ToolCall, ToolChoice};
use serde_json::Number;

use super::*;

const BUDGET: &str = "claude-haiku-4-5";
const NEW: &str = "claude-opus-5-5";

/// That `model` is refused `request` for `field`, with `mend` among the words.
fn assert_refused(model: &str, request: &Asking, field: &str, mend: &str) {
    let refusal = refused(model, request);
    assert_eq!(refusal.field, field, "{refusal}");
    assert!(refusal.why.contains(mend), "{refusal}");
}

/// `asking()`, changed.
fn with(change: impl FnOnce(&mut Asking)) -> Asking {
    let mut request = asking();
    change(&mut request);
    request
}

fn thinking(mut request: Asking) -> Asking {
    request.effort = Some(Effort::Low);
    request
}

#[test]
fn sampling_that_claude_does_not_have() {
    let temperature = |value| with(|it| it.temperature = Number::from_f64(value));
    let top_p = with(|it| it.top_p = Number::from_f64(0.5));
    let top_k = with(|it| it.top_k = Some(5));
    let presence = with(|it| it.presence_penalty = Number::from_f64(0.1));
    let frequency = with(|it| it.frequency_penalty = Some((-1).into()));
    let off = "reasoning_effort to none";
    for (model, request, field, mend) in [
        (BUDGET, temperature(1.5), "temperature", "1 or less"),
        (BUDGET, thinking(temperature(0.5)), "temperature", off),
        (
            NEW,
            temperature(0.5),
            "temperature",
            "leave temperature out",
        ),
        (NEW, top_p, "top_p", "leave top_p out"),
        (NEW, top_k.clone(), "top_k", "leave top_k out"),
        (BUDGET, thinking(top_k), "top_k", off),
        (BUDGET, presence, "presence_penalty", "set it to 0"),
        (BUDGET, frequency, "frequency_penalty", "set it to 0"),
    ] {
        assert_refused(model, &request, field, mend);
    }
}

#[test]
fn answers_that_claude_does_not_give() {
    let schema = |json| {
        let (name, schema, strict) = ("x".into(), raw(json), None);
        let schema = Schema {
            name,
            schema,
            strict,
        };
        with(|it| it.format = Format::JsonSchema(schema))
    };
    let object = with(|it| it.format = Format::JsonObject);
    let stop = with(|it| it.stop = vec!["a".into(), " \n".into()]);
    let short = thinking(with(|it| it.max_output_tokens = Some(2047)));
    let raise = "raise max_completion_tokens to 2048";
    for (model, request, field, mend) in [
        (BUDGET, with(|it| it.n = 2), "n", "ask for 1"),
        (BUDGET, stop, "stop", "leave that text out"),
        (BUDGET, object, "response_format", "json_schema"),
        (
            "claude-sonnet-4-0",
            schema("{}"),
            "response_format",
            "Claude 4.5",
        ),
        (BUDGET, schema("true"), "response_format", "object"),
        (BUDGET, short, "reasoning_effort", raise),
    ] {
        assert_refused(model, &request, field, mend);
    }
}

fn offering(tools: Vec<Tool<'static>>, choice: Option<ToolChoice<'static>>) -> Asking {
    with(|it| {
        it.tools = tools;
        it.tool_choice = choice;
    })
}

#[test]
fn tools_that_cannot_be_offered() {
    let long: &'static str = "x".repeat(129).leak();
    for (name, parameters, field) in [
        ("a.b", None, "tools.function.name"),
        ("", None, "tools.function.name"),
        ("é", None, "tools.function.name"),
        (long, None, "tools.function.name"),
        ("look", Some("true"), "tools.function.parameters"),
    ] {
        let request = offering(vec![tool(name, parameters)], None);
        let mend = if parameters.is_some() {
            "object"
        } else {
            "rename"
        };
        assert_refused(BUDGET, &request, field, mend);
    }
}

#[test]
fn tools_that_cannot_be_chosen() {
    let look = |choice| offering(vec![tool("look", None)], Some(choice));
    let allowed = |names| ToolChoice::Allowed {
        required: false,
        names,
    };
    let forced = || look(ToolChoice::Required);
    let off = "reasoning_effort to none";
    for (model, request, mend) in [
        (NEW, forced(), "use auto"),
        (BUDGET, thinking(forced()), off),
        ("claude-opus-4-6", thinking(forced()), off),
        (BUDGET, look(ToolChoice::Named("b".into())), "offer it"),
        (
            BUDGET,
            look(allowed(vec!["look".into(), "b".into()])),
            "offer it",
        ),
        (BUDGET, look(allowed(vec![])), "offer one"),
        (
            BUDGET,
            offering(vec![], Some(ToolChoice::Required)),
            "offer one",
        ),
    ] {
        assert_refused(model, &request, "tool_choice", mend);
    }
}

/// What the assistant said, and what the user answered.
fn looped(calls: Vec<Part<'static>>, results: Vec<Part<'static>>) -> Asking {
    conversation(vec![
        user("a"),
        turn(Role::Assistant, calls),
        turn(Role::User, results),
    ])
}

fn done(id: &'static str) -> Part<'static> {
    result(id, vec![text("r")])
}

#[test]
fn turns_that_cannot_follow() {
    let foreign = vec![thought(Maker::Gemini, "t", None)];
    let misplaced = turn(Role::User, vec![call("1", "{}")]);
    for (model, request, mend) in [
        (BUDGET, conversation(vec![]), "add one"),
        (BUDGET, conversation(vec![user(" ")]), "turn 1"),
        (BUDGET, looped(foreign, vec![text("b")]), "turn 2"),
        (
            NEW,
            conversation(vec![user("a"), assistant("b")]),
            "end with a user",
        ),
        (BUDGET, conversation(vec![misplaced]), "assistant's"),
    ] {
        assert_refused(model, &request, "messages", mend);
    }
}

#[test]
fn calls_and_results_that_do_not_belong_together() {
    let one = || vec![call("1", "{}")];
    let two = vec![call("1", "{}"), call("2", "{}")];
    let twins = vec![call("1", "{}"), call("1", "{}")];
    let open = conversation(vec![user("a"), turn(Role::Assistant, one())]);
    for (request, mend) in [
        (open, "\"1\" is not answered"),
        (looped(two, vec![done("1")]), "\"2\" is not answered"),
        (looped(vec![text("b")], vec![done("1")]), "right behind"),
        (looped(one(), vec![done("1"), done("1")]), "twice"),
        (looped(twins, vec![done("1")]), "unique"),
    ] {
        assert_refused(BUDGET, &request, "messages", mend);
    }
}

#[test]
fn calls_and_results_that_cannot_be_written() {
    let named = vec![Part::ToolCall(ToolCall {
        id: "1".into(),
        name: "a b".into(),
        arguments: "".into(),
        signature: None,
    })];
    let arguments = "messages.tool_calls.function.arguments";
    let nested = result("1", vec![done("2")]);
    for (calls, results, field, mend) in [
        (vec![call("1", "[]")], done("1"), arguments, "object"),
        (vec![call("1", "{")], done("1"), arguments, "object"),
        (vec![call("1", "{}x")], done("1"), arguments, "object"),
        (
            named,
            done("1"),
            "messages.tool_calls.function.name",
            "rename",
        ),
        (
            vec![call("1", "{}")],
            nested,
            "messages.content",
            "texts and media",
        ),
    ] {
        assert_refused(BUDGET, &looped(calls, vec![results]), field, mend);
    }
}

#[test]
fn media_that_claude_cannot_take() {
    let url = |url: &'static str| media(Source::Url(url.into()));
    let said = |part| conversation(vec![turn(Role::User, vec![part])]);
    for (part, mend) in [
        (base64("audio/wav", "aGk="), "transcript"),
        (base64("image/tiff", "aGk="), "convert"),
        (base64("text/plain", "/w=="), "text part"),
        (url("gs://bucket/a.png"), "send the data"),
        (url("/a.png"), "send the data"),
    ] {
        assert_refused(BUDGET, &said(part), "messages.content.file", mend);
    }
    let shown = looped(vec![base64("image/png", "aGk=")], vec![text("b")]);
    assert_refused(BUDGET, &shown, "messages.content.file", "user message");
}
