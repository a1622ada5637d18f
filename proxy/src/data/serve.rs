//! One request, from its head to the end of its reply.

use std::time::Instant;

use http::StatusCode;
use http::header::{ALLOW, UPGRADE};
use lattice_kernel::pipeline;
use lattice_kernel::{Clock, Code, Dialect, Draft, Gate, Head, Refusal};
use percent_encoding::percent_decode_str;
use pingora::protocols::http::ServerSession;

use crate::data::arrival::{self, Gone, Opening};
use crate::data::credential;
use crate::data::forward;
use crate::data::listing::Listing;
use crate::data::respond;
use crate::data::routes::{self, NoRoute, Route, Wanted};
use crate::data::stream;
use crate::gateway::{Gateway, GatewayReply, Patience};
use crate::metrics::RequestEnded;
use crate::tls::Shown;

/// What the data of a request are classified as, where its caller says so.
const CLASSIFICATION: &str = "x-lattice-classification";

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request may follow.
    Keep,
    /// The body was not read to its end: drop the rest, then close.
    Linger,
    /// Nothing more can be said on it.
    Close,
}

/// Serves the request whose head `session` has read; `shown` is of its connection.
pub async fn serve(gateway: &Gateway, session: &mut ServerSession, shown: Option<&Shown>) -> After {
    let request = session.req_header();
    let route = match routes::find(&request.method, request.uri.path()) {
        // There are clients that try this first and, told so, go on over HTTP at once.
        Err(NoRoute::Method("POST")) if request.headers.contains_key(UPGRADE) => {
            Err(NoRoute::WebSocket)
        }
        route => route,
    };
    let dialect = match &route {
        Ok(Route::Ask(wanted)) => wanted.what.dialect(),
        _ => dialect_of(session),
    };
    let mut draft = Draft::new(dialect, gateway.clock.now(), Instant::now());
    let served = match route {
        Ok(Route::Ask(wanted)) => {
            draft.action = wanted.what.action();
            let opening = opening_of(session, shown, wanted);
            ask(gateway, session, &mut draft, opening).await
        }
        Ok(Route::Models) => {
            let head = head_of(session, shown);
            models(gateway, session, &mut draft, head, None).await
        }
        Ok(Route::Model(id)) => {
            let id = decoded(id);
            let head = head_of(session, shown);
            models(gateway, session, &mut draft, head, Some(&id)).await
        }
        Err(no_route) => lost(session, &draft, &no_route).await,
    };
    match served {
        Ok(after) => after,
        // The client's side broke while we wrote; there is nobody to tell.
        Err(_) => After::Close,
    }
}

/// What the head of a request tells.
fn opening_of(session: &ServerSession, shown: Option<&Shown>, wanted: Wanted<'_>) -> Opening {
    let Wanted {
        what,
        model,
        stream,
    } = wanted;
    Opening {
        head: head_of(session, shown),
        what,
        model: model.map(decoded),
        stream,
        classification: label_of(session),
        forwarded: forward::of(session, what.dialect()),
    }
}

/// What the caller says of its data. Several labels are one that no policy knows, not
/// the first of them, which may be the lower one.
fn label_of(session: &ServerSession) -> Option<Box<str>> {
    let labels = session.req_header().headers.get_all(CLASSIFICATION);
    let labels: Vec<_> = labels
        .iter()
        .map(|label| String::from_utf8_lossy(label.as_bytes()))
        .collect();
    (!labels.is_empty()).then(|| labels.join(", ").into())
}

/// Clients encode the slash of `provider/model`.
fn decoded(id: &str) -> String {
    percent_decode_str(id).decode_utf8_lossy().into_owned()
}

