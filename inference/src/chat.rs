//! From a canonical request to what an engine takes.

use lattice_dialects::canonical::{
    Effort, Format, Part, Request, Role, Text, ToolChoice, Turn, Unsupported,
};
use serde_json::Number;

use crate::engine::Sampling;
use crate::template::Message;

/// Stop texts of one request; each is looked for in every token.
const MOST_STOPS: usize = 16;
/// Bytes of a stop text.
const LONGEST_STOP: usize = 1024;

/// What a request asks of a local model.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The conversation.
    pub messages: Vec<Message>,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// The caller's cap.
    pub max_new: Option<u32>,
    /// Texts that end the output.
    pub stop: Vec<String>,
    /// Fields that were left out, being hints; for `x-lattice-noted`.
    pub noted: Vec<&'static str>,
}

/// Reads a request.
///
/// What it does not set is llama.cpp's server's default: temperature 0.8, `top_p` 0.95,
/// `top_k` 40, a random seed, no penalties. (That server also drops tokens below a
/// twentieth of the likeliest, `min_p`, which no dialect of ours can switch off.)
///
/// # Errors
/// It asks for what a local model does not do yet; the field is named.
pub fn ask(request: &Request<'_>) -> Result<Ask, Unsupported> {
    refuse(request)?;
    let mut noted = Vec::new();
    if !matches!(request.effort, None | Some(Effort::None)) {
        noted.push("reasoning_effort");
    }
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        let texts = request.system.iter().map(|text| text.text.as_ref());
        messages.push(Message {
            role: "system",
            text: texts.collect::<Vec<_>>().join("\n\n"),
        });
    }
    for turn in &request.turns {
        messages.push(message(turn, &mut noted)?);
    }
    Ok(Ask {
        messages,
        sampling: sampling(request)?,
        max_new: request
            .max_output_tokens
            .map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        stop: stop(request)?,
        noted,
    })
}

/// What no local model does yet.
fn refuse(request: &Request<'_>) -> Result<(), Unsupported> {
    let refuse = |field, why: &str| Err(Unsupported::new(field, why));
    if !request.tools.is_empty() {
        return refuse(
            "tools",
            "local models cannot call tools yet; leave the field out or ask another model",
        );
    }
    if !matches!(
        request.tool_choice,
        None | Some(ToolChoice::Auto | ToolChoice::None)
    ) {
        return refuse(
            "tool_choice",
            "local models cannot call tools yet; leave it out",
        );
    }
    if !matches!(request.format, Format::Text) {
        return refuse(
            "response_format",
            "local models cannot be held to JSON yet; ask for `text`, or another model",
        );
    }
    if request.n > 1 {
        return refuse(
            "n",
            "local models give one choice; send the request again for more",
        );
    }
    Ok(())
}

/// One turn as one message, its texts apart by an empty line.
fn message(turn: &Turn<'_>, noted: &mut Vec<&'static str>) -> Result<Message, Unsupported> {
    let mut texts = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Text(Text { text, .. }) => texts.push(text.as_ref()),
            // It is for its maker alone.
            Part::Reasoning(_) if noted.contains(&"messages.reasoning_details") => {}
            Part::Reasoning(_) => noted.push("messages.reasoning_details"),
            Part::Media(media) => {
                let why = "local models read text alone; leave it out or ask another model";
                return Err(Unsupported::new(media.field, why));
            }
            Part::ToolCall(_) => {
                let why = "local models cannot call tools yet; ask another model";
                return Err(Unsupported::new("messages.tool_calls", why));
            }
            Part::ToolResult(_) => {
                let why = "local models cannot read a tool's result yet; ask another model";
                return Err(Unsupported::new("messages.tool_call_id", why));
            }
        }
    }
    let role = match turn.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Ok(Message {
        role,
        text: texts.join("\n\n"),
    })
}

fn sampling(request: &Request<'_>) -> Result<Sampling, Unsupported> {
    let default = Sampling::default();
    let top_k = request.top_k.map(|k| u32::try_from(k).unwrap_or(u32::MAX));
    Ok(Sampling {
        temperature: number("temperature", &request.temperature, 0.0..=2.0)?
            .unwrap_or(default.temperature),
        top_p: number("top_p", &request.top_p, 0.0..=1.0)?.unwrap_or(default.top_p),
        top_k: top_k.unwrap_or(default.top_k),
        presence_penalty: number("presence_penalty", &request.presence_penalty, -2.0..=2.0)?
            .unwrap_or(default.presence_penalty),
        frequency_penalty: number("frequency_penalty", &request.frequency_penalty, -2.0..=2.0)?
            .unwrap_or(default.frequency_penalty),
        seed: request.seed.map(fold),
    })
}

