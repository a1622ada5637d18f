//! A reply that may not keep silent for too long, nor run for ever.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::provider::Timeouts;
use crate::transport::{Exchange, TransportError};

/// An exchange under a provider's time limits, whatever carries it.
pub struct Bounded<E> {
    exchange: E,
    timeouts: Timeouts,
    /// When the whole of it must be over.
    deadline: Instant,
    /// Made by the first read that has to wait, and set anew by each that does.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<E> Bounded<E> {
    pub(crate) fn new(exchange: E, timeouts: Timeouts, deadline: Instant) -> Self {
        Self {
            exchange,
            timeouts,
            deadline,
            alarm: None,
        }
    }
}

fn late(timeouts: &Timeouts, deadline: Instant, now: Instant) -> TransportError {
    TransportError::TimedOut(if now >= deadline {
        format!("the request took longer than {:?}", timeouts.total)
    } else {
        format!("nothing came for {:?}", timeouts.between_chunks)
    })
}

impl<E: Exchange> Exchange for Bounded<E> {
    fn status(&self) -> u16 {
        self.exchange.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.exchange.headers()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let Self {
            exchange,
            timeouts,
            deadline,
            alarm,
        } = self;
        let now = Instant::now();
        // Also where there is always something to read: the client may be slow.
        if now >= *deadline {
            return Err(late(timeouts, *deadline, now));
        }
        let until = (now + timeouts.between_chunks).min(*deadline);
        let mut read = pin!(exchange.next());
        let mut waiting = false;
        poll_fn(|context| {
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(read);
            }
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if !std::mem::replace(&mut waiting, true) {
                alarm.as_mut().reset(until);
            }
            let rung = alarm.as_mut().poll(context);
            rung.map(|()| Err(late(timeouts, *deadline, Instant::now())))
        })
        .await
    }

    async fn finish(self) {
        self.exchange.finish().await;
    }

    fn noted(&self) -> &[Box<str>] {
        self.exchange.noted()
    }
}
