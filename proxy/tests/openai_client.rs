//! OpenAI's own clients before the mock: they cannot tell the gateway from the
//! provider, and the books have every request to the nano-USD.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs,
};
use futures::StreamExt as _;
use harness::{Gateway, Upstream, assert_shows, config, cost_of, nano, of_kind, python};
use lattice_loadtest::mock::passage;
use serde_json::{Value, json};

/// Words of the client's two messages, as the mock counts tokens.
const INPUT: u64 = 8;
/// Content chunks of the mock, a token each.
const OUTPUT: u64 = 8;

/// 1 and 2 USD per million tokens.
fn cost(input: u64, output: u64) -> i64 {
    i64::try_from(input * 1000 + output * 2000).unwrap()
}

fn gateway(upstream: &Upstream) -> Gateway {
    let models = [
        ("mock", "mock"),
        ("house/assistant", "mock"),
        ("rejecting", "mock?fault=status:422"),
        ("overloaded", "mock?fault=status:429"),
        ("breaking", "mock?fault=reset_after:5"),
        ("failing", "mock?fault=error_event_after:3"),
    ];
    let models = models.map(|(name, target)| {
        format!("  - name: {name}\n    targets: [ {{ provider: mock, model: '{target}', price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ]\n")
    });
    Gateway::start(&config(upstream, &format!("models:\n{}", models.concat())))
}

/// Runs the client for these cases and returns what each saw.
fn ask<const N: usize>(gateway: &Gateway, key: &str, cases: [&str; N]) -> [Value; N] {
    let mut client = python::script("openai_client.py");
    client
        .args(cases)
        .env("GATEWAY", gateway.url("/v1"))
        .env("KEY", key);
    python::lines_of(&mut client).try_into().unwrap()
}

fn text() -> Value {
    passage(0, 128).into()
}

/// The key's one budget and its outcomes show this cost, and nothing is held.
fn books_show(gateway: &Gateway, name: &str, expected: i64) {
    let leaves = gateway.leaves();
    let intents = of_kind(&leaves, "intent");
    let own = |outcome: &&Value| {
        intents.iter().any(|intent| {
            intent["request_id"] == outcome["request_id"] && intent["key"]["name"] == name
        })
    };
    let outcomes: Vec<&Value> = of_kind(&leaves, "outcome")
        .into_iter()
        .filter(own)
        .collect();
    assert_eq!(cost_of(outcomes), expected, "audit");
    let budgets = gateway.budgets();
    let budget = budgets
        .iter()
        .find(|budget| budget["scope"]["key"] == name)
        .unwrap();
    assert_eq!(
        (nano(&budget["spent_usd"]), nano(&budget["reserved_usd"])),
        (expected, 0),
        "{budget}"
    );
}

const BUDGET: [&str; 4] = ["--budget-usd", "1", "--window", "total"];

#[test]
fn the_official_client_lists_and_retrieves_models() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &["--models", "mock,house/assistant"]);
    let [models] = ask(&gateway, &key, ["models"]);
    assert_eq!(models["listed"], json!(["house/assistant", "mock"]));
    for (model, name) in models["retrieved"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["house/assistant", "mock"])
    {
        assert_shows(
            model,
            &json!({"id": name, "object": "model", "owned_by": "lattice"}),
        );
    }
}

#[test]
fn the_official_client_chats_and_streams() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let [chat, stream, bare] = ask(&gateway, &key, ["chat", "stream", "stream_without_usage"]);
    for reply in [&chat, &stream, &bare] {
        assert_shows(reply, &json!({"texts": [text()], "finish": ["stop"]}));
    }
    for reply in [&chat, &stream] {
        assert_shows(
            &reply["usage"],
            &json!({"prompt_tokens": INPUT, "completion_tokens": OUTPUT}),
        );
        let headers = &reply["headers"];
        let expected = json!({"x-lattice-provider": "mock", "x-lattice-model": "mock", "x-lattice-attempts": "1"});
        assert_shows(headers, &expected);
        for name in ["x-request-id", "x-lattice-overhead-us"] {
            assert!(headers[name].is_string(), "{name}: {headers}");
        }
    }
    let paid = cost(INPUT, OUTPUT);
    let header: Value =
        serde_json::from_str(chat["headers"]["x-lattice-cost-usd"].as_str().unwrap()).unwrap();
    assert_eq!(
        [nano(&header), nano(&stream["usage"]["lattice_cost_usd"])],
        [paid, paid]
    );
    assert_shows(&stream, &json!({"chunks_without_choices": 1}));
    assert_shows(&bare, &json!({"chunks_without_choices": 0, "usage": null}));
    books_show(&gateway, "k", 3 * paid);
}

#[test]
fn the_official_client_takes_several_choices_and_asks_at_once() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let [choices, helper, concurrently] =
        ask(&gateway, &key, ["choices", "helper", "concurrently"]);
    for reply in [&choices["whole"], &choices["stream"]] {
        assert_shows(
            reply,
            &json!({"texts": [text(), text()], "finish": ["stop", "stop"]}),
        );
        assert_eq!(reply["usage"]["completion_tokens"], 2 * OUTPUT);
    }
    assert_shows(
        &helper,
        &json!({"texts": [text()], "text_events": [text()]}),
    );
    let concurrently = concurrently.as_array().unwrap();
    assert_eq!(concurrently.len(), 8);
    for reply in concurrently {
        assert_shows(reply, &json!({"texts": [text()]}));
    }
    books_show(
        &gateway,
        "k",
        2 * cost(INPUT, 2 * OUTPUT) + 9 * cost(INPUT, OUTPUT),
    );
    let billed = upstream.mock.billed();
    books_show(
        &gateway,
        "k",
        cost(billed.input_tokens, billed.output_tokens),
    );
}

