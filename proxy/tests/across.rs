//! OpenAI's own client before Claude and Gemini: mocks that hold each request against the
//! types of the providers' own packages answer it with recorded bytes, and the client
//! cannot tell the difference.

mod harness;

use harness::across::{PROVIDER_KEY, World, add, ask, assert_answers, tokens, tools};
use harness::assert_shows;
use serde_json::{Value, json};

#[test]
fn text_comes_whole_and_streamed() {
    let Some(world) = World::start() else { return };
    const PELICAN: &str = "Two names for a pet pelican, be brief";
    const CAPITAL: &str = "What is the capital of France?";
    let system = |question: &str| json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]});
    let replies = world.ask([
        ask("whole", "haiku", "", system("what is 1+1?")),
        ask("stream", "haiku", PELICAN, Value::Null),
        ask("helper", "haiku", PELICAN, Value::Null),
        ask("stream", "haiku", PELICAN, json!({"stream_options": null})),
        ask("whole", "flash", "", system(CAPITAL)),
        ask(
            "stream",
            "flash",
            CAPITAL,
            json!({"temperature": 0, "top_p": 0.9}),
        ),
        ask("helper", "flash", CAPITAL, Value::Null),
        ask("stream", "flash", CAPITAL, json!({"stream_options": null})),
    ]);
    let [
        whole,
        stream,
        helper,
        bare,
        g_whole,
        g_stream,
        g_helper,
        g_bare,
    ] = &replies;
    let names = || json!({"text": "**Pete** and **Scoop**", "finish": "stop", "calls": [], "refusal": null});
    assert_answers(
        whole,
        &json!({"text": "2", "finish": "stop"}),
        &tokens(18, 5, 0),
    );
    for reply in [stream, helper] {
        assert_answers(reply, &names(), &tokens(17, 12, 0));
    }
    let paris = || json!({"text": "The capital of France is Paris.\n", "finish": "stop", "calls": [], "refusal": null});
    assert_answers(
        g_whole,
        &json!({"text": "The capital of France is Paris.", "finish": "stop"}),
        &tokens(15, 7, 0),
    );
    for reply in [g_stream, g_helper] {
        assert_answers(reply, &paris(), &tokens(7, 8, 0));
    }
    assert_shows(bare, &names());
    assert_shows(g_bare, &paris());
    for reply in [bare, g_bare] {
        assert_shows(reply, &json!({"usage": null, "usage_chunks": 0}));
    }
    for (reply, provider) in [(stream, "claude"), (g_stream, "gemini")] {
        assert_shows(reply, &json!({"usage_chunks": 1}));
        assert!(
            reply["pieces"].as_u64().unwrap() > 1,
            "not streamed: {reply}"
        );
        assert_shows(
            &reply["headers"],
            &json!({"x-lattice-provider": provider, "x-lattice-attempts": "1"}),
        );
    }
    for (reply, provider) in [(whole, "claude"), (g_whole, "gemini")] {
        assert_shows(
            &reply["headers"],
            &json!({"x-lattice-provider": provider, "content-type": "application/json"}),
        );
    }
    system_texts_have_arrived(&world);
    world.is_in_order(&[whole, stream, helper, g_whole, g_stream, g_helper]);
}

/// In each provider's own place, under the gateway's own credential.
fn system_texts_have_arrived(world: &World) {
    let sent = &world.received(&world.claude)[0];
    assert_eq!(
        (&sent["body"]["system"], &sent["headers"]["x-api-key"]),
        (&json!("Be brief."), &json!(PROVIDER_KEY))
    );
    let sent = &world.received(&world.gemini)[0];
    assert_eq!(
        sent["body"]["systemInstruction"]["parts"],
        json!([{"text": "Be brief."}])
    );
}

