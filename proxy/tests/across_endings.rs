//! How replies of Claude and Gemini end for OpenAI's own client: in good order, with an
//! error, in the middle, or before the provider is asked at all.

mod harness;

use std::collections::BTreeSet;

use harness::across::{World, ask, assert_answers, tokens};
use harness::{assert_shows, cost_of, of_kind};
use serde_json::{Value, json};

#[test]
fn every_ending_has_its_reason() {
    let Some(world) = World::start() else { return };
    let most = |tokens: u32| json!({"max_tokens": tokens});
    let paris = "What is the capital of France? Give me an answer that contains the word \"Paris\", but is not the first word.";
    let replies = world.ask([
        ask(
            "whole",
            "haiku",
            "What does Nietzsche mean by 'God is dead'?",
            most(15),
        ),
        ask(
            "stream",
            "haiku",
            "What is a system",
            json!({"max_completion_tokens": 100}),
        ),
        ask("whole", "haiku", paris, json!({"stop": "Paris"})),
        ask("stream", "haiku", "mock: refusal", Value::Null),
        ask("whole", "flash", "List all U.S. states.", most(50)),
        ask("whole", "flash", paris, json!({"stop": ["Paris"]})),
        ask(
            "whole",
            "flash",
            "Tell me a joke about a Brazilians.",
            Value::Null,
        ),
    ]);
    let ends = |finish: &str| json!({"finish": finish, "calls": [], "refusal": null});
    let [.., blocked] = &replies;
    for (reply, (finish, usage)) in replies.iter().zip([
        ("length", tokens(22, 15, 0)),
        ("length", tokens(1042, 100, 0)),
        ("stop", tokens(32, 5, 0)),
        ("content_filter", tokens(18, 5, 0)),
        ("length", tokens(9, 48, 38)),
        ("stop", tokens(25, 8, 0)),
        ("content_filter", tokens(14, 0, 0)),
    ]) {
        assert_answers(reply, &ends(finish), &usage);
    }
    assert_eq!(blocked["text"], "");
    assert_eq!(
        replies[1]["usage"]["prompt_tokens_details"]["cached_tokens"],
        1031
    );
    let sent = world.received(&world.claude);
    let caps = sent
        .iter()
        .map(|request| request["body"]["max_tokens"].as_u64().unwrap());
    assert_eq!(caps.take(2).collect::<Vec<_>>(), [15, 100]);
    assert_eq!(sent[2]["body"]["stop_sequences"], json!(["Paris"]));
    let sent = world.received(&world.gemini);
    assert_eq!(sent[0]["body"]["generationConfig"]["maxOutputTokens"], 50);
    assert_eq!(
        sent[1]["body"]["generationConfig"]["stopSequences"],
        json!(["Paris"])
    );
    world.is_in_order(&replies.each_ref());
}

