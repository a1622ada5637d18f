//! Text to tokens.

use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::prompt::Prompt;

/// The vocabulary of a model, usable from any thread.
pub struct Vocabulary {
    model: Arc<LlamaModel>,
    /// Bytes of the longest token: more than `context` times this cannot fit.
    longest: usize,
}

impl Vocabulary {
    pub fn new(model: Arc<LlamaModel>) -> Self {
        let tokens = model.tokens(true);
        let longest = tokens.map(|(_, bytes)| bytes.len()).max().unwrap_or(1);
        Self { model, longest }
    }

    /// The tokens of a prompt, those of at most `context` places; the beginning-of-text
    /// token comes first where the model wants one, once.
    ///
    /// # Errors
    /// It is longer; how long it is at least.
    pub fn tokenise(&self, prompt: &Prompt, context: u32) -> Result<Vec<LlamaToken>, u32> {
        let bytes: usize = prompt.0.iter().map(|segment| segment.text.len()).sum();
        let least = u32::try_from(bytes / self.longest.max(1)).unwrap_or(u32::MAX);
        if least > context {
            return Err(least);
        }
        let vocabulary = self.model.vocab();
        let mut tokens = Vec::new();
        for segment in &prompt.0 {
            let text = segment.text.as_bytes();
            tokens.extend(vocabulary.tokenize(text, false, segment.special));
        }
        let begin = vocabulary.bos();
        if vocabulary.should_add_bos() && tokens.first() != Some(&begin) {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }
}
