//! A transport that does what it is told, and remembers when it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use lattice_kernel::{Code, Dispatch, Gate, Refusal};
use lattice_providers::{Exchange, Provider, Transport, TransportError, UpstreamRequest};
use tokio::time::Instant;

/// What a provider does with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// There is nobody.
    Unreached,
    /// An engine in this process says no.
    Refused(Code),
    /// It never answers.
    Hang,
    /// The connection breaks.
    Broken,
    /// It answers with an error.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// It answers with a stream.
    Stream(Vec<Part>),
}

/// A part of a stream.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// A few bytes, so many milliseconds after they were asked for.
    After(u64),
    /// Nothing, for ever.
    Stall,
    /// The end of the connection.
    Break,
}

/// A stream that is there and ends well.
pub fn whole() -> Act {
    Act::Stream(vec![Part::After(0)])
}

/// Scripts by provider. Where one is at its end, its last act is repeated.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Playing>>);

#[derive(Default)]
struct Playing {
    acts: HashMap<String, VecDeque<Act>>,
    asked: Vec<(String, Instant)>,
}

impl Script {
    /// From here on `provider` does this.
    pub fn set(&self, provider: &str, acts: impl IntoIterator<Item = Act>) {
        let acts = acts.into_iter().collect();
        self.0.lock().unwrap().acts.insert(provider.into(), acts);
    }

    /// Who was asked since the last time, and how many milliseconds after `start`.
    pub fn asked(&self, start: Instant) -> Vec<(String, u64)> {
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        let since = |at: Instant| u64::try_from((at - start).as_millis()).unwrap();
        asked
            .into_iter()
            .map(|(who, at)| (who, since(at)))
            .collect()
    }

    /// Who was asked since the last time.
    pub fn names(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.0.lock().unwrap().asked);
        asked.into_iter().map(|(who, _)| who).collect()
    }

    fn next(&self, provider: &str) -> Act {
        let mut playing = self.0.lock().unwrap();
        playing.asked.push((provider.to_owned(), Instant::now()));
        let acts = playing.acts.get_mut(provider).expect("a script");
        match acts.len() {
            1 => acts[0].clone(),
            _ => acts.pop_front().expect("an act"),
        }
    }
}

impl Transport for Script {
    type Exchange = Played;

    async fn open(
        &self,
        _: &Dispatch,
        provider: &Provider,
        _: UpstreamRequest,
    ) -> Result<Played, TransportError> {
        let (status, fields, parts) = match self.next(&provider.name) {
            Act::Unreached => return Err(TransportError::Unreached("nobody".into())),
            Act::Broken => return Err(TransportError::Broken("reset".into())),
            Act::Refused(code) => {
                let refusal = Refusal::new(Gate::Execution, code, "no");
                return Err(TransportError::Refused(refusal));
            }
            Act::Hang => {
                tokio::time::sleep(provider.timeouts.first_byte).await;
                return Err(TransportError::TimedOut("silent".into()));
            }
            Act::Status(status, fields) => (status, fields, vec![Part::After(0)]),
            Act::Stream(parts) => (200, &[][..], parts),
        };
        let fields = fields.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        Ok(Played {
            status,
            headers: fields.collect(),
            parts: parts.into(),
        })
    }
}

pub struct Played {
    status: u16,
    headers: HeaderMap,
    parts: VecDeque<Part>,
}

impl Exchange for Played {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        match self.parts.front().copied() {
            None => return Ok(None),
            Some(Part::After(0)) => {}
            Some(Part::After(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Some(Part::Stall) => std::future::pending().await,
            Some(Part::Break) => return Err(TransportError::Broken("reset".into())),
        }
        self.parts.pop_front();
        Ok(Some(Bytes::from_static(b"data: {}\n\n")))
    }

    async fn finish(self) {}
}