/// What is asked of whom, what the client raises, and what it is told.
type Raised = (
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const RAISED: [Raised; 10] = [
    (
        "haiku",
        "who are you?",
        "NotFoundError",
        404,
        "provider_rejected",
        "model: there-is-no-such-model",
        None,
    ),
    (
        "haiku",
        "What is 2+2?",
        "BadRequestError",
        400,
        "provider_rejected",
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
        None,
    ),
    (
        "flash",
        "hello",
        "NotFoundError",
        404,
        "provider_rejected",
        "models/gemini-3.6-flahs is not found for API version v1beta, or is not supported for generateContent. Call ModelService.ListModels to see the list of available models and their supported methods.",
        None,
    ),
    (
        "flash",
        "nobody asked this",
        "BadRequestError",
        400,
        "provider_rejected",
        "no recording answers this: text 'nobody asked this'",
        None,
    ),
    (
        "haiku",
        "mock: rate limit",
        "InternalServerError",
        503,
        "provider_overloaded",
        "Provider \"claude\" is overloaded or limits its rate (429); try again later.",
        Some("7"),
    ),
    (
        "haiku",
        "mock: overloaded",
        "InternalServerError",
        503,
        "provider_overloaded",
        "Provider \"claude\" is overloaded or limits its rate (529); try again later.",
        None,
    ),
    (
        "flash",
        "mock: rate limit",
        "InternalServerError",
        503,
        "provider_overloaded",
        "Provider \"gemini\" is overloaded or limits its rate (429); try again later.",
        Some("35"),
    ),
    (
        "flash",
        "mock: overloaded",
        "InternalServerError",
        503,
        "provider_overloaded",
        "Provider \"gemini\" is overloaded or limits its rate (503); try again later.",
        None,
    ),
    (
        "locked-claude",
        "what is 1+1?",
        "InternalServerError",
        502,
        "provider_error",
        "Provider \"locked_claude\" refused the gateway's credential (401); whoever administers the gateway must mend its api_key.",
        None,
    ),
    (
        "locked-gemini",
        "hello",
        "InternalServerError",
        502,
        "provider_error",
        "Provider \"locked_gemini\" refused the gateway's credential (400); whoever administers the gateway must mend its api_key.",
        None,
    ),
];

#[test]
fn errors_of_providers_are_raised_as_openais_are() {
    let Some(world) = World::start() else { return };
    let replies =
        world.ask(RAISED.map(|(model, question, ..)| ask("whole", model, question, Value::Null)));
    for (reply, (_, _, class, status, code, message, retry_after)) in replies.iter().zip(RAISED) {
        let expected = json!({"class": class, "status": status, "message": message, "retry_after": retry_after});
        assert_shows(reply, &expected);
        let lattice = json!({"gate": "execution", "code": code, "request_id": reply["headers"]["x-request-id"]});
        assert_eq!(reply["lattice"], lattice);
    }
    world.is_in_order(&[]);
    assert_eq!(cost_of(of_kind(&world.gateway.leaves(), "outcome")), 0);
}

#[test]
fn a_stream_that_breaks_off_never_looks_whole() {
    let Some(world) = World::start() else { return };
    let cases = [
        ("haiku", "mock: break off", "Overloaded"),
        (
            "flash",
            "mock: break off",
            "The model is overloaded. Please try again later.",
        ),
        (
            "haiku",
            "mock: cut",
            "Provider \"claude\" broke the stream off",
        ),
        (
            "flash",
            "mock: cut",
            "Provider \"gemini\" broke the stream off",
        ),
    ];
    let replies =
        world.ask(cases.map(|(model, question, _)| ask("stream", model, question, Value::Null)));
    for (reply, (model, question, words)) in replies.iter().zip(cases) {
        assert_shows(
            reply,
            &json!({"class": "APIError", "code": "provider_error"}),
        );
        assert!(
            reply["message"].as_str().unwrap().contains(words),
            "{reply}"
        );
        assert!(
            (model, question) == ("flash", "mock: cut") || !reply["before"].is_null(),
            "{reply}"
        );
        let raw = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": question}]});
        let raw = world.gateway.chat(&world.key, &raw.to_string());
        assert_eq!(
            (raw.status, raw.body.contains("[DONE]")),
            (200, false),
            "{raw:?}"
        );
        assert!(!raw.body.contains("finish_reason\":\""), "{raw:?}");
    }
    let leaves = world.gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    let endings: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome["ending"].as_str().unwrap())
        .collect();
    assert_eq!(
        endings,
        [
            "failed", "failed", "cut", "cut", "failed", "failed", "cut", "cut"
        ]
    );
    // What they have used nobody told, so the most that it can have been is charged.
    assert!(
        outcomes.iter().all(|outcome| outcome["estimated"] == true),
        "{outcomes:?}"
    );
    world.is_in_order(&[]);
}

