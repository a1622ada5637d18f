//! The lock of the ledger. In tests of its interleavings, taking it is a point at which
//! another actor may go first.

#[cfg(not(test))]
pub use parking_lot::Mutex;

#[cfg(test)]
pub use tested::{Mutex, explore};

#[cfg(test)]
mod tested {
    use std::cell::Cell;

    thread_local! {
        static EXPLORING: Cell<bool> = const { Cell::new(false) };
    }

    #[derive(Debug, Default)]
    pub struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
            if EXPLORING.get() {
                shuttle::thread::yield_now();
            }
            self.0.lock()
        }
    }

    /// Runs `test` under shuttle's random scheduler, so many schedules.
    pub fn explore(schedules: usize, test: impl Fn() + Send + Sync + 'static) {
        EXPLORING.set(true);
        shuttle::check_random(test, schedules);
        EXPLORING.set(false);
    }
}
