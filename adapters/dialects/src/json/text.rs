//! A string as serde hands it over.

use std::borrow::{Borrow, Cow};

use serde::Deserialize;

/// A string that stays where it was read unless it was spelled with escapes; a
/// bare `Cow` inside an `Option` or a list would always be copied.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Borrow<str> for Str<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}
