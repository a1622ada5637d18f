//! A running answer, told in canonical events.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use lattice_dialects::canonical::{Block, Delta, Event, Finish, ProviderError, Usage};

use crate::engine::{GenEvent, GenStream, StopReason};
use crate::lifecycle::Lease;

/// A local model's answer. Dropping it cancels.
#[derive(Debug)]
pub struct Generation {
    stream: GenStream,
    /// Keeps the model loaded.
    _lease: Option<Lease>,
    pending: VecDeque<Event<'static>>,
    admission: Admission,
    ended: bool,
    noted: Vec<&'static str>,
}

/// What was said of a prompt when it got its slot.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Tokens of the prompt.
    pub input: u32,
    /// Of these, found in the model's cache.
    pub cached: u32,
    /// How long it waited.
    pub queued: Duration,
}

/// Its name and its model's.
#[derive(Debug)]
pub struct Title {
    pub id: String,
    pub model: String,
}

impl Generation {
    pub(crate) fn new(
        stream: GenStream,
        lease: Option<Lease>,
        title: Title,
        admission: Admission,
        noted: Vec<&'static str>,
    ) -> Self {
        let start = Event::Start {
            id: title.id.into(),
            model: title.model.into(),
        };
        let open = Event::Open {
            choice: 0,
            block: Block::Text,
        };
        Self {
            stream,
            _lease: lease,
            pending: [start, open].into(),
            admission,
            ended: false,
            noted,
        }
    }

    /// Fields of the request that were left out, being hints; for `x-lattice-noted`.
    #[must_use]
    pub fn noted(&self) -> &[&'static str] {
        &self.noted
    }

    /// Tokens of the prompt, and how many of them were found in the model's cache:
    /// known from the start, so that an answer that is cut can be settled.
    #[must_use]
    pub fn prompt(&self) -> Usage {
        Usage {
            input: self.admission.input.into(),
            cached_input: self.admission.cached.into(),
            ..Usage::default()
        }
    }

    /// How long it waited for a slot.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.admission.queued
    }

    /// The next event, in the order that [`Event`] promises; `None` at the end. Safe to
    /// drop at its await.
    pub async fn next(&mut self) -> Option<Event<'static>> {
        while self.pending.is_empty() && !self.ended {
            let event = self.stream.recv().await;
            self.take(event);
        }
        self.pending.pop_front()
    }

    fn take(&mut self, event: Option<GenEvent>) {
        match event {
            Some(GenEvent::Started { .. }) => {}
            Some(GenEvent::Text(text)) => self.pending.push_back(Event::Delta {
                choice: 0,
                delta: Delta::Text(text.into()),
            }),
            Some(GenEvent::Done {
                reason,
                output_tokens,
            }) => self.finish(reason, output_tokens),
            Some(GenEvent::Failed(error)) => self.fail(error.to_string()),
            None => self.fail("the model was unloaded or its engine failed".to_owned()),
        }
    }

    fn finish(&mut self, reason: StopReason, output_tokens: u32) {
        let (finish, native) = match reason {
            StopReason::Stop => (Finish::Stop, "stop"),
            StopReason::Length => (Finish::Length, "length"),
        };
        self.pending.extend([
            Event::Close { choice: 0 },
            Event::Finish {
                choice: 0,
                finish,
                native: Cow::Borrowed(native),
            },
            Event::Usage(Usage {
                output: output_tokens.into(),
                ..self.prompt()
            }),
        ]);
        self.ended = true;
    }

    fn fail(&mut self, why: String) {
        self.pending.push_back(Event::Error(ProviderError {
            message: Some(why.chars().take(512).collect()),
            code: Some("engine_failed".to_owned()),
        }));
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use crate::error::EngineError;

    use super::*;

    fn told(events: Vec<GenEvent>) -> Vec<Event<'static>> {
        let (sender, stream) = mpsc::channel(8);
        for event in events {
            sender.try_send(event).unwrap();
        }
        drop(sender);
        let title = Title {
            id: "1".to_owned(),
            model: "m".to_owned(),
        };
        let admission = Admission {
            input: 10,
            cached: 4,
            queued: Duration::ZERO,
        };
        let mut generation = Generation::new(stream, None, title, admission, Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut told = Vec::new();
            while let Some(event) = generation.next().await {
                told.push(event);
            }
            told
        })
    }

    fn begun() -> [Event<'static>; 2] {
        [
            Event::Start {
                id: "1".into(),
                model: "m".into(),
            },
            Event::Open {
                choice: 0,
                block: Block::Text,
            },
        ]
    }

    #[test]
    fn an_answer_is_told_in_order_with_its_usage() {
        let told = told(vec![
            GenEvent::Started {
                prompt_tokens: 10,
                cached_tokens: 4,
                queued: Duration::ZERO,
            },
            GenEvent::Text("Hi".to_owned()),
            GenEvent::Done {
                reason: StopReason::Stop,
                output_tokens: 2,
            },
        ]);
        let delta = Event::Delta {
            choice: 0,
            delta: Delta::Text("Hi".into()),
        };
        let finish = Event::Finish {
            choice: 0,
            finish: Finish::Stop,
            native: "stop".into(),
        };
        let usage = Event::Usage(Usage {
            input: 10,
            cached_input: 4,
            output: 2,
            ..Usage::default()
        });
        let rest = [delta, Event::Close { choice: 0 }, finish, usage];
        assert_eq!(told, [&begun()[..], &rest].concat());
    }

    #[test]
    fn an_engine_that_is_lost_is_an_error_and_no_end() {
        for events in [vec![], vec![GenEvent::Failed(EngineError("no".to_owned()))]] {
            let told = told(events);
            assert_eq!(told[..2], begun());
            assert!(matches!(told[2..], [Event::Error(_)]), "{told:?}");
        }
    }
}
