//! How a request goes wrong, when it is told to.

use std::fmt;
use std::str::FromStr;

/// A fault that one request meets. `…After(n)` counts content chunks, over all
/// choices; a reply that is shorter than `n` ends well.
///
/// In a reply that is not streamed, `HangAfter` sends no header, `ResetAfter`
/// and `TruncateAfter` break off in the middle of the body, and
/// `ErrorEventAfter` answers 500 after the tokens were billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and an error object, and bills nothing, as
    /// providers do.
    Status(u16),
    /// Reads the request and never answers.
    HangHeader,
    /// Reads the request and resets the connection.
    ResetHeader,
    /// Keeps the connection open and sends no more.
    HangAfter(u64),
    /// Resets the TCP connection.
    ResetAfter(u64),
    /// Closes the connection without the end of the chunked body.
    TruncateAfter(u64),
    /// Sends an error event, and ends the body without `[DONE]`.
    ErrorEventAfter(u64),
    /// Ends well, but never reports usage.
    NoUsage,
}

impl Fault {
    /// The content chunks after which it strikes, where it waits for some.
    pub(super) fn after(self) -> Option<u64> {
        match self {
            Self::HangAfter(chunks)
            | Self::ResetAfter(chunks)
            | Self::TruncateAfter(chunks)
            | Self::ErrorEventAfter(chunks) => Some(chunks),
            Self::Status(_) | Self::HangHeader | Self::ResetHeader | Self::NoUsage => None,
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text
            .split_once(':')
            .map_or((text, None), |(name, argument)| (name, Some(argument)));
        let count = || {
            argument
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| format!("fault {name} wants a number: {name}:5"))
        };
        match (name, argument) {
            ("status", _) => status(argument),
            ("hang_header", None) => Ok(Self::HangHeader),
            ("reset_header", None) => Ok(Self::ResetHeader),
            ("hang_after", _) => count().map(Self::HangAfter),
            ("reset_after", _) => count().map(Self::ResetAfter),
            ("truncate_after", _) => count().map(Self::TruncateAfter),
            ("error_event_after", _) => count().map(Self::ErrorEventAfter),
            ("no_usage", None) => Ok(Self::NoUsage),
            _ => Err(format!("unknown fault {text}")),
        }
    }
}

fn status(argument: Option<&str>) -> Result<Fault, String> {
    argument
        .and_then(|digits| digits.parse().ok())
        .filter(|code| (400..=599).contains(code))
        .map(Fault::Status)
        .ok_or_else(|| "fault status wants 400 to 599: status:429".to_owned())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "status:{code}"),
            Self::HangHeader => f.write_str("hang_header"),
            Self::ResetHeader => f.write_str("reset_header"),
            Self::HangAfter(chunks) => write!(f, "hang_after:{chunks}"),
            Self::ResetAfter(chunks) => write!(f, "reset_after:{chunks}"),
            Self::TruncateAfter(chunks) => write!(f, "truncate_after:{chunks}"),
            Self::ErrorEventAfter(chunks) => write!(f, "error_event_after:{chunks}"),
            Self::NoUsage => f.write_str("no_usage"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for fault in [
            Fault::Status(429),
            Fault::HangHeader,
            Fault::ResetHeader,
            Fault::HangAfter(0),
            Fault::ResetAfter(5),
            Fault::TruncateAfter(7),
            Fault::ErrorEventAfter(1),
            Fault::NoUsage,
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn a_fault_that_does_not_exist_is_named() {
        for wrong in [
            "",
            "status",
            "status:200",
            "reset_after",
            "hang_after:x",
            "no_usage:1",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong} was taken");
        }
    }
}
