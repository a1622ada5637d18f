//! Calls of any provider, written in any dialect, and then judged.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::firewall::Call;
use lattice_dialects::gemini::generate::GenerateRequest;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::reply::{Asked, Translator, Verdict};
use lattice_dialects::{Api, Inbound};

use super::calls::read;
use super::native::{Form, PLAIN, calls, stream, text};
use super::{APIS, all, by_name, decoder, once};

pub fn asking(api: Api) -> Inbound {
    let message = r#"{"role":"user","content":"Hi"}"#;
    let body = |rest: &str| Bytes::from(format!(r#"{{"model":"m",{rest}}}"#));
    match api {
        Api::Chat => {
            let body = body(&format!(r#""messages":[{message}]"#));
            Inbound::Chat(ChatRequest::parse(body).unwrap())
        }
        Api::Responses => {
            Inbound::Responses(ResponsesRequest::parse(body(r#""input":"Hi""#)).unwrap())
        }
        Api::Messages => {
            let body = body(&format!(r#""max_tokens":9,"messages":[{message}]"#));
            Inbound::Messages(MessagesRequest::parse(body).unwrap())
        }
        Api::Generate => {
            let body = Bytes::from_static(br#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#);
            Inbound::Generate(GenerateRequest::parse(body, "models/m", true).unwrap())
        }
    }
}

/// A stream of one provider as a client of another dialect would get it.
fn written(from: Api, to: Api, stream: &str) -> String {
    let writers = asking(to).writers(crate::replay::labels(), Asked::Yes);
    let mut translator = Translator::new(decoder(from, 1), writers);
    let mut out = Vec::new();
    let read = Bytes::copy_from_slice(stream.as_bytes());
    translator.push(read, &mut |_| None, &mut out);
    translator.finish(&mut |_| None, &mut out);
    assert_eq!(
        translator.ended(),
        Verdict::Finished,
        "{:?}",
        translator.garbled()
    );
    String::from_utf8(out.concat()).unwrap()
}

#[test]
fn calls_of_every_provider_are_judged_in_every_dialect() {
    let made = [
        ("yes_a", r#"{"q":"alpha-1111"}"#),
        ("no_b", r#"{"q":"beta-22222"}"#),
        ("new_c", r#"{"q":"gamma-3333"}"#),
        ("no_d", r#"{"q":"delta-4444"}"#),
    ];
    for from in APIS {
        for alternate in [false, true] {
            // Claude's blocks do not overlap.
            let form = Form {
                alternate: alternate && from != Api::Messages,
                ..PLAIN
            };
            let blocks = [text("Let me see."), calls(&made)];
            let native = stream(from, &blocks, form);
            for to in APIS {
                let foreign = written(from, to, &native);
                assert_eq!(
                    once(to, &foreign, all).text(),
                    foreign,
                    "{from:?} to {to:?}"
                );
                let got = once(to, &foreign, by_name);
                assert_eq!(got.asked.len(), 4, "{from:?} to {to:?}");
                let told = read(to, &got);
                let choice = &told.choices[&0];
                let names: Vec<&str> = choice.calls.iter().map(|call| &*call.name).collect();
                assert_eq!(names, ["yes_a", "new_c"], "{from:?} to {to:?}");
                assert!(choice.text.starts_with("Let me see."));
                assert_eq!(choice.text.matches("was refused").count(), 2);
                assert_eq!(told.usage.unwrap().output, 7);
                for secret in ["beta-2", "gamma-", "delta-"] {
                    assert!(!got.text().contains(secret), "{from:?} to {to:?}");
                }
            }
        }
    }
}

#[test]
fn an_inbound_request_knows_its_firewall() {
    for api in APIS {
        let stream = stream(api, &[calls(&[("no", r#"{"q":"x"}"#)])], PLAIN);
        let mut firewall = asking(api).firewall();
        let mut out = Vec::new();
        let mut judge = |call: &Call<'_>| by_name(call, 0);
        firewall.push(stream.into(), &mut judge, &mut out);
        firewall.finish(&mut judge, &mut out);
        let out = String::from_utf8(out.concat()).unwrap();
        assert!(out.contains("was refused"), "{api:?}");
    }
}
