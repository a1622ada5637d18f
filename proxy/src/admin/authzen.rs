//! The `AuthZEN` Authorization API 1.0 over gate 2. What may be asked, and what is
//! answered, is in `lattice_policy::authzen`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use lattice_kernel::Clock as _;
use lattice_policy::{Policy, authzen};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::gateway::Gateway;

/// The largest request body, bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How much of a larger one is read to no purpose, bytes: a connection that is closed
/// over bytes that wait is reset, and its client loses the refusal that it was sent.
const MAX_DISCARDED: usize = 32 * MAX_BODY;

type Answer = fn(&Policy, OffsetDateTime, &[u8]) -> Result<Value, authzen::Problem>;

/// `POST /access/v1/evaluation`.
pub async fn evaluation(State(gateway): State<Arc<Gateway>>, body: Body) -> Response {
    answer(gateway, body, authzen::evaluation).await
}

/// `POST /access/v1/evaluations`.
pub async fn evaluations(State(gateway): State<Arc<Gateway>>, body: Body) -> Response {
    answer(gateway, body, authzen::evaluations).await
}

async fn answer(gateway: Arc<Gateway>, body: Body, answer: Answer) -> Response {
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    // A hundred evaluations, each within its time limit, are too long for a thread that
    // other requests wait for.
    let answered = tokio::task::spawn_blocking(move || {
        answer(&gateway.gates.authorization, gateway.clock.now(), &body)
    });
    match answered.await {
        Ok(Ok(response)) => Json(response).into_response(),
        Ok(Err(problem)) => {
            let status = StatusCode::from_u16(problem.status());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!("{problem}\n")).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an evaluation did not end");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn read(body: Body) -> Result<Vec<u8>, (StatusCode, String)> {
    let mut stream = body.into_data_stream();
    let (mut whole, mut length) = (Vec::new(), 0);
    while length <= MAX_DISCARDED {
        match stream.try_next().await {
            Ok(Some(part)) => {
                length += part.len();
                if length <= MAX_BODY {
                    whole.extend_from_slice(&part);
                }
            }
            Ok(None) => break,
            Err(error) => {
                let problem = format!("the body could not be read: {error}\n");
                return Err((StatusCode::BAD_REQUEST, problem));
            }
        }
    }
    if length > MAX_BODY {
        let problem = format!("the body is over {MAX_BODY} bytes: ask in several requests\n");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, problem));
    }
    Ok(whole)
}

/// `GET /.well-known/authzen-configuration`: URLs under the name that the gateway was
/// reached by.
pub async fn configuration(State(gateway): State<Arc<Gateway>>, head: HeaderMap) -> Response {
    let host = head.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    let Some(authority) = authority else {
        return (StatusCode::BAD_REQUEST, "host: is missing, or no host\n").into_response();
    };
    let encrypted = gateway.tls.iter().any(|tls| tls.listener() == "admin");
    let scheme = if encrypted { "https" } else { "http" };
    let point = format!("{scheme}://{authority}");
    Json(json!({
        "policy_decision_point": point,
        "access_evaluation_endpoint": format!("{point}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{point}/access/v1/evaluations"),
    }))
    .into_response()
}