#[test]
fn tools_and_fields_that_are_unknown_here_reach_the_provider() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let [tools] = ask(&gateway, &key, ["tools"]);
    assert_shows(&tools, &json!({"texts": [text()]}));
    let sent: Value = serde_json::from_slice(&upstream.mock.last().unwrap().body).unwrap();
    assert_shows(
        &sent,
        &json!({"tool_choice": "auto", "not_in_any_schema": {"x": [1, null]}}),
    );
    assert_eq!(sent["tools"][0]["function"]["name"], "weather");
    books_show(&gateway, "k", cost(INPUT, OUTPUT));
}

/// What the client raises, with which status, and what the gateway says of it.
type Raised = (&'static str, &'static str, u16, &'static str, &'static str);

const RAISED: [Raised; 7] = [
    (
        "unknown_key",
        "AuthenticationError",
        401,
        "identity",
        "identity_unknown",
    ),
    (
        "unknown_model",
        "NotFoundError",
        404,
        "authorization",
        "caller_unknown_model",
    ),
    (
        "unknown_model_retrieved",
        "NotFoundError",
        404,
        "authorization",
        "caller_unknown_model",
    ),
    (
        "malformed",
        "BadRequestError",
        400,
        "intake",
        "caller_malformed",
    ),
    (
        "unpriced",
        "PermissionDeniedError",
        403,
        "constraints",
        "limit_unpriced",
    ),
    (
        "rejected",
        "UnprocessableEntityError",
        422,
        "execution",
        "provider_rejected",
    ),
    (
        "overloaded",
        "InternalServerError",
        503,
        "execution",
        "provider_overloaded",
    ),
];

#[test]
fn the_official_client_raises_what_its_users_catch() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let raised = ask(&gateway, &key, RAISED.map(|(case, ..)| case));
    for (error, (case, class, status, gate, code)) in raised.iter().zip(RAISED) {
        // A provider's own refusal keeps the provider's own words.
        let shown = if case == "rejected" {
            "invalid_request"
        } else {
            code
        };
        assert_shows(
            error,
            &json!({"class": class, "status": status, "code": shown}),
        );
        assert_shows(
            &error["lattice"],
            &json!({"gate": gate, "code": code, "request_id": error["request_id"]}),
        );
    }
    let [.., malformed, _, rejected, overloaded] = &raised;
    assert_shows(malformed, &json!({"param": "n"}));
    assert_shows(rejected, &json!({"message": "ordered fault"}));
    assert_shows(overloaded, &json!({"retry_after": "1"}));
    books_show(&gateway, "k", 0);

    let poor = gateway.key("poor", &["--budget-usd", "0.00001", "--window", "total"]);
    let [spent] = ask(&gateway, &poor, ["spent"]);
    assert_shows(
        &spent,
        &json!({"class": "APIStatusError", "status": 402, "code": "limit_budget"}),
    );
}

#[test]
fn the_official_client_raises_where_a_stream_breaks_off() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let [broken, failed] = ask(&gateway, &key, ["broken_off", "failing"]);
    assert_eq!(
        (&broken["class"], &broken["code"]),
        (&"APIError".into(), &"provider_error".into()),
        "{broken}"
    );
    assert_eq!(
        (&failed["class"], &failed["code"]),
        (&"APIError".into(), &"server_error".into()),
        "{failed}"
    );
    let leaves = gateway.leaves();
    let reserved = of_kind(&leaves, "intent")
        .iter()
        .map(|intent| intent["reserved_nano_usd"].as_i64().unwrap())
        .sum();
    let endings = of_kind(&leaves, "outcome")
        .into_iter()
        .map(|outcome| (&outcome["ending"], &outcome["estimated"]));
    assert_eq!(
        endings.collect::<Vec<_>>(),
        [
            (&json!("cut"), &json!(true)),
            (&json!("failed"), &json!(true))
        ]
    );
    books_show(&gateway, "k", reserved);
}

#[test]
fn async_openai_streams() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (text, is_finished) = runtime.block_on(stream_once(&gateway, key));
    assert_eq!((text, is_finished), (passage(0, 128), true));
    books_show(&gateway, "k", cost(6, OUTPUT));
}

async fn stream_once(gateway: &Gateway, key: String) -> (String, bool) {
    let client = Client::with_config(
        OpenAIConfig::new()
            .with_api_base(gateway.url("/v1"))
            .with_api_key(key),
    );
    let request = CreateChatCompletionRequestArgs::default()
        .model("mock")
        .messages([ChatCompletionRequestUserMessage::from("What is the capital of France?").into()])
        .build()
        .unwrap();
    let mut chunks = client.chat().create_stream(request).await.unwrap();
    let (mut text, mut finish) = (String::new(), None);
    while let Some(chunk) = chunks.next().await {
        for choice in chunk.unwrap().choices {
            text.push_str(choice.delta.content.as_deref().unwrap_or_default());
            finish = choice.finish_reason.or(finish);
        }
    }
    (text, finish.is_some())
}