#[test]
fn tools_are_called_in_parallel() {
    let Some(world) = World::start() else { return };
    const QUESTION: &str = "Add and multiply the number 2 and 3";
    let with = |more: Value| {
        let mut tools = tools(&["add", "multiply"], &["a", "b"], "integer");
        add(&mut tools, more);
        tools
    };
    let auto = || with(json!({"tool_choice": "auto", "parallel_tool_calls": true}));
    let replies = world.ask([
        ask(
            "whole",
            "haiku",
            QUESTION,
            with(json!({"tool_choice": "required"})),
        ),
        ask("stream", "haiku", QUESTION, auto()),
        ask("helper", "haiku", QUESTION, auto()),
        ask(
            "whole",
            "flash",
            QUESTION,
            with(json!({"tool_choice": "required"})),
        ),
        ask("stream", "flash", QUESTION, auto()),
        ask("helper", "flash", QUESTION, auto()),
    ]);
    let calls = |add: &str, multiply: &str, text: Value| {
        let arguments = json!({"a": 2, "b": 3});
        let calls = json!([[add, "add", arguments], [multiply, "multiply", arguments]]);
        json!({"calls": calls, "finish": "tool_calls", "text": text})
    };
    let said = || json!("I'll add and multiply the numbers 2 and 3 for you.");
    let [whole, stream, helper, g_whole, g_stream, g_helper] = &replies;
    let whole_calls = calls(
        "toolu_01C8zwbdMHRJa85Fx2BCAFxN",
        "toolu_01GGZoPfd7CbDxTZbxZzjYGZ",
        said(),
    );
    assert_answers(whole, &whole_calls, &tokens(507, 137, 0));
    for reply in [stream, helper] {
        let calls = calls(
            "toolu_01UYxUYC2zRPY8wiutnF48eP",
            "toolu_01VaRx1jpWCvPhi7L4kywAcd",
            said(),
        );
        assert_answers(reply, &calls, &tokens(502, 137, 0));
    }
    assert_answers(
        g_whole,
        &calls("wxvlv0tv", "75p2opbh", Value::Null),
        &tokens(299, 527, 495),
    );
    for reply in [g_stream, g_helper] {
        assert_answers(
            reply,
            &calls("8hd01vsf", "k0srpqrc", json!("")),
            &tokens(157, 470, 438),
        );
    }
    for helper in [helper, g_helper] {
        assert_eq!(
            helper["parsed"],
            json!([{"a": 2, "b": 3}, {"a": 2, "b": 3}])
        );
    }
    let sent = world.received(&world.claude);
    let choices: Vec<_> = sent
        .iter()
        .map(|request| &request["body"]["tool_choice"]["type"])
        .collect();
    assert_eq!(choices, ["any", "auto", "auto"]);
    let sent = world.received(&world.gemini);
    let modes = sent
        .iter()
        .map(|request| &request["body"]["toolConfig"]["functionCallingConfig"]["mode"]);
    assert_eq!(modes.collect::<Vec<_>>(), ["ANY", "VALIDATED", "VALIDATED"]);
    world.is_in_order(&replies.each_ref());
}

