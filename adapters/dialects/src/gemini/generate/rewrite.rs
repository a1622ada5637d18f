//! The same request for an upstream: a few values spliced, the rest as it came.

use super::GenerateRequest;
use super::path::name;
use super::seals;
use crate::canonical::{Encoded, Target};
use crate::json;
use crate::splice::Edits;

impl GenerateRequest {
    /// The body for `to`; the model's name belongs in the [`path`](super::path),
    /// and is replaced here where the body repeats it. The cap takes the place of
    /// what the caller asked for. Thoughts that are sealed for another maker are
    /// left out, which is noted: Gemini would take their seal for a signature of its
    /// own. All other bytes (unknown fields, white space, spellings of numbers) are
    /// the caller's; when nothing has to change it is the same `Bytes`, not a copy.
    #[must_use]
    pub fn rewrite(&self, to: &Target<'_>) -> Encoded {
        let mut edits = Edits::default();
        let noted = self.respell(to.model, &mut edits);
        if let Some(cap) = to.output_cap
            && self.facts.output_cap != Some(cap)
        {
            self.cap(cap, &mut edits);
        }
        Encoded {
            body: edits.apply(&self.body),
            noted,
        }
    }

    /// As [`rewrite`](Self::rewrite), without a cap.
    pub(super) fn respell(&self, model: &str, edits: &mut Edits) -> Vec<String> {
        // `parse` has seen that each names the path's model.
        if name(model) != self.facts.model {
            let full = json::quote(&format!("models/{}", name(model)));
            for span in &self.spans.models {
                edits.replace(span.clone(), &*full);
            }
        }
        match seals::cut(&self.body, edits) {
            true => vec![seals::NOTE.to_owned()],
            false => Vec::new(),
        }
    }

    fn cap(&self, cap: u64, edits: &mut Edits) {
        if let Some(span) = &self.spans.cap {
            return edits.replace(span.clone(), cap.to_string());
        }
        let member = format!(r#""maxOutputTokens":{cap}"#);
        match &self.spans.config {
            Some(config) if self.spans.config_has_members => {
                edits.insert(config.end - 1, format!(",{member}"));
            }
            Some(config) => edits.replace(config.clone(), format!("{{{member}}}")),
            None => {
                // There is a member before it: a request has contents.
                let closing_brace = self.body.iter().rposition(|byte| *byte == b'}');
                edits.insert(
                    closing_brace.unwrap_or_default(),
                    format!(r#","generationConfig":{{{member}}}"#),
                );
            }
        }
    }
}
