//! A request that goes out in OpenAI's shape and is read again is the same.

use lattice_dialects::canonical::{
    Effort, Format, Media, Request, Role, Schema, Source, Target, Text, Tool, ToolCall, ToolChoice,
    ToolResult, Turn,
};
use lattice_dialects::canonical::{Maker, Part, Reasoning};
use lattice_dialects::openai::chat::{ChatRequest, Server, encode};
use lattice_dialects::openai::responses::ResponsesRequest;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Number;

use super::{Asking, api, raw, read};

fn said() -> impl Strategy<Value = Part<'static>> {
    ".{0,12}".prop_map(|text| {
        Part::Text(Text {
            text: text.into(),
            cache: None,
        })
    })
}

fn shown() -> impl Strategy<Value = Part<'static>> {
    let inline = |media_type: &'static str| Source::Base64 {
        media_type: media_type.into(),
        data: "aGk=".into(),
    };
    let image = "messages.content.image_url";
    let kinds = prop_oneof![
        Just((inline("image/png"), image, None)),
        Just((Source::Url("https://a.example/\"b\"".into()), image, None)),
        Just((inline("audio/wav"), "messages.content.input_audio", None)),
        Just((inline("audio/mpeg"), "messages.content.input_audio", None)),
        Just((
            inline("application/pdf"),
            "messages.content.file",
            Some("é.pdf".into())
        )),
    ];
    kinds.prop_map(|(source, field, name)| {
        Part::Media(Media {
            source,
            field,
            name,
            cache: None,
        })
    })
}

/// What a user says, what the model answers, and what came of its calls: each part
/// of a conversation, in the order that readers give it.
fn exchange() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let user = vec(prop_oneof![said(), shown()], 1..3);
    let system = vec(said(), 0..2);
    let calls = vec(
        (
            "[ -~]{1,70}",
            r#"\{"[a-z]{1,5}":[0-9]\}"#,
            vec(said(), 1..3),
        ),
        0..3,
    );
    (user, system, vec(said(), 0..3), calls, any::<usize>()).prop_map(
        |(user, system, texts, calls, salt)| {
            let mut turns = vec![Turn {
                role: Role::User,
                parts: user,
            }];
            let mut parts = texts;
            let mut results = Vec::new();
            for (index, (id, arguments, content)) in calls.into_iter().enumerate() {
                // Whatever it is, an id is used once.
                let id = format!("{id}{salt}.{index}");
                parts.push(Part::ToolCall(ToolCall {
                    id: id.clone().into(),
                    name: "look".into(),
                    arguments: arguments.into(),
                    signature: None,
                }));
                results.push(Part::ToolResult(ToolResult {
                    id: id.into(),
                    content,
                    is_error: false,
                }));
            }
            let mut push = |role, parts: Vec<Part<'static>>| {
                if !parts.is_empty() {
                    turns.push(Turn { role, parts });
                }
            };
            push(Role::Assistant, parts);
            push(Role::User, results);
            push(Role::System, system);
            turns
        },
    )
}

/// Neighbours of one role are one turn, with its results in front.
fn joined(turns: Vec<Turn<'static>>) -> Vec<Turn<'static>> {
    let mut joined: Vec<Turn<'static>> = Vec::new();
    for turn in turns {
        match joined.last_mut() {
            Some(last) if last.role == turn.role => last.parts.extend(turn.parts),
            _ => joined.push(turn),
        }
    }
    for turn in &mut joined {
        turn.parts
            .sort_by_key(|part| turn.role == Role::User && !matches!(part, Part::ToolResult(_)));
    }
    joined
}

fn tools() -> impl Strategy<
    Value = (
        Vec<Tool<'static>>,
        Option<ToolChoice<'static>>,
        Option<bool>,
    ),
> {
    let schema = Just(raw(r#"{ "type":"object", "x":[1.50]}"#));
    let tool = (of(".{0,8}"), of(any::<bool>()), schema);
    let choice = of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Named("t0".into())),
        any::<bool>().prop_map(|required| ToolChoice::Allowed {
            required,
            names: vec!["t0".into()],
        }),
    ]);
    (vec(tool, 0..3), choice, of(any::<bool>())).prop_map(|(tools, choice, parallel)| {
        let tools: Vec<Tool<'static>> = tools
            .into_iter()
            .enumerate()
            .map(|(index, (description, strict, schema))| Tool {
                name: format!("t{index}").into(),
                description: description.map(Into::into),
                parameters: Some(schema),
                strict,
                cache: None,
            })
            .collect();
        if tools.is_empty() {
            (tools, None, None)
        } else {
            (tools, choice, parallel)
        }
    })
}

