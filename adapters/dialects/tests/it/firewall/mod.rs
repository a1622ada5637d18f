//! The firewall for tool calls, in every API.

mod abroad;
mod bounds;
mod calls;
mod cuts;
mod every_byte;
mod fuzz;
mod native;
mod recorded;
mod tricks;
mod whole;

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::Decode;
use lattice_dialects::firewall::{Call, Fault, Firewall, Ruling};
use lattice_dialects::gemini::generate;
use lattice_dialects::openai::{chat, responses};

pub const APIS: [Api; 4] = [Api::Chat, Api::Responses, Api::Messages, Api::Generate];

/// What came through.
#[derive(Debug, PartialEq)]
pub struct Got {
    pub out: Vec<u8>,
    pub fault: Option<Fault>,
    /// What the judge was asked: name, arguments, whether they are JSON.
    pub asked: Vec<(String, String, bool)>,
}

impl Got {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
}

/// What a judge says of the call that it is asked about as this many-th.
pub type Law = fn(&Call<'_>, usize) -> Ruling;

pub fn all(_: &Call<'_>, _: usize) -> Ruling {
    Ruling::Release
}

pub fn none(_: &Call<'_>, _: usize) -> Ruling {
    Ruling::Refuse("Not here.".into())
}

pub fn every_second(_: &Call<'_>, at: usize) -> Ruling {
    match at.is_multiple_of(2) {
        true => Ruling::Release,
        false => Ruling::Refuse("Not here.".into()),
    }
}

pub const OTHER: &str = r#"{"other":[1,"two"]}"#;

/// Names say what becomes of their calls.
pub fn by_name(call: &Call<'_>, _: usize) -> Ruling {
    match call.name {
        name if name.starts_with("no") => Ruling::Refuse("Not here.".into()),
        name if name.starts_with("new") => Ruling::Rewrite(OTHER.into()),
        _ => Ruling::Release,
    }
}

pub const LAWS: [Law; 4] = [all, none, every_second, by_name];

/// Passes `reads` through to the end.
pub fn through(api: Api, reads: Vec<Bytes>, law: Law) -> Got {
    let mut firewall = Firewall::new(api);
    let mut asked = Vec::new();
    let mut judge = |call: &Call<'_>| {
        let ruling = law(call, asked.len());
        asked.push((call.name.to_owned(), call.arguments.to_owned(), call.json));
        ruling
    };
    let mut out = Vec::new();
    for read in reads {
        firewall.push(read, &mut judge, &mut out);
    }
    firewall.finish(&mut judge, &mut out);
    Got {
        out: out.concat(),
        fault: firewall.fault(),
        asked,
    }
}

/// The same in one read.
pub fn once(api: Api, stream: &str, law: Law) -> Got {
    through(api, vec![Bytes::copy_from_slice(stream.as_bytes())], law)
}

pub fn decoder(api: Api, choices: u32) -> Box<dyn Decode> {
    match api {
        Api::Chat => Box::new(chat::Decoder::new("s", choices)),
        Api::Responses => Box::new(responses::Decoder::default()),
        Api::Messages => Box::new(messages::Decoder::default()),
        Api::Generate => Box::new(generate::Decoder::new("s").of(choices)),
    }
}