/// How a client carries a conversation on: what it keeps of a reply (`None`: its own object
/// of the message), and whether it then comes with a key that was told nothing.
type Carried = (&'static str, Option<&'static [&'static str]>, bool);

/// Whoever keeps anything is not helped by what the gateway remembers, and whoever keeps
/// nothing is.
const CARRIED: [Carried; 6] = [
    ("whole", None, true),
    ("whole", Some(&["reasoning_details"]), true),
    ("whole", Some(&[]), false),
    ("stream", Some(&["reasoning_details"]), true),
    ("stream", Some(&[]), false),
    ("helper", None, true),
];

/// `ask`, and then again with the result of the one call.
fn round_trip((_, keep, other): Carried, ask: &Value, result: &str) -> Value {
    let mut ask = ask.clone();
    add(
        &mut ask,
        json!({"results": [result], "keep": keep, "other": other}),
    );
    ask
}

#[test]
fn claude_gets_its_thoughts_back_with_the_results_of_tools() {
    let Some(world) = World::start() else { return };
    let effort = json!({"reasoning_effort": "low", "max_tokens": 4096});
    let weather = || {
        let mut ask = tools(&["weather"], &["location"], "string");
        add(&mut ask, effort.clone());
        ask
    };
    let version = || {
        let mut ask = tools(&["fixed_version"], &[], "string");
        add(&mut ask, effort.clone());
        ask
    };
    const VERSION: &str = "Use the fixed_version tool. Then tell me the version and make one short joke about it. Think about it first.";
    let trips = CARRIED.map(|carried| {
        let ask = match carried.0 {
            "whole" => ask(
                "whole",
                "haiku",
                "What's the weather in Florence, Italy?",
                weather(),
            ),
            how => ask(how, "haiku", VERSION, version()),
        };
        round_trip(carried, &ask, "22")
    });
    let replies = world.ask(trips);
    let sent = world.received(&world.claude);
    for ((reply, sent), carried) in replies.iter().zip(sent.chunks(2)).zip(CARRIED) {
        println!("{carried:?}");
        let (first, second) = (&reply[0], &reply[1]);
        let call = &first["calls"][0];
        assert_shows(first, &json!({"finish": "tool_calls"}));
        assert_eq!(first["reasoning"], world.recorded(&sent[0], &["thinking"]));
        let signature = world.recorded(&sent[0], &["signature"]);
        assert!(signature.len() > 400, "{signature}");
        let thought =
            json!({"type": "thinking", "thinking": first["reasoning"], "signature": signature});
        let body = &sent[1]["body"];
        let [_, said, results] = &body["messages"].as_array().unwrap()[..] else {
            panic!("{body}");
        };
        let called = json!({"type": "tool_use", "id": call[0], "name": call[1], "input": call[2]});
        assert_eq!(said["content"], json!([thought, called]));
        let result = json!([{"type": "tool_result", "tool_use_id": call[0], "content": "22"}]);
        assert_eq!(results["content"], result);
        assert_eq!(
            body["thinking"],
            json!({"type": "enabled", "budget_tokens": 1024})
        );
        // It fits Anthropic's types; nobody has recorded what comes next.
        assert_shows(second, &json!({"class": "BadRequestError", "status": 400}));
        assert!(
            second["message"]
                .as_str()
                .unwrap()
                .starts_with("no recording answers this"),
            "{second}"
        );
    }
    world.is_in_order(&replies.each_ref().map(|reply| &reply[0]));
}

#[test]
fn gemini_gets_its_signatures_back_with_the_results_of_tools() {
    let Some(world) = World::start() else { return };
    let weather = |parameters: &[&str]| {
        let mut ask = tools(&["weather"], parameters, "string");
        add(&mut ask, json!({"reasoning_effort": "low"}));
        ask
    };
    let with_extra_content: [Carried; 2] = [
        ("whole", Some(&["extra_content"]), true),
        ("stream", Some(&["extra_content"]), true),
    ];
    let carried: Vec<Carried> = CARRIED.into_iter().chain(with_extra_content).collect();
    let carried: [Carried; 8] = carried.try_into().unwrap();
    let trips = carried.map(|carried| {
        let ask = match carried.0 {
            "whole" => ask(
                "whole",
                "gemini-3",
                "What's the weather in Berlin? (52.5200, 13.4050)",
                weather(&["latitude", "longitude"]),
            ),
            how => ask(
                how,
                "pro",
                "What's the weather in Florence, Italy?",
                weather(&["location"]),
            ),
        };
        round_trip(carried, &ask, "22")
    });
    let replies = world.ask(trips);
    let sent = world.received(&world.gemini);
    for ((reply, sent), carried) in replies.iter().zip(sent.chunks(2)).zip(carried) {
        println!("{carried:?}");
        let (first, second) = (&reply[0], &reply[1]);
        let call = &first["calls"][0];
        assert_shows(first, &json!({"finish": "tool_calls"}));
        assert_eq!(first["reasoning"], world.recorded(&sent[0], &["text"]));
        let signature = world.recorded(&sent[0], &["thoughtSignature"]);
        assert!(signature.len() > 400, "{signature}");
        let contents = &sent[1]["body"]["contents"];
        let [_, said, results] = &contents.as_array().unwrap()[..] else {
            panic!("{contents}");
        };
        let mut function = json!({"name": "weather", "args": call[2]});
        let mut result = json!({"name": "weather", "response": {"result": "22"}});
        if carried.0 == "whole" {
            // The id is Gemini's own; it has never seen those that the gateway makes.
            assert_eq!(call[0], "call_883098");
            add(&mut function, json!({"id": call[0]}));
            add(&mut result, json!({"id": call[0]}));
        }
        assert_eq!(
            said["parts"],
            json!([{"functionCall": function, "thoughtSignature": signature}])
        );
        assert_eq!(results["parts"], json!([{"functionResponse": result}]));
        let (text, usage) = match carried.0 {
            "whole" => (
                "The current weather in Berlin is 15°C with a wind speed of 10 km/h.",
                tokens(339, 74, 51),
            ),
            _ => (
                "The current weather in Florence, Italy is 40°C (104°F). Stay cool, it's quite hot!",
                tokens(189, 97, 68),
            ),
        };
        assert_answers(
            second,
            &json!({"text": text, "finish": "stop", "calls": []}),
            &usage,
        );
    }
    let all: Vec<&Value> = replies
        .iter()
        .flat_map(|pair| pair.as_array().unwrap())
        .collect();
    world.is_in_order(&all);
}

#[test]
fn what_one_key_was_told_no_other_gives_back() {
    let Some(world) = World::start() else { return };
    let mut more = tools(&["weather"], &["location"], "string");
    add(
        &mut more,
        json!({"reasoning_effort": "low", "max_tokens": 4096}),
    );
    let question = "What's the weather in Florence, Italy?";
    let stranger: Carried = ("", Some(&[]), true);
    let [claude, _] = world.ask([
        round_trip(
            stranger,
            &ask("whole", "haiku", question, more.clone()),
            "22",
        ),
        round_trip(stranger, &ask("stream", "pro", question, more), "22"),
    ]);
    // Claude must not think on when its thoughts are lost, and the caller is told.
    let noted = claude[1]["headers"]["x-lattice-noted"].as_str().unwrap();
    assert!(noted.contains("reasoning_effort"), "{noted}");
    let sent = &world.received(&world.claude)[1]["body"];
    assert!(!sent.to_string().contains("thinking"), "{sent}");
    let sent = &world.received(&world.gemini)[1]["body"];
    assert!(!sent.to_string().contains("thoughtSignature"), "{sent}");
}

/// Asks for an object of these members and their types.
fn schema(members: &[(&str, &str)]) -> Value {
    let properties: serde_json::Map<_, _> = members
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), json!({"type": kind})))
        .collect();
    let required: Vec<_> = members.iter().map(|(name, _)| name).collect();
    let schema = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    json!({"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": schema}}})
}

