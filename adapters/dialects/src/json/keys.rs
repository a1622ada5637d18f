//! The keys of every object that is open, to find one that comes twice.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::{Place, Text, Unescaped};

/// Up to this many keys a scan beats a table, and most objects have fewer.
const SCANNED: usize = 16;

/// Keys of the open objects, innermost last, without an allocation per object.
pub(super) struct Keys<'de> {
    body: &'de [u8],
    open: Vec<Place>,
    unescaped: Unescaped,
    // Keyed at random for each pass: the keys are the caller's choice.
    hasher: RandomState,
}

/// One object's share of [`Keys`].
pub(super) struct Scope {
    first: usize,
    unescaped: usize,
    table: Option<HashTable<Place>>,
}

impl<'de> Keys<'de> {
    pub(super) fn new(body: &'de [u8]) -> Self {
        Self {
            body,
            open: Vec::new(),
            unescaped: Unescaped::default(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn open(&self) -> Scope {
        Scope {
            first: self.open.len(),
            unescaped: self.unescaped.len(),
            table: None,
        }
    }

    pub(super) fn close(&mut self, scope: Scope) {
        self.open.truncate(scope.first);
        self.unescaped.truncate(scope.unescaped);
    }

    /// Whether the object did not have the key yet.
    pub(super) fn insert(&mut self, scope: &mut Scope, key: Text<'_>) -> bool {
        let text = key.decoded.as_bytes();
        let Some(table) = &mut scope.table else {
            if self.open[scope.first..]
                .iter()
                .any(|place| self.text(*place) == text)
            {
                return false;
            }
            let place = self.unescaped.place(key);
            self.open.push(place);
            if self.open.len() - scope.first > SCANNED {
                scope.table = Some(self.tabulate(scope.first));
            }
            return true;
        };
        let hash = self.hasher.hash_one(text);
        if table
            .find(hash, |place| self.text(*place) == text)
            .is_some()
        {
            return false;
        }
        let place = self.unescaped.place(key);
        table.insert_unique(hash, place, |place| self.hash(*place));
        true
    }

    fn tabulate(&mut self, first: usize) -> HashTable<Place> {
        let mut table = HashTable::with_capacity(4 * SCANNED);
        for place in &self.open[first..] {
            table.insert_unique(self.hash(*place), *place, |place| self.hash(*place));
        }
        self.open.truncate(first);
        table
    }

    fn hash(&self, place: Place) -> u64 {
        self.hasher.hash_one(self.text(place))
    }

    fn text(&self, place: Place) -> &[u8] {
        self.unescaped.get(self.body, place)
    }
}
