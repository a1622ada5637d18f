//! One streamed chat request over the loopback, as any OpenAI client sends it.

use bytes::Bytes;
use lattice_dialects::sse::{Frame, Framer};
use lattice_kernel::Secret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::CommandError;

/// What is asked.
pub const QUESTION: &str = "What is the capital of France? Answer in one sentence.";
/// Tokens of the answer, at the most.
const LONGEST: u32 = 200;

/// What came of the request.
pub struct Asked {
    /// Its name in every record.
    pub request_id: Uuid,
    /// Time that the gates took, in microseconds.
    pub overhead_us: String,
}

/// Sends the question and hands each piece of the answer to `piece`.
pub fn stream(
    url: &str,
    key: &Secret,
    model: &str,
    piece: impl Fn(&str),
) -> Result<Asked, CommandError> {
    let body = json!({
        "model": model,
        "stream": true,
        "max_tokens": LONGEST,
        "temperature": 0,
        "messages": [{ "role": "user", "content": QUESTION }],
    });
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut response = agent
        .post(url)
        .header("Authorization", &format!("Bearer {}", key.expose()))
        .header("Content-Type", "application/json")
        .send(body.to_string())
        .map_err(failed)?;
    let status = response.status();
    if status != 200 {
        let text = response.body_mut().read_to_string().map_err(failed)?;
        return Err(CommandError::Failed(format!(
            "the request was answered with {status}: {text}"
        )));
    }
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let asked = Asked {
        request_id: header("x-request-id").parse().unwrap_or_default(),
        overhead_us: header("x-lattice-overhead-us"),
    };
    read(response.body_mut().as_reader(), piece)?;
    Ok(asked)
}

fn read(mut reader: impl std::io::Read, piece: impl Fn(&str)) -> Result<(), CommandError> {
    let mut framer = Framer::default();
    let mut buffer = [0; 4096];
    let mut error = None;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        framer.push(Bytes::copy_from_slice(&buffer[..count]), |frame| {
            let Frame::Event(event) = frame else { return };
            let Some(data) = event.data() else { return };
            let chunk: Value = serde_json::from_slice(&data).unwrap_or_default();
            if let Some(text) = chunk["choices"][0]["delta"]["content"].as_str() {
                piece(text);
            }
            if let Some(message) = chunk["error"]["message"].as_str() {
                error = Some(message.to_owned());
            }
        });
    }
    error.map_or(Ok(()), |message| Err(CommandError::Failed(message)))
}

fn failed(error: ureq::Error) -> CommandError {
    CommandError::Failed(format!("the gateway could not be asked: {error}"))
}
