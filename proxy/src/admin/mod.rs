//! The admin listener: health, readiness, metrics, and decisions for others. Start
//! reading at [`routes`], the table.

mod authzen;
pub mod key;
pub mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use lattice_kernel::Clock as _;
use lattice_policy::log::Sink as _;
use lattice_providers::{Condition, Health};
use metrics::{counter, gauge};
use serde::Serialize;
use tokio::time::Instant;

use crate::admin::routes::Endpoint;
use crate::background::in_time;
use crate::books::{self, State as LimitState};
use crate::gateway::Gateway;
use crate::metrics::budgets::Standing;

/// The routes.
pub fn router(gateway: Arc<Gateway>) -> Router {
    routes::router(&gateway.admin_key, handler).with_state(gateway)
}

fn handler(endpoint: Endpoint) -> MethodRouter<Arc<Gateway>> {
    match endpoint {
        Endpoint::Health => get(|| async { "ok\n" }),
        Endpoint::Readiness => get(ready),
        Endpoint::Metrics => get(metrics),
        Endpoint::AuthzenConfiguration => get(authzen::configuration),
        Endpoint::AuthzenEvaluation => post(authzen::evaluation),
        Endpoint::AuthzenEvaluations => post(authzen::evaluations),
    }
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    parts: BTreeMap<&'static str, Part>,
}

#[derive(Serialize)]
struct Part {
    ok: bool,
    state: String,
}

impl Part {
    fn of(state: Result<String, String>) -> Self {
        match state {
            Ok(state) => Self { ok: true, state },
            Err(state) => Self { ok: false, state },
        }
    }
}

/// The truth, part by part. A database that is away does not make the gateway
/// unready as such: keys that it knows are served, and records wait on disk.
async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let database = in_time(gateway.store.ping())
        .await
        .map(|()| "answers".into());
    let pending = gateway.journal.pending();
    let journal = gateway.journal.state();
    let serves = journal.is_ok() && !gateway.is_stopping();
    let mut parts = BTreeMap::from([
        ("database", Part::of(database)),
        (
            "journal",
            Part::of(
                journal
                    .map(|()| format!("{pending} leaves wait for the database"))
                    .map_err(|error| error.to_string()),
            ),
        ),
        (
            "listener",
            Part::of(if gateway.is_stopping() {
                Err("stopping".into())
            } else {
                Ok("accepts".into())
            }),
        ),
        (
            "policy",
            Part::of(Ok(format!(
                "revision {}",
                gateway.gates.authorization.set().revision()
            ))),
        ),
        ("providers", providers(&gateway)),
    ]);
    // Clients refuse a certificate that has ended; the listener itself still serves.
    parts.extend(gateway.tls.iter().map(|tls| {
        let part = match tls.listener() {
            "admin" => "tls_admin",
            _ => "tls_clients",
        };
        (part, Part::of(tls.state()))
    }));
    // A provider that is away keeps its own users out, at the worst; keys are served.
    parts.extend(token_issuers(&gateway).map(|part| ("oidc", part)));
    let status = if serves {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Ready {
            ready: serves,
            parts,
        }),
    )
        .into_response()
}

/// The providers, and the targets that are left alone because they failed. That
/// does not make the gateway unready: it says so itself, and may have others.
fn providers(gateway: &Gateway) -> Part {
    let now = Instant::now();
    let targets = gateway.gates.execution.health.targets(now);
    let unwell = targets.iter().filter_map(|target| {
        let state = match target.condition {
            Condition::Closed => return None,
            Condition::HalfOpen => "half-open".to_owned(),
            Condition::Open { until } => {
                let wait = until.saturating_duration_since(now).as_secs();
                format!("open, next probe in {wait} s")
            }
        };
        Some(format!("{}/{} ({state})", target.provider, target.model))
    });
    let unwell: Vec<String> = unwell.collect();
    Part::of(if unwell.is_empty() {
        Ok(format!(
            "configured, not probed: {}",
            gateway.providers.join(", ")
        ))
    } else {
        Err(format!("breakers: {}", unwell.join(", ")))
    })
}

