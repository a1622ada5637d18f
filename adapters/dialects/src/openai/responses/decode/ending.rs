//! How a reply ends: by its last event, or by an error.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::Field;
use super::{CHOICE, Decoder, garbled, parse, wire};
use crate::canonical::{Ended, Event, Finish, Garbled, ProviderError, Sink};
use crate::openai::responses::usage;

impl Decoder {
    /// The reply is complete, or has failed. `named` is its status where it does not
    /// tell one.
    pub(super) fn conclude(
        &mut self,
        response: wire::Response<'_>,
        named: &str,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let status = response.status.as_ref().map_or(named, |status| &*status.0);
        let reason = response.incomplete_details.as_ref();
        let reason = reason.and_then(|details| details.reason.as_ref());
        let (mut finish, native) = match (status, reason.map(|reason| &*reason.0)) {
            ("failed" | "cancelled", _) => {
                let error = response.error.map(ProviderError::read);
                return self.fail(error.unwrap_or_else(|| status_error(status)), sink);
            }
            ("completed", _) => (Finish::Stop, status),
            ("incomplete", Some("max_output_tokens")) => (Finish::Length, "max_output_tokens"),
            ("incomplete", Some("content_filter")) => (Finish::ContentFilter, "content_filter"),
            ("incomplete", reason) => (Finish::Error, reason.unwrap_or(status)),
            _ => return garbled("the response is not complete"),
        };
        self.start(Some(&response), sink);
        self.rest(response.output.as_deref().unwrap_or_default(), sink)?;
        if finish == Finish::Stop && self.calls {
            finish = Finish::ToolCalls;
        }
        let native: String = native.chars().take(64).collect();
        sink(Event::Finish {
            choice: CHOICE,
            finish,
            native: native.into(),
        });
        let tier = response.service_tier.map(RawValue::get);
        let usage = response.usage;
        if let Some(usage) = usage.and_then(|usage| usage::served(usage.get(), tier)) {
            sink(Event::Usage(usage));
        }
        self.ended = Some(Ended::Whole);
        Ok(())
    }

    /// Tells what is only in the final output: all of it, where nothing came before,
    /// else the ends of items that had none.
    fn rest(&mut self, output: &[&RawValue], sink: Sink<'_>) -> Result<(), Garbled> {
        if !self.any {
            for (index, json) in (0..).zip(output) {
                let item: wire::Item<'_> = parse(json.get().as_bytes())?;
                self.item(Some(index), Some(&item), Field::Text);
                self.close(Some(&item), sink)?;
            }
        }
        while let Some(current) = &self.current {
            let place = current.index.and_then(|index| usize::try_from(index).ok());
            let json = place.and_then(|place| output.get(place));
            let item: Option<wire::Item<'_>> =
                json.map(|json| parse(json.get().as_bytes())).transpose()?;
            self.close(item.as_ref(), sink)?;
            self.go_on(sink)?;
        }
        Ok(())
    }

    /// An error by itself: its members stand in an `error`, or beside it, or there is
    /// none.
    pub(super) fn error(&mut self, json: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }
        let wire: Wire<'_> = parse(json)?;
        let beside = || -> Result<ProviderError, Garbled> {
            let mut beside = ProviderError::read(parse(json)?);
            // The type of the event.
            beside.code = beside.code.filter(|code| code != "error");
            Ok(beside)
        };
        let error = match wire.error {
            Some(error) if error.get().starts_with('{') => ProviderError::read(error),
            Some(error) => ProviderError {
                message: ProviderError::read(error).message,
                code: beside()?.code,
            },
            None => beside()?,
        };
        self.fail(error, sink)
    }

    fn fail(&mut self, error: ProviderError, sink: Sink<'_>) -> Result<(), Garbled> {
        self.ended = Some(Ended::Errored);
        sink(Event::Error(error));
        Ok(())
    }
}

fn status_error(status: &str) -> ProviderError {
    ProviderError {
        message: None,
        code: Some(status.to_owned()),
    }
}