#[test]
fn answers_keep_to_a_json_schema() {
    let Some(world) = World::start() else { return };
    const SUM: &str = "Answer this question: What is 2 + 2?";
    let mut sum = schema(&[
        ("integer_a", "integer"),
        ("integer_b", "integer"),
        ("answer", "integer"),
    ]);
    add(
        &mut sum,
        json!({"reasoning_effort": "low", "max_tokens": 16000}),
    );
    let alice =
        "Generate information about a person named Alice who is 30 years old and lives in Paris.";
    let replies = world.ask([
        ask(
            "parse",
            "haiku",
            "Tell me a joke about OpenTelemetry and rate it from 1 to 10",
            json!({"answer": {"joke": "str", "rating": "int"}}),
        ),
        ask("stream", "haiku", SUM, sum.clone()),
        ask(
            "parse",
            "flash",
            "Tell me about Tokyo",
            json!({"answer": {"city": "str", "country": "str", "population": "int"}}),
        ),
        ask("stream", "flash", SUM, sum),
        ask(
            "stream",
            "flash",
            alice,
            schema(&[("name", "string"), ("age", "integer"), ("city", "string")]),
        ),
    ]);
    let [joke, claude_sum, tokyo, gemini_sum, alice] = &replies;
    let told = "Why did the developer break up with OpenTelemetry? Because they had too many traces of their ex in the logs!";
    assert_answers(
        joke,
        &json!({"parsed": {"joke": told, "rating": 7}, "finish": "stop"}),
        &tokens(222, 39, 0),
    );
    let city = json!({"city": "Tokyo", "country": "Japan", "population": 13_960_000});
    assert_answers(
        tokyo,
        &json!({"parsed": city, "finish": "stop"}),
        &tokens(30, 33, 0),
    );
    let finish = json!({"finish": "stop"});
    for (reply, text, usage) in [
        (
            claude_sum,
            json!({"integer_a": 2, "integer_b": 2, "answer": 4}),
            tokens(293, 146, 0),
        ),
        (
            gemini_sum,
            json!({"integer_a": 2, "integer_b": 2, "answer": 4}),
            tokens(13, 338, 308),
        ),
        (
            alice,
            json!({"age": 30, "city": "Paris", "name": "Alice"}),
            tokens(20, 302, 288),
        ),
    ] {
        assert_answers(reply, &finish.clone(), &usage);
        let said: Value = serde_json::from_str(reply["text"].as_str().unwrap()).unwrap();
        assert_eq!(said, text);
    }
    schemas_have_arrived(&world);
    world.is_in_order(&replies.each_ref());
}

fn schemas_have_arrived(world: &World) {
    let sent = world.received(&world.claude);
    let format = &sent[0]["body"]["output_config"]["format"];
    assert_shows(
        &format["schema"],
        &json!({"required": ["joke", "rating"], "additionalProperties": false}),
    );
    let sent = world.received(&world.gemini);
    let config = &sent[0]["body"]["generationConfig"];
    assert_shows(config, &json!({"responseMimeType": "application/json"}));
    assert_eq!(
        config["responseJsonSchema"]["required"],
        json!(["city", "country", "population"])
    );
}

/// A square of one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";

