//! The ledger of this node: its books behind one lock, and the way from them to the books
//! that all nodes share.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use lattice_kernel::allowance::Allowances;

use crate::books::{Applying, Books, Entered, Exhausted, Held, Missing, Return, Short, Wanted};
use crate::lease::Hold;
use crate::limit::{Amounts, Limit, Mode, Scope};
use crate::sync::Mutex;

/// How long a node may spend of hard limits what it has taken, without having heard from
/// the shared books. Only after longer can its slices be given to others, so one that was
/// stopped and woke spends nothing that is not its own any more.
pub const LIFE: Duration = Duration::from_secs(60);

/// How often a request that found its room taken by another asks again.
const TRIES: u32 = 16;

/// What this node has taken of every limit, and what of it is spent and held. Cheap to
/// clone; one lock, held for the few hundred nanoseconds that a handful of additions take.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    books: Arc<Mutex<Books>>,
}

/// The books that all nodes share.
pub trait Bank: Send + Sync {
    /// Why they cannot be asked.
    type Error: Send;
    /// Held by whoever asks them.
    type Turn: Send;

    /// Resolves when it is one's turn to ask: whoever waited may find that the one before
    /// has brought enough.
    fn turn(&self) -> impl Future<Output = Self::Turn> + Send;

    /// Takes room of an account.
    ///
    /// # Errors
    /// They cannot be asked.
    fn take(&self, short: &Short) -> impl Future<Output = Result<Taken, Self::Error>> + Send;

    /// Asks whether what this node has taken is still its own, as of now.
    ///
    /// # Errors
    /// They cannot be asked.
    fn confirm(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// What [`Bank::take`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// What was asked for, as far as there was room.
    Granted {
        /// Nothing, or at least what was needed.
        granted: i64,
        /// What all nodes together have taken now.
        total: i64,
    },
    /// Nothing: what this node had taken has been given to others.
    Fenced,
}

/// What was reserved.
#[derive(Debug)]
pub struct Reserved {
    /// The hold.
    pub hold: Hold,
    /// The limits, none of them hard, that are over with it.
    pub over: Vec<Exhausted>,
    /// What is left of the tightest rates.
    pub allowances: Allowances,
}

/// Why nothing was reserved.
#[derive(Debug)]
pub enum NoRoom<E> {
    /// A hard limit has no room.
    Exhausted(Box<Exhausted>),
    /// There is no room in what this node has, and the shared books cannot be asked.
    Unasked(E),
    /// Others took the room each time that there was some.
    Contended,
}

impl Ledger {
    /// Replaces the set of limits.
    pub fn set_limits(&self, limits: impl IntoIterator<Item = Limit>) {
        let limits: Vec<Limit> = limits.into_iter().collect();
        self.books.lock().set_limits(limits);
    }

    /// Every limit.
    #[must_use]
    pub fn limits(&self) -> Vec<Arc<Limit>> {
        self.books.lock().limits()
    }

    /// Which kinds of limits these spenders fall under.
    #[must_use]
    pub fn applying(&self, scopes: &[Scope]) -> Applying {
        self.books.lock().applying(scopes)
    }

    /// The first limit that is spent and has another model served from then on.
    #[must_use]
    pub fn downgrade(&self, at: OffsetDateTime, scopes: &[Scope]) -> Option<Exhausted> {
        self.books.lock().downgrade(at, scopes)
    }

    /// What this node has taken is its own until `until`.
    pub fn confirm(&self, until: Instant) {
        self.books.lock().confirmed_until = Some(until);
    }

    /// What this node had taken has been given to others.
    pub fn void(&self) {
        self.books.lock().void();
    }

    /// Takes out what is to be given back to the shared books. From then on it is not
    /// spent here; where giving it back fails, it stays charged.
    #[must_use]
    pub fn give_back(&self, at: OffsetDateTime) -> Vec<Return> {
        self.books.lock().give_back(at, false)
    }

    /// Takes out all that is free, at the end.
    #[must_use]
    pub fn give_all_back(&self, at: OffsetDateTime) -> Vec<Return> {
        self.books.lock().give_back(at, true)
    }

    /// The shared books could not be told of a deficit that was among what was to be given
    /// back: it will be again.
    pub fn still_owes(&self, owed: &Return) {
        self.books.lock().still_owes(owed);
    }

    /// Holds what is wanted from every account that it falls under, or nothing. Asks the
    /// shared books only where what this node has taken of them does not last.
    ///
    /// # Errors
    /// See [`NoRoom`].
    pub async fn reserve<B: Bank>(
        &self,
        bank: &B,
        wanted: &Wanted<'_>,
    ) -> Result<Reserved, NoRoom<B::Error>> {
        match self.enter(wanted, false) {
            Ok(reserved) => return Ok(reserved),
            Err(Missing::Refused(exhausted)) => return Err(NoRoom::Exhausted(exhausted)),
            Err(Missing::Unconfirmed | Missing::Room(_)) => {}
        }
        let _turn = bank.turn().await;
        let mut asked = false;
        for _ in 0..TRIES {
            match self.enter(wanted, asked) {
                Ok(reserved) => return Ok(reserved),
                Err(Missing::Refused(exhausted)) => return Err(NoRoom::Exhausted(exhausted)),
                Err(Missing::Unconfirmed) => self.ask_whether_ours(bank).await?,
                Err(Missing::Room(shorts)) => {
                    self.take(bank, &shorts, wanted.at).await?;
                    asked = true;
                }
            }
        }
        Err(NoRoom::Contended)
    }

    async fn ask_whether_ours<B: Bank>(&self, bank: &B) -> Result<(), NoRoom<B::Error>> {
        // The life begins when the question leaves, not when the answer comes.
        let asked = Instant::now();
        let ours = bank.confirm().await.map_err(NoRoom::Unasked)?;
        if !ours {
            self.void();
        }
        self.confirm(asked + LIFE);
        Ok(())
    }

    async fn take<B: Bank>(
        &self,
        bank: &B,
        shorts: &[Short],
        at: OffsetDateTime,
    ) -> Result<(), NoRoom<B::Error>> {
        for short in shorts {
            let taken = match bank.take(short).await {
                Ok(taken) => taken,
                Err(_) if short.limit.mode != Mode::Hard => {
                    self.books.lock().go_without(short);
                    continue;
                }
                Err(error) => return Err(NoRoom::Unasked(error)),
            };
            let Taken::Granted { granted, total } = taken else {
                self.void();
                return self.ask_whether_ours(bank).await;
            };
            let mut books = self.books.lock();
            if granted == 0 && short.need > 0 {
                let exhausted = books.ran_dry(short, total, at);
                return Err(NoRoom::Exhausted(Box::new(exhausted)));
            }
            books.credit(short, granted, total);
        }
        Ok(())
    }

    fn enter(&self, wanted: &Wanted<'_>, asked: bool) -> Result<Reserved, Missing> {
        let Entered {
            held,
            amounts,
            over,
            allowances,
        } = self.books.lock().reserve(wanted, asked)?;
        Ok(Reserved {
            hold: Hold::new(self.clone(), held, amounts),
            over,
            allowances,
        })
    }

    pub(crate) fn settle(&self, held: &[Held], amounts: &Amounts, spent: &Amounts) {
        if !held.is_empty() {
            self.books.lock().settle(held, amounts, spent);
        }
    }
}
