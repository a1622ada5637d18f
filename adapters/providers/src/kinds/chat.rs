//! Providers that speak the caller's own dialect: a few values spliced, the rest
//! of the bytes as they came.

use lattice_dialects::canonical::Unsupported;
use lattice_dialects::openai::chat::{CapField, OutputCap, Rewrite};

use super::{Asking, Prepared, post};

/// A provider's reading of the output cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caps {
    /// Both names, and never the two together.
    Either,
    /// The old name alone.
    MaxTokens,
}

pub(super) fn prepare(asking: &Asking<'_>, caps: Caps) -> Result<Prepared, Unsupported> {
    let Asking {
        provider,
        target,
        body,
        ..
    } = asking;
    let chat = &body.chat;
    let output_cap = output_cap(asking, caps);
    let rewrite = Rewrite {
        model: (*target.model != *chat.model).then_some(&*target.model),
        include_usage: chat.stream,
        output_cap,
    };
    // What gate 3 could not note, because it depends on the target: the caller's
    // cap was written once more, under the name that this target reads.
    let again = output_cap.filter(|_| chat.output_cap().is_some());
    let noted = again.map(|cap| format!("{}={} (hard budget)", cap.field.name(), cap.tokens));
    Ok(Prepared {
        payload: post(
            format!("{}/chat/completions", provider.base_path),
            chat.rewrite(&rewrite),
        ),
        noted: noted.into_iter().map(Into::into).collect(),
    })
}

fn output_cap(asking: &Asking<'_>, caps: Caps) -> Option<OutputCap> {
    let chat = &asking.body.chat;
    let named = chat.output_cap();
    let (field, is_read) = match caps {
        Caps::Either => (CapField::MaxCompletionTokens, named.is_some()),
        Caps::MaxTokens => (CapField::MaxTokens, chat.cap(CapField::MaxTokens).is_some()),
    };
    (asking.body.cap_output && !is_read).then(|| OutputCap {
        field,
        tokens: named.unwrap_or(asking.target.max_output_tokens),
    })
}