/// Whose client this is, where the path does not tell: its own headers do.
fn dialect_of(session: &ServerSession) -> Dialect {
    let has = |name: &str| session.get_header(name).is_some();
    if has("x-goog-api-key") || has("x-goog-api-client") {
        Dialect::Gemini
    } else if has("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}

async fn ask(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &mut Draft,
    opening: Opening,
) -> pingora::Result<After> {
    let presence = draft.presence.clone();
    let (arrival, conduit) = arrival::connect(
        session,
        opening,
        (&gateway.catalog, &gateway.books),
        gateway.max_body,
        presence,
    );
    let replied = tokio::select! {
        biased;
        replied = pipeline::govern(&gateway.gates, draft, arrival) => replied,
        // Dropping the pipeline cancels the upstream and closes the record.
        Err(Gone) = conduit.run() => {
            gateway.metrics.request_ended(&RequestEnded::client_gone(draft));
            return Ok(After::Close);
        }
        () = gateway.until(Patience::Over) => Err(stopped(gateway, draft)),
    };
    match replied {
        Ok(GatewayReply::Answer(answer)) => stream::pass_on(gateway, session, draft, *answer).await,
        Ok(GatewayReply::Rejected(rejected)) => {
            gateway
                .metrics
                .request_ended(&RequestEnded::with_outcome(draft, &rejected.outcome));
            stream::reject(session, draft, &rejected).await
        }
        Ok(GatewayReply::Failed(failure)) => {
            gateway
                .metrics
                .request_ended(&RequestEnded::with_outcome(draft, &failure.outcome));
            refuse(session, draft, &failure.refusal).await
        }
        Err(refusal) => {
            gateway
                .metrics
                .request_ended(&RequestEnded::refused(draft, &refusal));
            refuse(session, draft, &refusal).await
        }
    }
}

/// The refusal of a request that outlives the gateway. Where its intent is on
/// record, dropping the pipeline has closed it; otherwise this leaves the leaf.
fn stopped(gateway: &Gateway, draft: &Draft) -> Refusal {
    if draft.laps().any(|(gate, _)| gate == Gate::Audit) {
        return respond::stopping();
    }
    pipeline::refused(&gateway.gates, draft, respond::stopping())
}

/// `GET /v1/models`, or the one of them that is named.
async fn models(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &mut Draft,
    head: Head,
    id: Option<&str>,
) -> pingora::Result<After> {
    let catalog = gateway.catalog.now();
    let listed = pipeline::list(&gateway.gates, draft, &head, catalog.models()).await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(refusal) => {
            gateway
                .metrics
                .request_ended(&RequestEnded::refused(draft, &refusal));
            return refuse(session, draft, &refusal).await;
        }
    };
    let listing = Listing::new(draft.dialect, gateway.started_at);
    let body = match id {
        None => {
            let query = session.req_header().uri.query().unwrap_or_default();
            listing.page(&listed, query)
        }
        Some(id) => match listed.into_iter().find(|name| *name == id) {
            Some(id) => listing.one(id),
            None => {
                draft.asks_for(id);
                let refusal = pipeline::refused(&gateway.gates, draft, Refusal::unknown_model(id));
                gateway
                    .metrics
                    .request_ended(&RequestEnded::refused(draft, &refusal));
                return refuse(session, draft, &refusal).await;
            }
        },
    };
    let head = respond::head(200, draft.request_id)?;
    respond::json(session, head, body.into()).await?;
    Ok(end_of(session))
}

async fn lost(
    session: &mut ServerSession,
    draft: &Draft,
    no_route: &NoRoute,
) -> pingora::Result<After> {
    let (status, message) = match no_route {
        NoRoute::Path => (StatusCode::NOT_FOUND, routes::ELSEWHERE.to_owned()),
        NoRoute::WebSocket => (
            StatusCode::UPGRADE_REQUIRED,
            "This route is not offered over a WebSocket; send a POST, streamed if you like."
                .to_owned(),
        ),
        NoRoute::Method(wanted) => (
            StatusCode::METHOD_NOT_ALLOWED,
            format!("This route wants {wanted}."),
        ),
    };
    let refusal = Refusal::new(Gate::Intake, Code::CallerUnsupported, message);
    session.set_keepalive(None);
    let mut head = respond::head(status.as_u16(), draft.request_id)?;
    match no_route {
        NoRoute::Path => {}
        NoRoute::Method(wanted) => head.insert_header(ALLOW, *wanted)?,
        // The status asks for the name of what is spoken instead.
        NoRoute::WebSocket => head.insert_header(UPGRADE, "HTTP/1.1")?,
    }
    let id = draft.request_id.to_string();
    let error = respond::error_body(&refusal, status.as_u16(), &id);
    let body = respond::api_of(draft.dialect).render_error(&error);
    respond::json(session, head, body.into()).await?;
    Ok(After::Linger)
}

async fn refuse(
    session: &mut ServerSession,
    draft: &Draft,
    refusal: &Refusal,
) -> pingora::Result<After> {
    if let Some(detail) = refusal.detail() {
        tracing::warn!(request_id = %draft.request_id, code = refusal.code.as_str(), detail, "request refused");
    }
    let after = end_of(session);
    if after == After::Linger {
        session.set_keepalive(None);
    }
    respond::refusal(session, draft, refusal).await?;
    Ok(after)
}

/// A connection is fit for another request only if this one's body is out of it.
pub fn end_of(session: &mut ServerSession) -> After {
    if session.is_body_done() {
        After::Keep
    } else {
        After::Linger
    }
}

/// What tells who asks.
fn head_of(session: &ServerSession, shown: Option<&Shown>) -> Head {
    let request = session.req_header();
    let source = session
        .client_addr()
        .and_then(|address| address.as_inet())
        .map(|address| address.ip());
    Head {
        credential: credential::of(&request.headers, request.uri.query()),
        certificate: shown.map(|shown| shown.certificate().clone()),
        distrust: shown.and_then(|shown| shown.stands().err()),
        source,
    }
}
