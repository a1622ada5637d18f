//! The set in force and what was decided under it: asked by many, swapped at once.
//!
//! Invariant: the answer to a question is that of the set that was in force when whoever
//! asks began: one for all that is asked about one request. So once [`Current::swap`] has
//! returned, nothing that begins is answered by the set before, neither from what is kept nor by an
//! evaluation that was under way. Two things bring that about: one set is taken at the
//! start, for each key and each evaluation; and a key stands for its set too, so
//! that what a late evaluation under an old set leaves behind is never found.
//!
//! Generic over where the set and the answers are held, so that the very code that
//! ships runs under shuttle, in `tests/swap.rs`.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Digest of a question and of the set that it is put to.
pub(crate) type Key = [u8; 32];

/// Holds the set in force.
pub(crate) trait Slot<S> {
    fn holding(set: Arc<S>) -> Self;
    fn load(&self) -> impl Deref<Target = Arc<S>>;
    /// Puts `set` in the place of the one that is returned.
    fn swap(&self, set: Arc<S>) -> Arc<S>;
}

impl<S> Slot<S> for ArcSwap<S> {
    fn holding(set: Arc<S>) -> Self {
        Self::new(set)
    }

    fn load(&self) -> impl Deref<Target = Arc<S>> {
        ArcSwap::load(self)
    }

    fn swap(&self, set: Arc<S>) -> Arc<S> {
        ArcSwap::swap(self, set)
    }
}

/// Keeps answers.
pub(crate) trait Keep {
    type Answer: Clone + PartialEq;
    type Error: Clone;

    fn find(&self, key: &Key) -> Option<Self::Answer>;

    /// Of those that ask together one makes the answer, and the others wait for it.
    /// An error is kept for none but them. True: somebody else had made it.
    fn find_or_make(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Self::Answer, Self::Error>,
    ) -> Result<(Self::Answer, bool), Self::Error>;

    fn forget(&self, key: &Key);
}

/// What may be asked of a set.
pub(crate) trait Question<S> {
    type Answer;
    type Error;

    /// Where the answer may be kept; `None`: nowhere. It must differ between two sets
    /// that could answer differently.
    fn key(&self, set: &S) -> Option<Key>;

    fn answer(&self, set: &S) -> Result<Self::Answer, Self::Error>;
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Kept,
    Made,
    /// Made, and not to be kept.
    Bypassed,
}

impl Source {
    /// The name in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "hit",
            Self::Made => "miss",
            Self::Bypassed => "bypass",
        }
    }
}

/// The set in force, and the answers that were kept.
pub(crate) struct Current<S, L, K> {
    set: L,
    pub(crate) kept: K,
    sets: std::marker::PhantomData<S>,
}

impl<S, L: Slot<S>, K: Keep> Current<S, L, K> {
    pub(crate) fn new(set: Arc<S>, kept: K) -> Self {
        Self {
            set: L::holding(set),
            kept,
            sets: std::marker::PhantomData,
        }
    }

    pub(crate) fn set(&self) -> Arc<S> {
        self.set.load().clone()
    }

    /// From its return on, questions are put to `set`. Returns the one before.
    pub(crate) fn swap(&self, set: Arc<S>) -> Arc<S> {
        self.set.swap(set)
    }

    /// Puts the question to `set`, which [`Self::set`] gave to whoever asks, and tells
    /// `conclude` how it went. `hit` is shown what was kept: it may want to [`compare`] it,
    /// later.
    pub(crate) fn ask<Q, T>(
        &self,
        set: &Arc<S>,
        question: &Q,
        hit: impl FnOnce(&Arc<S>, Key, &K::Answer),
        conclude: impl FnOnce(&Arc<S>, Outcome<K::Answer, K::Error>) -> T,
    ) -> T
    where
        Q: Question<S, Answer = K::Answer, Error = K::Error>,
    {
        let Some(key) = question.key(set) else {
            let answer = question.answer(set);
            return conclude(set, Outcome::of(answer, Source::Bypassed));
        };
        let outcome = match self.kept.find(&key) {
            Some(kept) => {
                hit(set, key, &kept);
                Outcome::of(Ok(kept), Source::Kept)
            }
            None => match self.kept.find_or_make(key, || question.answer(set)) {
                Ok((answer, true)) => Outcome::of(Ok(answer), Source::Kept),
                Ok((answer, false)) => Outcome::of(Ok(answer), Source::Made),
                Err(error) => Outcome::of(Err(error), Source::Made),
            },
        };
        conclude(set, outcome)
    }
}

/// Compares an answer that was kept under `key` with one made afresh by the same set.
/// Unless the two are alike, it is kept no longer.
pub(crate) fn compare<K: Keep>(
    keep: &K,
    key: &Key,
    kept: &K::Answer,
    afresh: &Result<K::Answer, K::Error>,
) -> Shadow {
    let shadow = match afresh {
        Ok(answer) if answer == kept => Shadow::Match,
        Ok(_) => Shadow::Mismatch,
        Err(_) => Shadow::Error,
    };
    if shadow != Shadow::Match {
        keep.forget(key);
    }
    shadow
}

/// What an evaluation beside a kept answer showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shadow {
    Match,
    Mismatch,
    Error,
}

/// An answer, and how it came about.
pub(crate) struct Outcome<A, E> {
    pub(crate) answer: Result<A, E>,
    pub(crate) source: Source,
}

impl<A, E> Outcome<A, E> {
    fn of(answer: Result<A, E>, source: Source) -> Self {
        Self { answer, source }
    }
}