fn format() -> impl Strategy<Value = Format<'static>> {
    prop_oneof![
        Just(Format::Text),
        Just(Format::JsonObject),
        of(any::<bool>()).prop_map(|strict| Format::JsonSchema(Schema {
            name: "answer".into(),
            schema: raw(r#"{"type" : "object"}"#),
            strict,
        })),
    ]
}

fn effort() -> impl Strategy<Value = Effort> {
    use Effort::{ExtraHigh, High, Low, Max, Medium, Minimal, None};
    proptest::sample::select(vec![None, Minimal, Low, Medium, High, ExtraHigh, Max])
}

fn number() -> impl Strategy<Value = Number> {
    "[01]\\.[0-9]{1,3}".prop_map(|text| serde_json::from_str(&text).unwrap())
}

fn requests() -> impl Strategy<Value = Asking> {
    let system = vec(".{0,8}", 0..3);
    let numbers = (of(number()), of(number()), of(number()), of(number()));
    let whole = (of(1..9000_u64), of(any::<i64>()), 1..4_u32);
    let rest = (
        vec(".{1,4}", 0..3),
        of(effort()),
        of(".{0,20}"),
        any::<bool>(),
    );
    let turns = vec(exchange(), 1..3);
    (system, turns, tools(), format(), numbers, whole, rest).prop_map(
        |(system, turns, tools, format, numbers, whole, rest)| {
            let text = |text: String| Text {
                text: text.into(),
                cache: None,
            };
            Request {
                model: "gpt-5".into(),
                system: system.into_iter().map(text).collect(),
                turns: joined(turns.into_iter().flatten().collect()),
                tools: tools.0,
                tool_choice: tools.1,
                parallel_tool_calls: tools.2,
                format,
                temperature: numbers.0,
                top_p: numbers.1,
                presence_penalty: numbers.2,
                frequency_penalty: numbers.3,
                max_output_tokens: whole.0,
                seed: whole.1,
                n: whole.2,
                stop: rest.0.into_iter().map(Into::into).collect(),
                effort: rest.1,
                user: rest.2.map(Into::into),
                stream: rest.3,
                ..Request::default()
            }
        },
    )
}

const TO: Target<'static> = Target {
    model: "gpt-5",
    output_cap: None,
};

/// Ids that are too long are spelled anew, which is another test's.
fn shorten(request: &mut Asking) {
    for turn in &mut request.turns {
        for part in &mut turn.parts {
            let (Part::ToolCall(ToolCall { id, .. }) | Part::ToolResult(ToolResult { id, .. })) =
                part
            else {
                continue;
            };
            // The end is what differs.
            *id = id.chars().rev().take(60).collect::<String>().into();
        }
    }
}

fn own_thought() -> impl Strategy<Value = Part<'static>> {
    (".{0,9}", "[A-Za-z0-9]{1,9}", of("rs_[a-z]{1,4}")).prop_map(|(text, encrypted, id)| {
        Part::Reasoning(Reasoning {
            text: text.into(),
            signature: None,
            encrypted: Some(encrypted.into()),
            id: id.map(Into::into),
            maker: Maker::OpenAi,
        })
    })
}

