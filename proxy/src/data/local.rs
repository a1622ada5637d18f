//! Models in this process, behind the same trait as providers elsewhere: a
//! generation is an exchange whose bytes are written here, in the caller's
//! dialect.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use lattice_dialects::canonical::{Event, Unsupported};
use lattice_dialects::reply::{Asked, Labels, WriteReply, WriteStream};
use lattice_inference::{Generation, LocalError, LocalModels, Rejected, Scope};
use lattice_kernel::{Clock as _, Code, Dispatch, Gate, Refusal, SystemClock};
use lattice_providers::{
    Asked as Wanted, Exchange, Payload, Provider, Transport, TransportError, UpstreamRequest,
};

use crate::command::CommandError;
use crate::config::providers::Local;
use crate::data::transport::{PingoraExchange, Upstreams};

/// Providers elsewhere over HTTP, models here by their engines.
pub struct Reach {
    http: Upstreams,
    local: HashMap<Arc<str>, LocalModels>,
}

/// A reply from either.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each request, and it lives in the box of its answer"
)]
pub enum AnyExchange {
    /// From elsewhere.
    Http(PingoraExchange),
    /// From here.
    Local(LocalExchange),
}

impl Reach {
    /// Reaches what `http` does, and these models.
    pub fn new(http: Upstreams, local: HashMap<Arc<str>, LocalModels>) -> Self {
        Self { http, local }
    }
}

/// Looks for the models of each provider; loads none.
///
/// # Errors
/// A folder or file of models cannot be read, or this build has no such engine.
pub fn open(local: &[Local]) -> Result<HashMap<Arc<str>, LocalModels>, CommandError> {
    let open = |local: &Local| {
        let models = LocalModels::open(local.options.clone())
            .map_err(|error| CommandError::Failed(format!("providers.{}: {error}", local.name)))?;
        Ok((local.name.as_str().into(), models))
    };
    local.iter().map(open).collect()
}

impl Transport for Reach {
    type Exchange = AnyExchange;

    async fn open(
        &self,
        dispatch: &Dispatch,
        provider: &Provider,
        request: UpstreamRequest,
    ) -> Result<AnyExchange, TransportError> {
        match (&request.payload, self.local.get(&provider.name)) {
            (Payload::Http { .. }, _) => {
                let opened = self.http.open(dispatch, provider, request);
                opened.await.map(AnyExchange::Http)
            }
            (Payload::InProcess, Some(models)) => {
                let begun = begin(models, dispatch, &request);
                let exchange = tokio::time::timeout(provider.timeouts.first_byte, begun)
                    .await
                    .map_err(|_| TransportError::TimedOut("no slot came free".into()))??;
                Ok(AnyExchange::Local(exchange))
            }
            (Payload::InProcess, None) => Err(TransportError::Unreached(
                "this provider has no models in this process".into(),
            )),
        }
    }
}

/// Waits until the model has taken the prompt.
async fn begin(
    models: &LocalModels,
    dispatch: &Dispatch,
    request: &UpstreamRequest,
) -> Result<LocalExchange, TransportError> {
    let UpstreamRequest {
        body,
        target,
        scope,
        ..
    } = request;
    let refused = |error| TransportError::Refused(refusal(&target.provider, &target.model, error));
    let Wanted::Generation(inbound) = &body.asked else {
        let why = "an engine in this process generates, and nothing else".to_owned();
        return Err(TransportError::Unreached(why));
    };
    // What the engine lacks is told in the words of the caller's API.
    let spelled = |error: LocalError| match error {
        LocalError::Unsupported(Unsupported { field, why }) => {
            let field = inbound.api().spell(&field).into_owned();
            refused(LocalError::Unsupported(Unsupported::new(field, why)))
        }
        error => refused(error),
    };
    let canonical = inbound.canonical().map_err(LocalError::Unsupported);
    let mut canonical = canonical.map_err(refused)?;
    if body.cap_output {
        canonical
            .max_output_tokens
            .get_or_insert(target.max_output_tokens);
    }
    let scope = Scope(scope.as_u128());
    let generation = models.chat(dispatch, &target.model, &canonical, scope);
    let generation = generation.await.map_err(spelled)?;
    let labels = Labels {
        id: dispatch.request_id().simple().to_string(),
        created: u64::try_from(SystemClock.now().unix_timestamp()).unwrap_or_default(),
        model: target.model.to_string(),
    };
    // Usage is always told; whoever passes it on knows whether it was asked.
    let writers = inbound.writers(labels, Asked::Yes);
    let dropped = canonical.dropped.iter().map(|field| &**field);
    let noted = dropped.chain(generation.noted().iter().copied());
    Ok(LocalExchange {
        noted: noted.map(Into::into).collect(),
        writing: if canonical.stream {
            Writing::Stream(writers.stream)
        } else {
            Writing::Whole(writers.whole)
        },
        generation,
    })
}

