//! A reply of another dialect on its way back to a caller of this one.

use bytes::Bytes;

use super::{Price, Verdict, WriteReply, WriteStream, Writers};
use crate::canonical::{Decode, Ended, Event, Garbled, Keeper, Kept, ProviderError, Usage};
use crate::error::ErrorBody;
use crate::sse::{Frame, Framer};

/// The longest event that is read, in bytes: Gemini sends whole calls in one, and
/// one that is passed over unread would be lost.
const MAX_EVENT: usize = 1024 * 1024;

/// Reads one reply with a decoder and writes it in the caller's dialect. It stands
/// where [`Relay`](super::Relay) stands for upstreams of that dialect, with one
/// difference: an error event of the provider is not passed on but told by
/// [`provider_error`](Self::provider_error), and whoever drives this writes it,
/// with its own mark, by [`error_event`](Self::error_event). So every stream that
/// is not [`Verdict::Finished`] needs one.
///
/// Holds an event of at most 1 MiB, what its decoder holds, and 256 KiB of
/// [keepsakes](Self::keepsakes).
#[derive(Debug)]
pub struct Translator {
    framer: Framer,
    decoder: Box<dyn Decode>,
    whole: Option<Box<dyn WriteReply>>,
    told: Told,
}

/// What has been told so far, and what was written of it.
#[derive(Debug)]
struct Told {
    writer: Box<dyn WriteStream>,
    keeper: Keeper,
    usage: Option<Usage>,
    error: Option<ProviderError>,
    garbled: Option<Garbled>,
    /// It was a limit of ours that was met, and no fault of the provider's.
    exceeded: bool,
    ended: Option<Ended>,
    omitted: u32,
}

impl Translator {
    /// For one reply that `decoder` can read, to be written by one of `writers`.
    #[must_use]
    pub fn new(decoder: Box<dyn Decode>, writers: Writers) -> Self {
        Self {
            framer: Framer::with_limit(MAX_EVENT),
            decoder,
            whole: Some(writers.whole),
            told: Told {
                writer: writers.stream,
                keeper: Keeper::default(),
                usage: None,
                error: None,
                garbled: None,
                exceeded: false,
                ended: None,
                omitted: 0,
            },
        }
    }

    /// Takes one read from the upstream and appends to `out` what the caller gets
    /// for it. After a failure that is nothing.
    pub fn push(&mut self, chunk: Bytes, price: Price<'_>, out: &mut Vec<Bytes>) {
        let Self {
            framer,
            decoder,
            told,
            ..
        } = self;
        framer.push(chunk, |frame| told.frame(&frame, decoder.as_mut(), price));
        told.flush(out);
    }

    /// The upstream has ended.
    pub fn finish(&mut self, price: Price<'_>, out: &mut Vec<Bytes>) {
        let Self {
            framer,
            decoder,
            told,
            ..
        } = self;
        framer.finish(|frame| match &frame {
            // No half of an event is read.
            Frame::Event(event) if !event.is_complete() && !event.is_whole() => {}
            _ => told.frame(&frame, decoder.as_mut(), price),
        });
        if told.reads() {
            let ended = decoder.end(&mut |event| told.event(&event, price));
            told.ended = Some(ended);
            if ended == Ended::Whole && told.reads() {
                told.writer.end(price);
            }
        }
        told.flush(out);
    }

    /// Translates a reply that came in one piece; its usage is told beside it.
    ///
    /// # Errors
    /// [`Garbled`] when it cannot be read, or is an error in spite of its status:
    /// then [`provider_error`](Self::provider_error) has it.
    pub fn whole(
        &mut self,
        body: &[u8],
        price: Price<'_>,
    ) -> Result<(Bytes, Option<Usage>), Garbled> {
        let Some(mut reply) = self.whole.take() else {
            return Err(Garbled("it was read before".into()));
        };
        let told = &mut self.told;
        self.decoder.whole(body, &mut |event| {
            told.note(&event);
            reply.event(&event);
        })?;
        if let Some(error) = &told.error {
            let words = error.message.as_deref();
            return Err(Garbled(words.unwrap_or("an error").to_owned()));
        }
        told.omitted = reply.omitted();
        Ok((reply.finish(price), told.usage))
    }

    /// How the stream ended, if this is its end.
    #[must_use]
    pub fn ended(&self) -> Verdict {
        match (&self.told.error, &self.told.garbled, self.told.ended) {
            (Some(_), ..) => Verdict::Errored,
            (None, None, Some(Ended::Whole)) => Verdict::Finished,
            _ => Verdict::Cut,
        }
    }

    /// What the stream used; only once it has ended as it must.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let usage = self.told.usage;
        usage.filter(|_| self.ended() == Verdict::Finished)
    }

    /// The provider's own error, which the caller has not been told.
    #[must_use]
    pub fn provider_error(&self) -> Option<&ProviderError> {
        self.told.error.as_ref()
    }

    /// Why the stream could not be read on, for the log.
    #[must_use]
    pub fn garbled(&self) -> Option<&Garbled> {
        self.told.garbled.as_ref()
    }

    /// Whether that is for a limit of the gateway's own.
    #[must_use]
    pub fn exceeded(&self) -> bool {
        self.told.exceeded
    }

    /// The event that tells the caller of a failure after the first byte, as the
    /// last.
    #[must_use]
    pub fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        self.told.writer.error_event(error).into()
    }

    /// What is to be given back to the provider with the results of the calls that
    /// were made, should the caller's client lose it.
    pub fn keepsakes(&mut self) -> Vec<Kept> {
        self.told.keeper.take()
    }

    /// How many blocks had no form in the caller's dialect.
    #[must_use]
    pub fn omitted(&self) -> u32 {
        self.told.omitted + self.told.writer.omitted()
    }

    /// Bytes that wait for the end of their event.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framer.held()
    }
}

impl Told {
    /// Whether anything that comes is still read.
    fn reads(&self) -> bool {
        self.error.is_none() && self.garbled.is_none()
    }

    fn frame(&mut self, frame: &Frame, decoder: &mut dyn Decode, price: Price<'_>) {
        if !self.reads() {
            return;
        }
        let read = match frame {
            Frame::Event(event) => match event.data() {
                Some(data) => {
                    decoder.event(event.name(), &data, &mut |event| self.event(&event, price))
                }
                None => Ok(()),
            },
            Frame::Oversize { raw, last } => {
                decoder.oversize(raw, *last, &mut |event| self.event(&event, price))
            }
        };
        if let Err(garbled) = read {
            self.exceeded = matches!(frame, Frame::Oversize { .. });
            self.garbled = Some(garbled);
        }
    }

    fn event(&mut self, event: &Event<'_>, price: Price<'_>) {
        self.note(event);
        self.writer.event(event, price);
        if self.writer.is_full() {
            let why = "longer than a stream of the caller's dialect may be";
            self.garbled.get_or_insert_with(|| Garbled(why.into()));
            self.exceeded = true;
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        self.keeper.event(event);
        match event {
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.error = Some(error.clone()),
            _ => {}
        }
    }

    fn flush(&mut self, out: &mut Vec<Bytes>) {
        let written = self.writer.take();
        if !written.is_empty() {
            out.push(written);
        }
    }
}
