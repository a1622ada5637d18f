//! What callers lose between two requests.
//!
//! Claude and Gemini sign their thoughts and want them back beside the tool calls
//! that followed; a client of the chat dialect that keeps only what OpenAI knows
//! has nothing to give back. So the gateway keeps them for a while, by the id of
//! the call, for the key that they were told to and for nobody else.

use std::sync::Arc;
use std::time::Duration;

use lattice_dialects::canonical::Kept;
use uuid::Uuid;

/// All of it, bytes.
const MOST: u64 = 64 * 1024 * 1024;
/// A tool may run for long, but not for ever.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// No provider's ids of calls are as long, bytes.
const LONGEST_ID: usize = 256;

/// Reasoning and signatures of recent replies, by key and tool call.
pub struct Memory(moka::sync::Cache<(Uuid, Box<str>), Arc<Kept>>);

impl Default for Memory {
    fn default() -> Self {
        let cache = moka::sync::Cache::builder()
            .weigher(|(_, id): &(Uuid, Box<str>), kept: &Arc<Kept>| weight(id, kept))
            .max_capacity(MOST)
            .time_to_live(LIFE);
        Self(cache.build())
    }
}

impl Memory {
    /// Keeps what was told to `key` before the calls that it names.
    pub fn keep(&self, key: Uuid, kept: Kept) {
        let kept = Arc::new(kept);
        for call in kept.calls.iter().filter(|call| call.id.len() <= LONGEST_ID) {
            self.0.insert((key, call.id.as_str().into()), kept.clone());
        }
    }

    /// About the bytes that are given back with a request of `key` whose texts these
    /// are: ids of calls are among them. No token has less than a byte.
    #[must_use]
    pub fn size<'a>(&self, key: Uuid, texts: impl Iterator<Item = &'a str>) -> u64 {
        if self.0.entry_count() == 0 {
            return 0;
        }
        let ids = texts.filter(|text| text.len() <= LONGEST_ID);
        let mut groups: Vec<Arc<Kept>> = Vec::new();
        for kept in ids.filter_map(|id| self.recall(key, id)) {
            if !groups.iter().any(|known| Arc::ptr_eq(known, &kept)) {
                groups.push(kept);
            }
        }
        groups.iter().map(|kept| u64::from(weight("", kept))).sum()
    }

    /// What `key` was told before the tool call `id`.
    #[must_use]
    pub fn recall(&self, key: Uuid, id: &str) -> Option<Arc<Kept>> {
        self.0.get(&(key, id.into()))
    }
}

/// About the bytes that an entry holds; what several calls share counts for each.
fn weight(id: &str, kept: &Kept) -> u32 {
    let len = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
    let reasoning = kept
        .reasoning
        .iter()
        .map(|it| it.text.len() + len(&it.signature) + len(&it.encrypted));
    let calls = kept
        .calls
        .iter()
        .map(|call| call.id.len() + call.signature.as_ref().map_or(0, String::len));
    let bytes = reasoning.chain(calls).sum::<usize>() + id.len() + 256;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use lattice_dialects::canonical::KeptCall;

    use super::*;

    #[test]
    fn what_one_key_was_told_no_other_recalls() {
        let memory = Memory::default();
        let call = |id: &str| KeptCall {
            id: id.to_owned(),
            signature: Some("sig".to_owned()),
        };
        let (mine, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        memory.keep(
            mine,
            Kept {
                reasoning: Vec::new(),
                calls: vec![call("a"), call("b")],
            },
        );
        for id in ["a", "b"] {
            assert!(memory.recall(mine, id).is_some(), "{id}");
            assert!(memory.recall(theirs, id).is_none(), "{id}");
        }
        assert!(memory.recall(mine, "c").is_none());
        memory.0.run_pending_tasks();
        let size = |key, texts: &[&str]| memory.size(key, texts.iter().copied());
        assert_eq!(size(mine, &["x"]), 0);
        assert!(size(mine, &["a"]) > 0);
        assert_eq!(
            size(mine, &["a", "x", "b", "a"]),
            size(mine, &["a"]),
            "once"
        );
        assert_eq!(size(theirs, &["a"]), 0);
    }
}
