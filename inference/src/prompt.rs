//! A rendered prompt that remembers which of its text came from a stranger.

/// The pieces of a prompt, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt(pub Vec<Segment>);

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The text.
    pub text: String,
    /// Whether special tokens in it count as such: the template's own text. What a
    /// caller wrote never does, or it could forge the end of its turn.
    pub special: bool,
}

impl Prompt {
    /// All of its text.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(|segment| segment.text.as_str()).collect()
    }
}