/// Model, the field that it cannot be given, and a request that has it.
fn beyond() -> [(&'static str, &'static str, Value); 14] {
    let sound =
        json!([{"type": "input_audio", "input_audio": {"data": "c291bmQ=", "format": "wav"}}]);
    let elsewhere =
        json!([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]);
    [
        ("haiku", "n", json!({"n": 2})),
        (
            "haiku",
            "logit_bias",
            json!({"logit_bias": {"50256": -100}}),
        ),
        ("haiku", "logprobs", json!({"logprobs": true})),
        (
            "haiku",
            "modalities",
            json!({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
        ),
        (
            "haiku",
            "presence_penalty",
            json!({"presence_penalty": 0.5}),
        ),
        (
            "haiku",
            "response_format",
            json!({"response_format": {"type": "json_object"}}),
        ),
        ("haiku", "temperature", json!({"temperature": 1.5})),
        (
            "haiku",
            "messages.content.input_audio",
            json!({"messages": [{"role": "user", "content": sound}]}),
        ),
        (
            "flash",
            "logit_bias",
            json!({"logit_bias": {"50256": -100}}),
        ),
        ("flash", "top_logprobs", json!({"top_logprobs": 2})),
        (
            "flash",
            "web_search_options",
            json!({"web_search_options": {}}),
        ),
        (
            "flash",
            "audio",
            json!({"audio": {"voice": "alloy", "format": "wav"}}),
        ),
        (
            "flash",
            "messages.content.image_url",
            json!({"messages": [{"role": "user", "content": elsewhere}]}),
        ),
        (
            "flash",
            "not_in_any_schema",
            json!({"extra_body": {"not_in_any_schema": 1}}),
        ),
    ]
}

#[test]
fn what_a_provider_cannot_be_given_is_refused_by_its_field() {
    let Some(world) = World::start() else { return };
    let cases = beyond();
    let replies = world.ask(
        cases
            .clone()
            .map(|(model, _, more)| ask("whole", model, "hello", more)),
    );
    for (reply, (_, field, _)) in replies.iter().zip(&cases) {
        assert_shows(
            reply,
            &json!({"class": "BadRequestError", "status": 400, "code": "caller_unsupported", "param": field}),
        );
        assert_eq!(reply["lattice"]["code"], "caller_unsupported");
    }
    assert_eq!(
        (
            world.received(&world.claude).len(),
            world.received(&world.gemini).len()
        ),
        (0, 0)
    );
    world.is_in_order(&[]);
    assert_eq!(cost_of(of_kind(&world.gateway.leaves(), "outcome")), 0);
}

#[test]
fn hints_that_are_dropped_are_named() {
    let Some(world) = World::start() else { return };
    let hints = json!({
        "seed": 7, "metadata": {"trip": "1"}, "store": false, "service_tier": "auto", "verbosity": "low",
        "prompt_cache_key": "k", "user": "ada", "max_tokens": 100, "n": 1, "temperature": 1,
    });
    let [claude, gemini] = world.ask([
        ask("whole", "haiku", "what is 1+1?", hints.clone()),
        ask("whole", "flash", "What is the capital of France?", hints),
    ]);
    let noted = |reply: &Value| -> BTreeSet<String> {
        let noted = reply["headers"]["x-lattice-noted"].as_str().unwrap();
        noted.split(", ").map(str::to_owned).collect()
    };
    let dropped = [
        "metadata",
        "store",
        "service_tier",
        "verbosity",
        "prompt_cache_key",
    ];
    let with = |name: &str| {
        dropped
            .into_iter()
            .chain([name])
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(noted(&claude), with("seed"));
    assert_eq!(noted(&gemini), with("user"));
    let sent = world.received(&world.claude);
    assert_eq!(sent[0]["body"]["metadata"], json!({"user_id": "ada"}));
    let sent = world.received(&world.gemini);
    assert_eq!(sent[0]["body"]["generationConfig"]["seed"], 7);
    world.is_in_order(&[&claude, &gemini]);
}
