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
use harness::{Gateway, Upstream, config, cost_of, nano, of_kind, python};
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
fn the_official_client_lists_chats_and_streams() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);

    let [models, chat, stream, bare] = ask(
        &gateway,
        &key,
        ["models", "chat", "stream", "stream_without_usage"],
    );
    assert_eq!(
        models["listed"],
        json!([
            "breaking",
            "failing",
            "house/assistant",
            "mock",
            "overloaded",
            "rejecting"
        ])
    );
    let retrieved = models["retrieved"].as_array().unwrap();
    assert_eq!(
        retrieved
            .iter()
            .map(|model| &model["id"])
            .collect::<Vec<_>>(),
        models["listed"]
            .as_array()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
    );

    for reply in [&chat, &stream] {
        assert_eq!(
            (&reply["texts"], &reply["finish"]),
            (&json!([text()]), &json!(["stop"]))
        );
        assert_eq!(
            (
                &reply["usage"]["prompt_tokens"],
                &reply["usage"]["completion_tokens"]
            ),
            (&INPUT.into(), &OUTPUT.into())
        );
        let headers = &reply["headers"];
        assert_eq!(
            (
                &headers["x-lattice-provider"],
                &headers["x-lattice-model"],
                &headers["x-lattice-attempts"]
            ),
            (&"mock".into(), &"mock".into(), &"1".into())
        );
        assert!(
            headers["x-request-id"].is_string() && headers["x-lattice-overhead-us"].is_string(),
            "{headers}"
        );
    }
    let paid = cost(INPUT, OUTPUT);
    assert_eq!(
        nano(
            &chat["headers"]["x-lattice-cost-usd"]
                .as_str()
                .unwrap()
                .parse::<f64>()
                .unwrap()
                .into()
        ),
        paid
    );
    assert_eq!(
        (
            nano(&stream["usage"]["lattice_cost_usd"]),
            &stream["chunks_without_choices"]
        ),
        (paid, &json!(1))
    );
    assert_eq!(
        (
            &bare["texts"],
            &bare["usage"],
            &bare["chunks_without_choices"]
        ),
        (&json!([text()]), &Value::Null, &json!(0))
    );
    books_show(&gateway, "k", 3 * paid);

    let [choices, helper, concurrently] =
        ask(&gateway, &key, ["choices", "helper", "concurrently"]);
    for reply in [&choices["whole"], &choices["stream"]] {
        assert_eq!(
            (&reply["texts"], &reply["usage"]["completion_tokens"]),
            (&json!([text(), text()]), &(2 * OUTPUT).into())
        );
    }
    assert_eq!(
        (&helper["texts"], &helper["text_events"]),
        (&json!([text()]), &json!([text()]))
    );
    let concurrently = concurrently.as_array().unwrap();
    assert_eq!(concurrently.len(), 8);
    assert!(
        concurrently
            .iter()
            .all(|reply| reply["texts"] == json!([text()])),
        "{concurrently:?}"
    );
    books_show(
        &gateway,
        "k",
        3 * paid + 2 * cost(INPUT, 2 * OUTPUT) + 9 * paid,
    );

    let [tools] = ask(&gateway, &key, ["tools"]);
    assert_eq!(tools["texts"], json!([text()]));
    let sent: Value = serde_json::from_slice(&upstream.mock.last().unwrap().body).unwrap();
    assert_eq!(
        (
            &sent["tools"][0]["function"]["name"],
            &sent["tool_choice"],
            &sent["not_in_any_schema"]
        ),
        (&"weather".into(), &"auto".into(), &json!({"x": [1, null]}))
    );
    let billed = upstream.mock.billed();
    books_show(
        &gateway,
        "k",
        cost(billed.input_tokens, billed.output_tokens),
    );
}

#[test]
fn the_official_client_raises_what_its_users_catch() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = gateway.key("k", &BUDGET);
    let cases = [
        "unknown_key",
        "unknown_model",
        "unknown_model_retrieved",
        "malformed",
        "unpriced",
        "rejected",
        "overloaded",
    ];
    let expected = [
        ("AuthenticationError", 401, "identity", "identity_unknown"),
        (
            "NotFoundError",
            404,
            "authorization",
            "caller_unknown_model",
        ),
        (
            "NotFoundError",
            404,
            "authorization",
            "caller_unknown_model",
        ),
        ("BadRequestError", 400, "intake", "caller_malformed"),
        (
            "PermissionDeniedError",
            403,
            "constraints",
            "limit_unpriced",
        ),
        (
            "UnprocessableEntityError",
            422,
            "execution",
            "provider_rejected",
        ),
        (
            "InternalServerError",
            503,
            "execution",
            "provider_overloaded",
        ),
    ];
    let raised = ask(&gateway, &key, cases);
    for ((case, error), (class, status, gate, code)) in cases.iter().zip(&raised).zip(expected) {
        assert_eq!(
            (&error["class"], &error["status"]),
            (&class.into(), &status.into()),
            "{case}: {error}"
        );
        let mark = &error["lattice"];
        assert_eq!(
            (&mark["gate"], &mark["code"], &mark["request_id"]),
            (&gate.into(), &code.into(), &error["request_id"]),
            "{case}: {error}"
        );
        // A provider's own refusal keeps the provider's own words.
        let shown = if *case == "rejected" {
            ("invalid_request", "ordered fault")
        } else {
            (code, "")
        };
        assert_eq!(error["code"], shown.0, "{case}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(shown.1),
            "{case}: {error}"
        );
    }
    assert_eq!(
        (&raised[3]["param"], &raised[6]["retry_after"]),
        (&"n".into(), &"1".into())
    );
    books_show(&gateway, "k", 0);

    let poor = gateway.key("poor", &["--budget-usd", "0.00001", "--window", "total"]);
    let [spent] = ask(&gateway, &poor, ["spent"]);
    assert_eq!(
        (&spent["class"], &spent["status"], &spent["code"]),
        (
            &"APIStatusError".into(),
            &402.into(),
            &"limit_budget".into()
        ),
        "{spent}"
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