/// Where tokens are served: the keys of each issuer, and how long they could not be had.
fn token_issuers(gateway: &Gateway) -> Option<Part> {
    let standings = gateway.gates.identity.tokens.standings();
    let (mut states, mut well) = (Vec::new(), true);
    for (issuer, standing) in standings {
        let keys = match (standing.keys, standing.confirmed) {
            (Some(keys), Some(ago)) => format!("{keys} keys, fetched {} s ago", ago.as_secs()),
            (None, Some(ago)) => format!("keys too old to count, fetched {} s ago", ago.as_secs()),
            (_, None) => "no keys yet".to_owned(),
        };
        let failing = standing.failing.map_or_else(String::new, |span| {
            format!(", cannot be fetched for {} s", span.as_secs())
        });
        well &= standing.failing.is_none();
        states.push(format!("{issuer}: {keys}{failing}"));
    }
    let state = states.join("; ");
    (!states.is_empty()).then(|| Part::of(if well { Ok(state) } else { Err(state) }))
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    observe(&gateway).await;
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        gateway.metrics.render(),
    )
}

/// What is read off at the moment of a scrape, because it changes elsewhere.
async fn observe(gateway: &Gateway) {
    observe_decisions(gateway);
    counter!("lattice_audit_dropped_total").absolute(gateway.journal.unrecorded());
    observe_targets(&gateway.gates.execution.health);
    gauge!("lattice_audit_pending").set(float(gateway.journal.pending()));
    gauge!("lattice_requests_active").set(float(gateway.activity.running() as u64));
    // What all gateways have spent is in the store; without it the last figures stand.
    let limits = gateway.books.ledger.limits();
    let limits = limits.iter().map(|limit| limit.as_ref().clone()).collect();
    let asked = books::states(&gateway.store, limits, gateway.clock.now());
    if let Ok(states) = in_time(asked).await {
        let standings = states.iter().map(|LimitState { limit, usage }| {
            let usage = usage.unwrap_or_default();
            Standing {
                limit,
                spent: usage.spent.unwrap_or(usage.used),
                reserved: usage.reserved.unwrap_or_default(),
            }
        });
        gateway.metrics.budgets.show(standings);
    }
}

fn observe_decisions(gateway: &Gateway) {
    let counts = gateway.gates.authorization.counts();
    for (result, count) in [
        ("hit", counts.hits),
        ("miss", counts.misses),
        ("bypass", counts.bypasses),
    ] {
        counter!("lattice_authz_cache_total", "result" => result).absolute(count);
    }
    for (result, count) in [
        ("match", counts.shadow_matches),
        ("mismatch", counts.shadow_mismatches),
        ("error", counts.shadow_errors),
        ("skipped", counts.shadow_skipped),
    ] {
        counter!("lattice_authz_shadow_total", "result" => result).absolute(count);
    }
    counter!("lattice_authz_failures_total").absolute(counts.failures);
    counter!("lattice_authz_swaps_total").absolute(counts.swaps);
    if let Some(log) = &gateway.decision_log {
        counter!("lattice_decision_log_dropped_total").absolute(log.dropped());
    }
}

/// Label values come from configuration: models that it does not list are `other`.
fn observe_targets(health: &Health) {
    for target in health.targets(Instant::now()) {
        let labels = [
            ("provider", target.provider.to_string()),
            ("model", target.model.to_string()),
        ];
        let state = match target.condition {
            Condition::Closed => 0.0,
            Condition::HalfOpen => 1.0,
            Condition::Open { .. } => 2.0,
        };
        gauge!("lattice_target_state", &labels).set(state);
        gauge!("lattice_target_in_flight", &labels).set(f64::from(target.in_flight));
    }
    for (provider, attempted, count) in health.attempts() {
        let labels = [
            ("provider", provider.to_string()),
            ("result", attempted.as_str().to_owned()),
        ];
        counter!("lattice_attempts_total", &labels).absolute(count);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point by nature"
)]
fn float(count: u64) -> f64 {
    count as f64
}