fn number(
    field: &'static str,
    number: &Option<Number>,
    range: std::ops::RangeInclusive<f32>,
) -> Result<Option<f32>, Unsupported> {
    let Some(number) = number else {
        return Ok(None);
    };
    // Nearest, not exact: these are weights, not counts.
    let value = number.as_f64().map(|value| value as f32);
    match value.filter(|value| range.contains(value)) {
        Some(value) => Ok(Some(value)),
        None => {
            let (least, most) = range.into_inner();
            Err(Unsupported::new(
                field,
                format!("it is from {least} to {most}"),
            ))
        }
    }
}

/// All bits of the seed count.
fn fold(seed: i64) -> u32 {
    let [a, b, c, d, e, f, g, h] = seed.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

fn stop(request: &Request<'_>) -> Result<Vec<String>, Unsupported> {
    let long = request.stop.iter().any(|stop| stop.len() > LONGEST_STOP);
    if long || request.stop.len() > MOST_STOPS {
        let why = format!("at most {MOST_STOPS} texts of {LONGEST_STOP} bytes each");
        return Err(Unsupported::new("stop", why));
    }
    Ok(request.stop.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use lattice_dialects::canonical::{Media, Source, Tool, ToolCall};

    use super::*;

    fn turn<'a>(role: Role, parts: Vec<Part<'a>>) -> Turn<'a> {
        Turn { role, parts }
    }

    fn text(text: &str) -> Part<'_> {
        Part::Text(Text {
            text: text.into(),
            cache: None,
        })
    }

    fn hello<'a>() -> Request<'a> {
        Request {
            turns: vec![turn(Role::User, vec![text("Hello")])],
            n: 1,
            ..Request::default()
        }
    }

    fn refused(request: Request<'_>) -> Cow<'static, str> {
        ask(&request).unwrap_err().field
    }

    #[test]
    fn a_plain_request_gets_the_defaults() {
        let ask = ask(&hello()).unwrap();
        assert_eq!(ask.sampling, Sampling::default());
        assert_eq!((ask.max_new, ask.stop.len(), ask.noted.len()), (None, 0, 0));
    }

    #[test]
    fn settings_are_carried() {
        let number = |value| Number::from_f64(value);
        let ask = ask(&Request {
            temperature: number(0.0),
            top_p: number(0.5),
            top_k: Some(7),
            presence_penalty: number(1.5),
            frequency_penalty: number(-1.0),
            seed: Some(-1 << 32 | 5),
            max_output_tokens: Some(9),
            stop: vec!["END".into()],
            effort: Some(Effort::High),
            ..hello()
        })
        .unwrap();
        let sampling = Sampling {
            temperature: 0.0,
            top_p: 0.5,
            top_k: 7,
            presence_penalty: 1.5,
            frequency_penalty: -1.0,
            seed: Some(!5),
        };
        assert_eq!(ask.sampling, sampling);
        assert_eq!((ask.max_new, ask.stop), (Some(9), vec!["END".to_owned()]));
        assert_eq!(ask.noted, ["reasoning_effort"]);
    }

    #[test]
    fn what_is_not_there_yet_is_refused_by_its_field() {
        let tool = Tool {
            name: "f".into(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        };
        let media = Part::Media(Media {
            source: Source::Url("https://example.com/cat.png".into()),
            field: "messages.content.image_url",
            name: None,
            cache: None,
        });
        let call = Part::ToolCall(ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments: "".into(),
            signature: None,
        });
        let with = |part| Request {
            turns: vec![turn(Role::User, vec![part])],
            ..hello()
        };
        let cases = [
            (
                Request {
                    tools: vec![tool],
                    ..hello()
                },
                "tools",
            ),
            (
                Request {
                    tool_choice: Some(ToolChoice::Required),
                    ..hello()
                },
                "tool_choice",
            ),
            (
                Request {
                    format: Format::JsonObject,
                    ..hello()
                },
                "response_format",
            ),
            (Request { n: 2, ..hello() }, "n"),
            (
                Request {
                    temperature: Number::from_f64(2.5),
                    ..hello()
                },
                "temperature",
            ),
            (
                Request {
                    stop: vec!["x".into(); 17],
                    ..hello()
                },
                "stop",
            ),
            (with(media), "messages.content.image_url"),
            (with(call), "messages.tool_calls"),
        ];
        for (request, field) in cases {
            assert_eq!(refused(request), field);
        }
    }
}
