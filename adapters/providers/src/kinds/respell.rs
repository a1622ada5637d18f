//! A request for a provider that speaks the caller's own dialect: a few values
//! spliced, the rest of the bytes as they came.

use lattice_dialects::Inbound;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::Encoded;
use lattice_dialects::openai::chat::{CapField, ChatRequest, OutputCap, Rewrite};
use lattice_dialects::openai::responses;

use super::Asking;

/// A provider's reading of a chat request's output cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caps {
    /// Both names, and never the two together.
    Either,
    /// The old name alone.
    MaxTokens,
}

pub(super) fn respell(asking: &Asking<'_>, inbound: &Inbound) -> Encoded {
    let to = asking.encode_for();
    match inbound {
        Inbound::Chat(request) => chat(asking, request),
        Inbound::Responses(request) => request.rewrite(&responses::Rewrite {
            model: Some(to.model),
            output_cap: to.output_cap,
        }),
        Inbound::Messages(request) => request.rewrite(&messages::Rewrite {
            model: Some(to.model),
            output_cap: to.output_cap,
        }),
        Inbound::Generate(request) => request.rewrite(&to),
    }
}

fn chat(asking: &Asking<'_>, request: &ChatRequest) -> Encoded {
    let target = asking.target;
    let output_cap = chat_cap(asking, request);
    let rewrite = Rewrite {
        model: Some(&target.model),
        include_usage: request.facts.stream,
        output_cap,
    };
    // What gate 3 could not note, because it depends on the target: the caller's
    // cap was written once more, under the name that this target reads.
    let again = output_cap.filter(|_| request.facts.output_cap.is_some());
    let noted = again.map(|cap| format!("{}={} (hard budget)", cap.field.name(), cap.tokens));
    Encoded {
        body: request.rewrite(&rewrite),
        noted: noted.into_iter().collect(),
    }
}

fn chat_cap(asking: &Asking<'_>, request: &ChatRequest) -> Option<OutputCap> {
    let named = request.facts.output_cap;
    let (field, is_read) = match asking.provider.kind.caps() {
        Caps::Either => (CapField::MaxCompletionTokens, named.is_some()),
        Caps::MaxTokens => (
            CapField::MaxTokens,
            request.cap(CapField::MaxTokens).is_some(),
        ),
    };
    (asking.body.cap_output && !is_read).then(|| OutputCap {
        field,
        tokens: named.unwrap_or(asking.target.max_output_tokens),
    })
}