/// What the caller is told of a model that does not answer.
fn refusal(provider: &str, model: &str, error: LocalError) -> Refusal {
    let refuse = |code, message: String| Refusal::new(Gate::Execution, code, message);
    let said = format!("{error} (model {model:?} of provider {provider:?})");
    match error {
        LocalError::Unsupported(Unsupported { field, why }) => {
            refuse(Code::CallerUnsupported, format!("{why} (provider {provider:?})")).field(field)
        }
        LocalError::UnknownModel(_) => refuse(Code::CallerUnknownModel, said).field("model"),
        LocalError::Rejected(Rejected::QueueFull { retry_after }) => {
            refuse(Code::LimitQueue, said).retry_after(retry_after)
        }
        LocalError::Rejected(Rejected::TooLong { .. }) => {
            refuse(Code::CallerUnsupported, said).field("messages")
        }
        LocalError::Rejected(Rejected::Gone) => refuse(Code::ProviderError, said),
        LocalError::Engine(error) => refuse(
            Code::ProviderError,
            format!("The model {model:?} of provider {provider:?} cannot be run; `lattice doctor` says why."),
        )
        .because(error.to_string()),
    }
}

/// A generation on its way to a caller.
pub struct LocalExchange {
    generation: Generation,
    writing: Writing,
    noted: Vec<Box<str>>,
}

enum Writing {
    Stream(Box<dyn WriteStream>),
    Whole(Box<dyn WriteReply>),
    Done,
}

impl LocalExchange {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            let event = self.generation.next().await;
            if let Some(Event::Error(error)) = event {
                let why = error.message.unwrap_or_default();
                return Err(TransportError::Broken(why));
            }
            let written = match (&mut self.writing, event) {
                (Writing::Stream(encoder), Some(event)) => {
                    encoder.event(&event, &mut |_| None);
                    encoder.take()
                }
                (Writing::Whole(encoder), Some(event)) => {
                    encoder.event(&event);
                    Bytes::new()
                }
                (_, None) => return Ok(self.end()),
                (Writing::Done, Some(_)) => Bytes::new(),
            };
            if !written.is_empty() {
                return Ok(Some(written));
            }
        }
    }

    fn end(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.writing, Writing::Done) {
            Writing::Stream(mut encoder) => {
                encoder.end(&mut |_| None);
                Some(encoder.take())
            }
            Writing::Whole(encoder) => Some(encoder.finish(&mut |_| None)),
            Writing::Done => None,
        }
    }

    fn headers(&self) -> &HeaderMap {
        match self.writing {
            Writing::Stream(_) => &EVENTS,
            Writing::Whole(_) | Writing::Done => &JSON,
        }
    }
}

static EVENTS: LazyLock<HeaderMap> = LazyLock::new(|| content("text/event-stream"));
static JSON: LazyLock<HeaderMap> = LazyLock::new(|| content("application/json"));

fn content(kind: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
}

impl Exchange for AnyExchange {
    fn status(&self) -> u16 {
        match self {
            Self::Http(exchange) => exchange.status(),
            Self::Local(_) => 200,
        }
    }

    fn headers(&self) -> &HeaderMap {
        match self {
            Self::Http(exchange) => exchange.headers(),
            Self::Local(exchange) => exchange.headers(),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        match self {
            Self::Http(exchange) => exchange.next().await,
            Self::Local(exchange) => exchange.next().await,
        }
    }

    async fn finish(self) {
        match self {
            Self::Http(exchange) => exchange.finish().await,
            Self::Local(_) => {}
        }
    }

    fn noted(&self) -> &[Box<str>] {
        match self {
            Self::Http(exchange) => exchange.noted(),
            Self::Local(exchange) => &exchange.noted,
        }
    }
}
