//! How hard to think, and thoughts that come back.

use lattice_dialects::canonical::{
    Block, Delta, Effort, Event, Finish, Maker, Part, Proves, Reasoning, Sealed, ToolCall,
};
use serde_json::{Value, json};

use super::{asking, canonical, dropped, refused, reply_writer};

type Asked = (Option<Effort>, Option<u64>, Option<bool>);

fn asked(members: Value) -> Asked {
    canonical(&asking(members), |request| {
        (
            request.effort,
            request.thinking_budget,
            request.show_thoughts,
        )
    })
}

#[test]
fn every_way_to_ask_for_thoughts_is_read() {
    for (members, effort, budget, show) in [
        (json!({}), None, None, None),
        (
            json!({"thinking": {"type": "adaptive"}}),
            Some(Effort::High),
            None,
            None,
        ),
        (
            json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}}),
            Some(Effort::ExtraHigh),
            None,
            Some(false),
        ),
        (
            json!({"thinking": {"type": "disabled"}}),
            Some(Effort::None),
            None,
            None,
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            Some(Effort::Low),
            Some(1024),
            None,
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 4096, "display": "summarized"}}),
            Some(Effort::Medium),
            Some(4096),
            Some(true),
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 31999}}),
            Some(Effort::High),
            Some(31999),
            None,
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 31999}, "output_config": {"effort": "low"}}),
            Some(Effort::Low),
            Some(31999),
            None,
        ),
        (
            json!({"output_config": {"effort": "max"}}),
            Some(Effort::Max),
            None,
            None,
        ),
    ] {
        assert_eq!(asked(members.clone()), (effort, budget, show), "{members}");
        assert!(dropped(&asking(members)).is_empty());
    }
}

#[test]
fn what_cannot_be_asked_elsewhere_is_noted() {
    let between = json!({"thinking": {"type": "between_tools"}});
    assert_eq!(asked(between.clone()).0, Some(Effort::None));
    assert_eq!(dropped(&asking(between)), ["thinking.type: disabled"]);
    let off = json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}});
    assert_eq!(dropped(&asking(off)), ["output_config.effort"]);
    for (thinking, field) in [
        (json!({"type": "sometimes"}), "thinking.type"),
        (json!({"type": "enabled"}), "thinking.budget_tokens"),
        (
            json!({"type": "enabled", "budget_tokens": -1}),
            "thinking.budget_tokens",
        ),
        (
            json!({"type": "adaptive", "display": "loud"}),
            "thinking.display",
        ),
        (json!({"type": "adaptive", "depth": 1}), "thinking.depth"),
    ] {
        assert_eq!(refused(&asking(json!({"thinking": thinking}))).field, field);
    }
}

/// What the assistant said, as it is understood.
fn remembered<T>(content: Value, then: impl FnOnce(Vec<Part<'_>>) -> T) -> T {
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": content},
    ]}));
    canonical(&body, |request| {
        then(request.turns.into_iter().nth(1).unwrap().parts)
    })
}

fn thought<'p, 'a>(part: &'p Part<'a>) -> &'p Reasoning<'a> {
    match part {
        Part::Reasoning(thought) => thought,
        other => panic!("{other:?}"),
    }
}

fn call<'p, 'a>(part: &'p Part<'a>) -> &'p ToolCall<'a> {
    match part {
        Part::ToolCall(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn claudes_own_thoughts_are_its_own_in_their_order() {
    let content = json!([
        {"type": "thinking", "thinking": "one", "signature": "s1"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
    ]);
    remembered(content, |parts| {
        let shown = |part: &Part<'_>| {
            let it = thought(part);
            let (signature, data) = (it.signature.as_deref(), it.encrypted.as_deref());
            format!("{:?} {} {signature:?} {data:?}", it.maker, it.text)
        };
        assert_eq!(shown(&parts[0]), r#"Anthropic one Some("s1") None"#);
        assert_eq!(call(&parts[1]).id, "a");
        assert_eq!(shown(&parts[2]), r#"Anthropic  Some("s2") None"#);
        assert_eq!(shown(&parts[3]), r#"Anthropic  None Some("d")"#);
        assert_eq!(call(&parts[4]).id, "b");
        assert_eq!(shown(&parts[5]), "Unknown unsigned None None");
    });
}

#[test]
fn the_signature_of_a_call_that_is_gone_is_noted() {
    let sealed = Sealed {
        maker: Maker::Gemini,
        proves: Proves::Call,
        id: Some("gone".into()),
        data: "s".into(),
    };
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "a"},
            {"type": "thinking", "thinking": "", "signature": sealed.render()},
        ]},
    ]}));
    assert_eq!(
        dropped(&body),
        ["messages.content.thinking: the signature of a missing call"]
    );
}

/// The events of one block.
fn block<'a>(block: Block<'a>, deltas: Vec<Delta<'a>>) -> Vec<Event<'a>> {
    let mut events = vec![Event::Open { choice: 0, block }];
    events.extend(
        deltas
            .into_iter()
            .map(|delta| Event::Delta { choice: 0, delta }),
    );
    events.push(Event::Close { choice: 0 });
    events
}

