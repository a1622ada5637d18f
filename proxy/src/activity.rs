//! How many requests are under way, for metrics and for an orderly stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what is under way.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    running: AtomicUsize,
    idle: Notify,
}

/// One thing that is under way, until it is dropped.
#[derive(Debug)]
pub struct Active(Arc<Counter>);

impl Activity {
    /// Something begins.
    pub fn enter(&self) -> Active {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Active(self.0.clone())
    }

    /// How much is under way.
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    /// Resolves once nothing is.
    pub async fn idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
