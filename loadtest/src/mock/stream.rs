//! A streamed completion, produced as the connection asks for it: a client
//! that does not read stops the generation, and its bill with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use super::behaviour::Behaviour;
use super::chat::{Completion, DONE, error_event};
use super::fault::Fault;
use super::ledger::{Ending, Ticket};
use super::wire::Breaker;

/// Where the stream stands: what is written next.
#[derive(Clone, Copy)]
enum Next {
    Role {
        choice: u64,
    },
    /// The token with this number, over all choices; or the end of the text.
    Content {
        token: u64,
    },
    Finish {
        choice: u64,
    },
    Usage,
    Done,
    /// Break the connection; what was written has been flushed.
    Break,
    End,
}

pub(super) struct ChatStream {
    completion: Completion,
    behaviour: Behaviour,
    next: Next,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Tokens below this number have waited.
    waited: u64,
    ticket: Ticket,
    breaker: Breaker,
}

impl ChatStream {
    pub(super) fn new(
        completion: Completion,
        behaviour: Behaviour,
        ticket: Ticket,
        breaker: Breaker,
    ) -> Self {
        Self {
            completion,
            behaviour,
            next: Next::Role { choice: 0 },
            waiting: None,
            waited: 0,
            ticket,
            breaker,
        }
    }

    fn role(&mut self, choice: u64) -> Bytes {
        self.next = match choice + 1 {
            next if next < self.completion.choices => Next::Role { choice: next },
            _ => Next::Content { token: 0 },
        };
        self.completion.role_event(choice)
    }

    fn content(&mut self, token: u64) -> Bytes {
        self.ticket.bill_output(1);
        self.next = Next::Content { token: token + 1 };
        let choices = self.completion.choices;
        self.completion
            .content_event(token % choices, token / choices)
    }

    fn finish(&mut self, choice: u64) -> Bytes {
        self.next = match choice + 1 {
            next if next < self.completion.choices => Next::Finish { choice: next },
            _ if self.completion.usage => Next::Usage,
            _ => Next::Done,
        };
        self.completion.finish_event(choice)
    }

    fn poll_wait(&mut self, token: u64, cx: &mut Context<'_>) -> Poll<()> {
        if token >= self.waited {
            self.waited = token + 1;
            let wait = self.behaviour.wait_before(token, self.completion.choices);
            if !wait.is_zero() {
                self.waiting = Some(Box::pin(tokio::time::sleep(wait)));
            }
        }
        if let Some(sleep) = &mut self.waiting {
            ready!(sleep.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    /// The fault that is due once this many tokens were written.
    fn poll_fault(&mut self, tokens: u64, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let due = |fault: &Fault| fault.after() == Some(tokens);
        match self.behaviour.fault.filter(due) {
            None => Poll::Ready(None),
            Some(Fault::ErrorEventAfter(_)) => {
                self.ticket.end(Ending::Faulted);
                self.next = Next::End;
                Poll::Ready(Some(error_event()))
            }
            Some(Fault::ResetAfter(_) | Fault::TruncateAfter(_)) => {
                // hyper drops what it has not flushed when a body fails; a body
                // that has nothing to say makes it flush first.
                self.next = Next::Break;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            // The connection wakes itself when the client leaves.
            Some(_) => Poll::Pending,
        }
    }

    fn break_off(&mut self) -> io::Error {
        self.ticket.end(Ending::Faulted);
        self.next = Next::End;
        if matches!(self.behaviour.fault, Some(Fault::ResetAfter(_))) {
            self.breaker.trip();
        }
        io::Error::other("ordered fault")
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let event = match self.next {
            Next::Role { choice } => self.role(choice),
            Next::Content { token } => match ready!(self.poll_fault(token, cx)) {
                Some(event) => event,
                None if token == self.completion.completion_tokens() => self.finish(0),
                None => {
                    ready!(self.poll_wait(token, cx));
                    self.content(token)
                }
            },
            Next::Finish { choice } => self.finish(choice),
            Next::Usage => {
                self.next = Next::Done;
                self.completion.usage_event()
            }
            Next::Done => {
                self.ticket.end(Ending::Finished);
                self.next = Next::End;
                DONE
            }
            Next::Break => return Poll::Ready(Some(Err(self.break_off()))),
            Next::End => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(event)))
    }
}

impl Body for ChatStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_event(cx)
            .map(|event| event.map(|event| event.map(Frame::data)))
    }
}