/// What is written of these blocks for a client.
fn written(blocks: Vec<Vec<Event<'_>>>) -> Value {
    let mut writer = reply_writer();
    writer.event(&Event::Start {
        id: "".into(),
        model: "".into(),
    });
    for event in blocks.iter().flatten() {
        writer.event(event);
    }
    writer.event(&Event::Finish {
        choice: 0,
        finish: Finish::Stop,
        native: "".into(),
    });
    let message: Value = serde_json::from_slice(&writer.finish(&mut |_| None)).unwrap();
    message["content"].clone()
}

fn reasoning(maker: Maker, id: Option<&'static str>) -> Block<'static> {
    Block::Reasoning {
        maker,
        id: id.map(Into::into),
    }
}

#[test]
fn thoughts_of_every_maker_go_to_the_client_and_come_back() {
    let text = || Delta::Text("hm".into());
    let cases = [
        (
            Maker::Anthropic,
            None,
            vec![text(), Delta::Signature("s".into())],
        ),
        (Maker::Anthropic, None, vec![Delta::Signature("s".into())]),
        (Maker::Anthropic, None, vec![Delta::Encrypted("c".into())]),
        (
            Maker::Gemini,
            None,
            vec![text(), Delta::Signature("s".into())],
        ),
        (Maker::Gemini, None, vec![Delta::Signature("s".into())]),
        (
            Maker::OpenAi,
            Some("rs_1"),
            vec![text(), Delta::Encrypted("c".into())],
        ),
        (
            Maker::OpenAi,
            Some("rs_1"),
            vec![Delta::Encrypted("c".into())],
        ),
        (Maker::OpenAi, Some("rs_1"), vec![]),
        (Maker::Unknown, None, vec![text()]),
    ];
    for (maker, id, deltas) in cases {
        let said = |wanted: fn(&Delta<'_>) -> Option<String>| deltas.iter().find_map(wanted);
        let text = said(|it| match it {
            Delta::Text(text) => Some(text.to_string()),
            _ => None,
        });
        let signature = said(|it| match it {
            Delta::Signature(data) => Some(data.to_string()),
            _ => None,
        });
        let encrypted = said(|it| match it {
            Delta::Encrypted(data) => Some(data.to_string()),
            _ => None,
        });
        let shown = format!("{maker:?} {deltas:?}");
        let content = written(vec![block(reasoning(maker, id), deltas)]);
        assert_eq!(content.as_array().unwrap().len(), 1, "{shown}: {content}");
        remembered(content, |parts| {
            let back = thought(&parts[0]);
            assert_eq!(back.maker, maker, "{shown}");
            assert_eq!(back.text, text.unwrap_or_default(), "{shown}");
            assert_eq!(back.signature.as_deref(), signature.as_deref(), "{shown}");
            assert_eq!(back.encrypted.as_deref(), encrypted.as_deref(), "{shown}");
            assert_eq!(back.id.as_deref(), id, "{shown}");
        });
    }
}

#[test]
fn nothing_is_written_of_a_thought_that_says_and_proves_nothing() {
    let nothing = block(reasoning(Maker::Unknown, None), vec![]);
    assert_eq!(written(vec![nothing]), json!([]));
}

#[test]
fn geminis_signature_of_a_call_stands_behind_it_and_comes_back_on_it() {
    let call_of = |id: &'static str, signature: Option<&'static str>| {
        let mut deltas = vec![Delta::Arguments("{}".into())];
        deltas.extend(signature.map(|it| Delta::Signature(it.into())));
        let name = "f".into();
        block(
            Block::ToolCall {
                id: id.into(),
                name,
            },
            deltas,
        )
    };
    let content = written(vec![call_of("call.1", Some("sig")), call_of("c2", None)]);
    let kinds: Vec<&Value> = content
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["type"])
        .collect();
    assert_eq!(kinds, ["tool_use", "thinking", "tool_use"]);
    assert_eq!(content[0]["id"], "lattice_call_2e1");
    remembered(content, |parts| {
        assert_eq!(parts.len(), 2);
        let (first, second) = (call(&parts[0]), call(&parts[1]));
        assert_eq!(
            (&*first.id, first.signature.as_deref()),
            ("call.1", Some("sig"))
        );
        assert_eq!((&*second.id, second.signature.as_deref()), ("c2", None));
    });
}

#[test]
fn geminis_signature_of_a_text_is_a_thought_behind_it() {
    let text = vec![Delta::Text("a".into()), Delta::Signature("sig".into())];
    let content = written(vec![block(Block::Text, text)]);
    remembered(content, |parts| {
        assert!(matches!(&parts[0], Part::Text(text) if text.text == "a"));
        let proof = thought(&parts[1]);
        assert_eq!(
            (proof.maker, proof.signature.as_deref()),
            (Maker::Gemini, Some("sig"))
        );
    });
}