proptest! {
    #[test]
    fn what_openai_is_sent_reads_as_what_was_asked(mut request in requests()) {
        shorten(&mut request);
        let encoded = encode(&request, &TO, Server::OpenAi).unwrap();
        prop_assert!(encoded.noted.is_empty(), "{:?}", encoded.noted);
        let inbound = ChatRequest::parse(encoded.body).unwrap();
        prop_assert_eq!(inbound.include_usage, request.stream);
        let again = inbound.canonical().unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{request:?}"));
    }

    #[test]
    fn servers_like_it_are_sent_the_same_conversation(request in requests()) {
        for server in [Server::Compatible, Server::Strict, Server::Mistral] {
            let encoded = encode(&request, &TO, server).unwrap();
            let inbound = ChatRequest::parse(encoded.body);
            if server == Server::Mistral {
                // Its names for the seed and the choice are its own.
                prop_assert!(inbound.is_ok());
                continue;
            }
            let inbound = inbound.unwrap();
            let again = inbound.canonical().unwrap();
            prop_assert_eq!(again.turns.len(), request.turns.len());
            prop_assert_eq!(format!("{:?}", again.system), format!("{:?}", request.system));
            prop_assert_eq!(again.max_output_tokens, request.max_output_tokens);
        }
    }

    #[test]
    fn what_the_responses_api_is_sent_reads_as_what_was_asked(mut request in requests(), thoughts in vec(own_thought(), 0..4)) {
        let none = Number::from(0);
        request.presence_penalty = Some(none.clone());
        request.frequency_penalty = Some(none);
        request.stop.clear();
        request.seed = None;
        request.n = 1;
        request.max_output_tokens = request.max_output_tokens.map(|cap| cap + 15);
        let mut thoughts = thoughts.into_iter();
        for turn in &mut request.turns {
            if turn.role == Role::Assistant && let Some(thought) = thoughts.next() {
                turn.parts.insert(0, thought);
            }
            for part in &mut turn.parts {
                // What says nothing is not said again.
                if matches!(part, Part::Text(text) if text.text.is_empty()) {
                    *part = super::text("said");
                }
                // It does not hear.
                if matches!(part, Part::Media(media) if media.field.ends_with("input_audio")) {
                    *part = super::text("a transcript");
                }
            }
        }
        shorten(&mut request);
        let encoded = api::encode(&request, &TO).unwrap();
        prop_assert!(encoded.noted.is_empty(), "{:?}", encoded.noted);
        let inbound = ResponsesRequest::parse(encoded.body).unwrap();
        let again = inbound.canonical().unwrap();
        // What the API does not have, what it says otherwise, and what it adds.
        request.presence_penalty = None;
        request.frequency_penalty = None;
        for tool in &mut request.tools {
            tool.strict = Some(tool.strict.unwrap_or(false));
        }
        request.show_thoughts = again.show_thoughts;
        prop_assert!(again.dropped.iter().all(|hint| hint == "include" || hint == "store"), "{:?}", again.dropped);
        let again = Request { dropped: Vec::new(), ..again };
        let fields = ["image_url", "file", "file_data"];
        let spell = |request: &Request<'_>| {
            let mut told = format!("{request:?}");
            for field in fields {
                told = told.replace(&format!("\"messages.content.{field}\""), "f");
                told = told.replace(&format!("\"input.content.{field}\""), "f");
            }
            told
        };
        prop_assert_eq!(spell(&again), spell(&request));
    }

    #[test]
    fn any_order_of_parts_is_written_or_refused(parts in vec((any_part(), role()), 0..6)) {
        let turns = parts.into_iter().map(|(part, role)| Turn { role, parts: vec![part] });
        let request = Request { turns: turns.collect(), n: 1, ..Request::default() };
        for server in [Server::OpenAi, Server::Compatible, Server::Strict, Server::Mistral] {
            if let Ok(encoded) = encode(&request, &TO, server) {
                read(encoded);
            }
        }
        if let Ok(encoded) = api::encode(&request, &TO) {
            read(encoded);
        }
    }
}

fn role() -> impl Strategy<Value = Role> {
    proptest::sample::select(vec![Role::System, Role::User, Role::Assistant])
}

fn any_part() -> impl Strategy<Value = Part<'static>> {
    let thought = (of(".{0,5}"), ".{0,5}").prop_map(|(encrypted, text)| {
        Part::Reasoning(Reasoning {
            text: text.into(),
            signature: None,
            encrypted: encrypted.map(Into::into),
            id: None,
            maker: Maker::OpenAi,
        })
    });
    let call = (".{0,80}", ".{0,9}").prop_map(|(id, arguments)| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "look".into(),
            arguments: arguments.into(),
            signature: Some("s".into()),
        })
    });
    let result = (".{0,80}", vec(prop_oneof![said(), shown()], 0..3)).prop_map(|(id, content)| {
        Part::ToolResult(ToolResult {
            id: id.into(),
            content,
            is_error: true,
        })
    });
    prop_oneof![said(), shown(), thought, call, result]
}
