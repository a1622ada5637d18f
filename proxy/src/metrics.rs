//! Metrics: each fact is a struct, each handle is made once. Label values come
//! from configuration and the store, never from a request, and are capped.

pub mod budgets;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lattice_kernel::{
    Action, Code, Dialect, Draft, Ending, Gate, NanoUsd, Outcome, Refusal, Usage,
};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;

use crate::catalog::Catalog;
use crate::metrics::budgets::Budgets;

/// Teams that get a series of their own; the others share `other`.
const MOST_TEAMS: usize = 1000;
const OTHER: &str = "other";
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
const SMALL_SECONDS: &[f64] = &[
    1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0,
];
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
];

/// A request is over, one way or another.
pub struct RequestEnded<'a> {
    draft: &'a Draft,
    outcome: &'static str,
    code: &'static str,
    call: Option<&'a Outcome>,
}

impl<'a> RequestEnded<'a> {
    /// A gate said no.
    pub fn refused(draft: &'a Draft, refusal: &Refusal) -> Self {
        Self {
            draft,
            outcome: "refused",
            code: refusal.code.as_str(),
            call: None,
        }
    }

    /// The client left before there was a reply.
    pub fn client_gone(draft: &'a Draft) -> Self {
        Self {
            draft,
            outcome: Ending::ClientGone.as_str(),
            code: "none",
            call: None,
        }
    }

    /// A target was called.
    pub fn with_outcome(draft: &'a Draft, outcome: &'a Outcome) -> Self {
        let code = match outcome.ending {
            Ending::Failed(code) => code.as_str(),
            Ending::Rejected => Code::ProviderRejected.as_str(),
            Ending::Cut => Code::ProviderError.as_str(),
            _ => "none",
        };
        Self {
            draft,
            outcome: outcome.ending.as_str(),
            code,
            call: Some(outcome),
        }
    }
}

/// Every handle of the data path.
pub struct Metrics {
    exporter: PrometheusHandle,
    requests: HashMap<RequestLabels, Counter>,
    gates: [Histogram; Gate::COUNT],
    overhead: Histogram,
    streams: Gauge,
    /// Calls of a reply that were kept from its caller.
    tools_refused: Counter,
    targets: HashMap<(Arc<str>, Arc<str>), Operations>,
    other: Operations,
    /// What is left of limits, set at each scrape.
    pub budgets: Budgets,
    /// USD. A gauge that only rises, because the library's counters are whole numbers.
    costs: RwLock<HashMap<CostLabels, Gauge>>,
}