#[test]
fn images_files_and_sound_are_carried() {
    let Some(world) = World::start() else { return };
    let part = |question: &str, part: Value| json!([{"type": "text", "text": question}, part]);
    let image = || json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}});
    let document = json!({"type": "file", "file": {"filename": "facts.txt", "file_data": "data:text/plain;base64,TWF0eiBtYWRlIGl0Lg=="}});
    let sound =
        json!({"type": "input_audio", "input_audio": {"data": "c291bmQ=", "format": "mp3"}});
    let replies = world.ask([
        ask(
            "stream",
            "haiku",
            part("Describe image in three words", image()),
            Value::Null,
        ),
        ask(
            "stream",
            "haiku",
            part("Who created Ruby? Use the document.", document),
            Value::Null,
        ),
        ask(
            "whole",
            "flash",
            part("What is the weather like in Boston?", image()),
            tools(&["get_current_weather"], &["location"], "string"),
        ),
        ask(
            "whole",
            "flash",
            part("Repeat exactly what you hear:", sound),
            Value::Null,
        ),
    ]);
    let [seen, read, weather, heard] = &replies;
    assert_answers(
        seen,
        &json!({"text": "Red square, green square.", "finish": "stop"}),
        &tokens(83, 9, 0),
    );
    let ruby = "The Ruby programming language was created by Yukihiro Matsumoto in 1993.";
    assert_answers(
        read,
        &json!({"text": ruby, "finish": "stop"}),
        &tokens(672, 39, 0),
    );
    assert_answers(weather, &json!({"finish": "tool_calls"}), &tokens(25, 7, 0));
    assert_eq!(weather["calls"][0][2], json!({"location": "Boston"}));
    assert_answers(
        heard,
        &json!({"text": "LLM abstractions that aren't abstractions"}),
        &tokens(91, 362, 354),
    );

    let sent = world.received(&world.claude);
    let part =
        |request: usize| sent[request]["body"]["messages"][0]["content"][1]["source"].clone();
    assert_eq!(
        part(0),
        json!({"type": "base64", "media_type": "image/png", "data": PNG})
    );
    assert_eq!(
        part(1),
        json!({"type": "text", "media_type": "text/plain", "data": "Matz made it."})
    );
    let sent = world.received(&world.gemini);
    let part =
        |request: usize| sent[request]["body"]["contents"][0]["parts"][1]["inlineData"].clone();
    assert_eq!(part(0), json!({"mimeType": "image/png", "data": PNG}));
    assert_eq!(
        part(1),
        json!({"mimeType": "audio/mpeg", "data": "c291bmQ="})
    );
    world.is_in_order(&replies.each_ref());
}

#[test]
fn effort_becomes_thought_that_the_client_sees() {
    let Some(world) = World::start() else { return };
    let effort = |effort: &str| json!({"reasoning_effort": effort, "max_tokens": 8192});
    const SUM: &str = "What is 4200 + 42?";
    let farmer = "A farmer has chickens and rabbits, 35 heads and 94 legs. How many of each? Reason step by step.";
    let strawberry = "How many times does the letter 'r' appear in the word strawberry?";
    let replies = world.ask([
        ask(
            "stream",
            "opus",
            "Two names for a pet pelican, be brief",
            effort("medium"),
        ),
        ask("helper", "haiku", strawberry, effort("low")),
        ask("whole", "sonnet", farmer, effort("high")),
        ask("whole", "flash", SUM, effort("low")),
        ask("whole", "flash", SUM, effort("none")),
    ]);
    let usages = [
        tokens(34, 44, 0),
        tokens(52, 216, 0),
        tokens(44, 626, 170),
        tokens(13, 107, 75),
        tokens(13, 34, 0),
    ];
    for (reply, usage) in replies.iter().zip(&usages) {
        assert_answers(reply, &json!({"finish": "stop"}), usage);
    }
    let sent = world.received(&world.claude);
    let told = [
        (json!({"type": "adaptive"}), json!({"effort": "medium"})),
        (
            json!({"type": "enabled", "budget_tokens": 1024}),
            Value::Null,
        ),
        (json!({"type": "adaptive"}), json!({"effort": "high"})),
    ];
    for ((reply, sent), (thinking, config)) in replies.iter().zip(&sent).zip(told) {
        assert_eq!(
            (&sent["body"]["thinking"], &sent["body"]["output_config"]),
            (&thinking, &config)
        );
        assert_eq!(reply["reasoning"], world.recorded(sent, &["thinking"]));
        assert_eq!(reply["text"], world.recorded(sent, &["text"]));
    }
    let sent = world.received(&world.gemini);
    let told = [
        json!({"thinkingBudget": 1024, "includeThoughts": true}),
        json!({"thinkingBudget": 0}),
    ];
    for ((reply, sent), thinking) in replies[3..].iter().zip(&sent).zip(told) {
        assert_eq!(sent["body"]["generationConfig"]["thinkingConfig"], thinking);
        assert_eq!(reply["text"], world.recorded(sent, &["text"]));
    }
    world.is_in_order(&replies.each_ref());
}
