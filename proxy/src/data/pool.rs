//! Idle connections to providers.
//!
//! pingora's own pool starts a task for every connection that comes back, to
//! watch it until it is needed again: more work than the request itself. Here a
//! connection is looked at when it is taken out, and once a second by [`Pool::sweep`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt as _;

/// How long a connection may be idle. Providers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(50);
/// Idle connections to one provider at the most.
const MOST: usize = 512;

/// Idle connections by provider, the one used last on top.
#[derive(Default)]
pub struct Pool {
    idle: Mutex<HashMap<Arc<str>, Vec<Idle>>>,
}

struct Idle {
    stream: Stream,
    since: Instant,
}

impl Pool {
    /// A connection that is still open, as far as can be told without asking.
    pub fn take(&self, provider: &str) -> Option<Stream> {
        loop {
            let mut idle = self.idle.lock().get_mut(provider)?.pop()?;
            if idle.is_open() {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub fn put(&self, provider: &Arc<str>, stream: Stream) {
        let mut idle = self.idle.lock();
        let streams = match idle.get_mut(provider) {
            Some(streams) => streams,
            None => idle.entry(provider.clone()).or_default(),
        };
        if streams.len() < MOST {
            streams.push(Idle {
                stream,
                since: Instant::now(),
            });
        }
    }

    /// Lets go of connections that have been idle for long or were closed.
    pub fn sweep(&self) {
        let mut idle = self.idle.lock();
        idle.values_mut()
            .for_each(|streams| streams.retain_mut(Idle::is_open));
    }
}

impl Idle {
    /// A provider has nothing to say on an idle connection: whatever can be read
    /// from it, be it bytes or the end, makes it unfit.
    fn is_open(&mut self) -> bool {
        self.since.elapsed() < IDLE && self.stream.read(&mut [0]).now_or_never().is_none()
    }
}