/// Dialect, outcome, code.
type RequestLabels = (&'static str, &'static str, &'static str);

/// Provider, model, team.
type CostLabels = (Arc<str>, Arc<str>, Box<str>);

/// The series of one target, by what it is asked to do. Most targets do one thing
/// alone, and a series that nothing happens in is not made.
struct Operations {
    labels: [(&'static str, String); 2],
    series: [OnceLock<TargetSeries>; Action::ALL.len()],
}

impl Operations {
    fn new(provider: &str, model: &str) -> Self {
        Self {
            labels: [
                ("gen_ai_provider_name", provider.to_owned()),
                ("gen_ai_request_model", model.to_owned()),
            ],
            series: Default::default(),
        }
    }

    fn of(&self, action: Action) -> &TargetSeries {
        self.series[action as usize].get_or_init(|| {
            let [provider, model] = self.labels.clone();
            let operation = match action {
                Action::Infer => "chat",
                Action::Embed => "embeddings",
                Action::CountTokens => "count_tokens",
            };
            TargetSeries::new([
                provider,
                model,
                ("gen_ai_operation_name", operation.to_owned()),
            ])
        })
    }
}

struct TargetSeries {
    input: Histogram,
    output: Histogram,
    duration: Histogram,
    first_token: Histogram,
    per_token: Histogram,
}

/// A stream that runs; the gauge falls when it is dropped.
pub struct Streaming(Gauge);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Metrics {
    /// Installs the recorder of this process and makes the handles for `catalog`.
    ///
    /// # Errors
    /// There is a recorder already.
    pub fn install(catalog: &Catalog) -> Result<Self, metrics_exporter_prometheus::BuildError> {
        let exporter = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("token_usage".into()), TOKENS)?
            .set_buckets_for_metric(Matcher::Prefix("lattice_".into()), SMALL_SECONDS)?
            .set_buckets(SECONDS)?
            .install_recorder()?;
        // They count what is rare: a series that began with its first event would hide it
        // from a rate.
        for result in ["taken", "refused"] {
            let _at_zero = counter!("lattice_policy_reloads_total", "result" => result);
        }
        let endings = [
            Ending::Finished,
            Ending::Rejected,
            Ending::ClientGone,
            Ending::Cut,
            Ending::Dropped,
        ];
        let failed = Ending::Failed(Code::LatticeInternal).as_str();
        let outcomes = endings
            .iter()
            .map(|ending| ending.as_str())
            .chain(["refused", failed]);
        let requests = outcomes.flat_map(|outcome| {
            let codes = Code::ALL.iter().map(|code| code.as_str()).chain(["none"]);
            codes
                .flat_map(move |code| Dialect::ALL.map(|dialect| (dialect.as_str(), outcome, code)))
        });
        let catalog = catalog.now();
        let targets = catalog
            .models()
            .flat_map(|(_, plan)| plan.targets().to_vec());
        Ok(Self {
            exporter,
            requests: requests
                .map(|(dialect, outcome, code)| {
                    let counter = counter!("lattice_requests_total", "dialect" => dialect, "outcome" => outcome, "code" => code);
                    ((dialect, outcome, code), counter)
                })
                .collect(),
            gates: Gate::ALL.map(|gate| histogram!("lattice_gate_duration_seconds", "gate" => gate.as_str())),
            overhead: histogram!("lattice_overhead_seconds"),
            streams: gauge!("lattice_streams_active"),
            tools_refused: counter!("lattice_tools_refused_total"),
            targets: targets
                .map(|target| {
                    let series = Operations::new(&target.provider, &target.model);
                    ((target.provider.clone(), target.model.clone()), series)
                })
                .collect(),
            other: Operations::new(OTHER, OTHER),
            budgets: Budgets::default(),
            costs: RwLock::default(),
        })
    }

    /// Counts a request that is over.
    pub fn request_ended(&self, ended: &RequestEnded<'_>) {
        let labels = (ended.draft.dialect.as_str(), ended.outcome, ended.code);
        if let Some(counter) = self.requests.get(&labels) {
            counter.increment(1);
        }
        let mut overhead = Duration::ZERO;
        for (gate, lap) in ended.draft.laps() {
            self.gates[gate as usize].record(lap);
            // The body comes at the client's pace; that is not ours.
            if gate != Gate::Intake {
                overhead += lap;
            }
        }
        self.overhead.record(overhead);
        if let Some(call) = ended.call {
            self.call_ended(ended.draft, call);
        }
    }

    fn call_ended(&self, draft: &Draft, call: &Outcome) {
        self.tools_refused.increment(call.rulings.refused.into());
        let (Some(provider), Some(model)) = (&call.provider, &call.model) else {
            return;
        };
        let known = self.targets.get(&(provider.clone(), model.clone()));
        known.unwrap_or(&self.other).of(draft.action).record(call);
        if let Some(cost) = call.cost {
            let model = if known.is_some() {
                model.clone()
            } else {
                OTHER.into()
            };
            let team = draft.principal.as_ref().and_then(|who| who.team.as_ref());
            self.cost(
                provider.clone(),
                model,
                team.map_or("none", |team| &team.name),
                cost,
            );
        }
    }

    fn cost(&self, provider: Arc<str>, model: Arc<str>, team: &str, cost: NanoUsd) {
        let key = (provider, model, Box::from(team));
        let known = self.costs.read().get(&key).cloned();
        known
            .unwrap_or_else(|| self.cost_series(key))
            .increment(cost.as_usd());
    }

    fn cost_series(&self, key: CostLabels) -> Gauge {
        let mut costs = self.costs.write();
        let (provider, model, team) = key;
        let team = if costs.len() < MOST_TEAMS {
            team
        } else {
            OTHER.into()
        };
        let labels = [
            ("provider", provider.to_string()),
            ("model", model.to_string()),
            ("team", team.to_string()),
        ];
        let series = || gauge!("lattice_cost_usd_total", &labels);
        costs
            .entry((provider, model, team))
            .or_insert_with(series)
            .clone()
    }

    /// A stream begins.
    pub fn stream_started(&self) -> Streaming {
        self.streams.increment(1.0);
        Streaming(self.streams.clone())
    }

    /// Folds the samples of histograms into their buckets. Until then each takes
    /// memory, so this must be called even where nobody scrapes.
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }

    /// All series, in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.upkeep();
        self.exporter.render()
    }
}

impl TargetSeries {
    fn new(labels: [(&'static str, String); 3]) -> Self {
        let tokens = |class: &'static str| {
            let [provider, model, operation] = labels.clone();
            histogram!(
                "gen_ai_client_token_usage",
                &[
                    provider,
                    model,
                    operation,
                    ("gen_ai_token_type", class.to_owned())
                ]
            )
        };
        Self {
            input: tokens("input"),
            output: tokens("output"),
            duration: histogram!("gen_ai_client_operation_duration_seconds", &labels),
            first_token: histogram!("gen_ai_server_time_to_first_token_seconds", &labels),
            per_token: histogram!("gen_ai_server_time_per_output_token_seconds", &labels),
        }
    }

    fn record(&self, call: &Outcome) {
        self.duration.record(call.duration);
        if let Some(first) = call.first_byte {
            self.first_token.record(first);
        }
        let Some(Usage { input, output, .. }) = call.usage else {
            return;
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "token counts stay far below 2^53"
        )]
        let (input, output) = (input as f64, output as f64);
        self.input.record(input);
        self.output.record(output);
        if let Some(first) = call.first_byte
            && output > 1.0
        {
            self.per_token
                .record(call.duration.saturating_sub(first).as_secs_f64() / (output - 1.0));
        }
    }
}
