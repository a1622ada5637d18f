//! What ships in `deploy/` holds for a gateway that runs: each panel of each dashboard
//! shows data of it, each alert rule is evaluated over it, and none names a metric that
//! it does not have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::http1::Recorder;
use harness::prometheus::{Prometheus, deploy, program};
use harness::{Gateway, Upstream, ask, config, eventually, post};
use regex::Regex;
use serde_json::{Value, json};

/// Requests may not offer the tool `shell`, and replies may not call it.
const POLICY: &str = r#"package lattice.authz

decision := {"allow": true, "deny": deny, "obligations": []}

deny contains {"code": "policy_tool", "msg": "No shell is offered here; take it out."} if "shell" in input.context.tools

deny contains {"code": "policy_tool", "msg": "Do without a shell."} if {
	input.action.name == "tool.call"
	input.resource.id == "shell"
}
"#;

/// A dashboard, by the name of its file.
struct Dashboard {
    name: String,
    json: Value,
}

impl Dashboard {
    fn all() -> Vec<Self> {
        let files = std::fs::read_dir(deploy().join("grafana")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let files = files.filter(|file| file.extension().is_some_and(|end| end == "json"));
        let mut all: Vec<Self> = files
            .map(|file| Self {
                name: file.file_name().unwrap().to_str().unwrap().to_owned(),
                json: serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap(),
            })
            .collect();
        all.sort_by(|one, next| one.name.cmp(&next.name));
        assert!(!all.is_empty(), "no dashboards in {}", deploy().display());
        all
    }

    fn elements(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    /// All but headings.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.elements().iter();
        panels.filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    /// Name, metric and label of what a reader may choose among.
    fn choices(&self) -> impl Iterator<Item = (&str, String, String)> {
        let asked = Regex::new(r"^label_values\((\w+),(\w+)\)$").unwrap();
        let variables = self.variables().iter().filter(|one| one["type"] == "query");
        variables.map(move |variable| {
            let query = variable["query"]["query"].as_str().unwrap();
            let [metric, label] = asked.captures(query).unwrap().extract().1;
            let name = variable["name"].as_str().unwrap();
            (name, metric.to_owned(), label.to_owned())
        })
    }

    /// Every query: its panel's title, its expression and its legend.
    fn queries(&self) -> impl Iterator<Item = Query<'_>> {
        self.panels().flat_map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            targets.map(|target| Query {
                panel: panel["title"].as_str().unwrap(),
                expression: target["expr"].as_str().unwrap(),
                legend: target["legendFormat"].as_str().unwrap(),
            })
        })
    }
}

struct Query<'a> {
    panel: &'a str,
    expression: &'a str,
    legend: &'a str,
}

impl Query<'_> {
    /// As Grafana sends it: `values` in place of variables, the longest name first.
    fn filled(&self, values: &[(&str, &str)]) -> String {
        let times = [("__rate_interval", "1m"), ("__range", "5m")];
        let mut values: Vec<_> = values.iter().chain(&times).collect();
        values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut filled = self.expression.to_owned();
        for (name, value) in values {
            filled = filled.replace(&format!("${name}"), value);
        }
        // `$1` is what a regular expression has caught.
        let left = filled.replace("\"$1\"", "");
        assert!(!left.contains('$'), "{}: {filled}", self.panel);
        filled
    }

    /// What is wrong with the answer of Prometheus.
    fn fault(&self, series: &[Value]) -> Option<String> {
        let number = |one: &Value| {
            let value = one["value"][1].as_str().unwrap();
            value.parse::<f64>().unwrap().is_finite()
        };
        if !series.iter().any(number) {
            return Some(format!("no data: {series:?}"));
        }
        let labels = Regex::new(r"\{\{(\w+)\}\}").unwrap();
        let named: Vec<&str> = labels
            .captures_iter(self.legend)
            .map(|caught| caught.extract::<1>().1[0])
            .collect();
        let bare = |one: &&Value| named.iter().any(|label| !one["metric"][label].is_string());
        let found = series.iter().find(bare);
        found.map(|one| format!("{one} has no {named:?} for the legend"))
    }
}

/// A gateway, what stands behind it, and who asks.
struct Served {
    gateway: Gateway,
    research: String,
    sales: String,
    broke: String,
    _upstream: Upstream,
    _caller: Recorder,
}

impl Served {
    fn start() -> Self {
        let upstream = Upstream::start();
        let caller = Recorder::answering([127, 0, 0, 1].into(), tool_call());
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let price = "price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }";
        let more = format!(
            "  tools: {{ kind: openai_compatible, base_url: http://{} }}\n\
             \x20 gone: {{ kind: openai_compatible, base_url: http://{} }}\n\
             models:\n\
             \x20 - {{ name: mock, targets: [ {{ provider: mock, model: mock, {price} }} ] }}\n\
             \x20 - {{ name: slow, targets: [ {{ provider: mock, model: 'mock?delay_ms=5', {price} }} ] }}\n\
             \x20 - {{ name: caller, targets: [ {{ provider: tools, model: m, {price} }} ] }}\n\
             \x20 - {{ name: gone, targets: [ {{ provider: gone, model: m }} ] }}\n\
             budgets:\n\
             \x20 - {{ scope: {{ team: research }}, window: month, limit_usd: 500, mode: hard }}\n\
             \x20 - {{ scope: {{ team: sales }}, window: month, limit_usd: 0.00002, mode: soft }}\n\
             \x20 - {{ scope: {{ team: broke }}, window: day, limit_usd: 0, mode: hard }}\n\
             policy: {{ dir: ./policies, decision_log: {{ file: ./decisions.jsonl }} }}\n",
            format_args!("{}/v1", caller.address),
            format_args!("{}/v1", nobody.local_addr().unwrap()),
        );
        drop(nobody);
        let mut gateway = Gateway::prepare(&config(&upstream, &more), &[]);
        let policies = gateway.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("authz.rego"), POLICY).unwrap();
        gateway.launch();
        let [research, sales, broke] = ["research", "sales", "broke"].map(|team| {
            gateway.lattice(&["team", "create", team]);
            gateway.key(team, &["--team", team])
        });
        Self {
            gateway,
            research,
            sales,
            broke,
            _upstream: upstream,
            _caller: caller,
        }
    }

    /// A little of everything; returns how many requests it was.
    fn round(&self) -> usize {
        let tool = |name: &str| {
            format!(r#","tools":[{{"type":"function","function":{{"name":"{name}"}}}}]"#)
        };
        let chats = [
            (&*self.research, ask("mock", ""), 200),
            (&self.research, ask("slow", r#","stream":true"#), 200),
            (&self.research, ask("caller", &tool("search")), 200),
            (&self.sales, ask("mock", ""), 200),
            // Refused by intake, identity, authorization (twice) and constraints.
            (&self.sales, "{".to_owned(), 400),
            ("lat_nobody", ask("mock", ""), 401),
            (&self.sales, ask("nowhere", ""), 404),
            (&self.sales, ask("mock", &tool("shell")), 403),
            (&self.broke, ask("mock", ""), 402),
        ];
        for (key, body, status) in &chats {
            let reply = self.gateway.chat(key, body);
            assert_eq!(reply.status, *status, "{body}: {}", reply.body);
        }
        // No connection at first; later it is left alone.
        let failed = self.gateway.chat(&self.sales, &ask("gone", ""));
        assert!(failed.code().starts_with("provider_"), "{}", failed.body);
        let claude = json!({"model": "mock", "max_tokens": 5,
            "messages": [{"role": "user", "content": "Say something."}]});
        let url = self.gateway.url("/v1/messages");
        let reply = post(&url, Some(&self.sales), &claude.to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
        chats.len() + 2
    }
}

/// A model that wants a shell.
fn tool_call() -> String {
    let call = json!({"id": "call_0", "type": "function",
        "function": {"name": "shell", "arguments": "{\"cmd\":\"ls\"}"}});
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "tool_calls": [call]}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}})
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn every_panel_shows_data_and_every_alert_is_evaluated() {
    let served = Served::start();
    let gateway = &served.gateway;
    let prometheus = Prometheus::start(&gateway.admin);
    let mut asked = 0;
    // A rate wants events between scrapes, and a trend wants several.
    for _ in 0..4 {
        asked += served.round();
        let seen = format!("sum(lattice_requests_total) == {asked}");
        eventually(Duration::from_secs(20), &seen, || {
            !prometheus.series(&seen).is_empty()
        });
    }
    panels_show_data(&prometheus, &gateway.admin);
    numbers_are_true(&prometheus, asked / 4);
    alerts_are_evaluated(&prometheus);
    metrics_are_known(&gateway.metrics());
}

/// Once with everything that may be chosen, and once with one choice of each.
fn panels_show_data(prometheus: &Prometheus, instance: &str) {
    let chosen = [
        ("instance", instance),
        ("team", "research"),
        ("provider", "mock"),
        ("model", "mock"),
    ];
    let all = chosen.map(|(name, value)| match name {
        // Grafana names each gateway, so that only they count.
        "instance" => (name, value),
        _ => (name, ".*"),
    });
    let (mut panels, mut queries, mut faults) = (0, 0, Vec::new());
    let end = Instant::now() + Duration::from_secs(60);
    for dashboard in Dashboard::all() {
        for (name, metric, label) in dashboard.choices() {
            let wanted = chosen.iter().find(|(known, _)| *known == name);
            let (_, wanted) = wanted.unwrap_or_else(|| panic!("nothing is chosen for {name}"));
            let found = prometheus.values_of(&label, &metric);
            assert!(
                found.iter().any(|value| value == wanted),
                "{name}: {found:?}"
            );
        }
        panels += dashboard.panels().count();
        for query in dashboard.queries() {
            for values in [all, chosen] {
                let expression = query.filled(&values);
                queries += 1;
                while let Some(fault) = query.fault(&prometheus.series(&expression)) {
                    if Instant::now() > end {
                        let place = format!("{}, {:?}", dashboard.name, query.panel);
                        faults.push(format!("{place}: {expression}: {fault}"));
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(500));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{queries} queries of {panels} panels, each with data");
}

/// Some of what the panels are made of, against what was asked `each` round.
fn numbers_are_true(prometheus: &Prometheus, each: usize) {
    let labels = |label: &str, expression: &str| -> BTreeSet<String> {
        let series = prometheus.series(expression);
        let values = series.iter().map(|one| one["metric"][label].as_str());
        values.map(|value| value.unwrap().to_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let teams = labels("team", "sum by (team) (lattice_cost_usd_total) > 0");
    assert_eq!(teams, set(&["research", "sales"]));
    let faults = labels(
        "fault",
        r#"sum by (fault) (label_replace(lattice_requests_total{code!="none"}, "fault", "$1", "code", "([a-z]+)_.*")) > 0"#,
    );
    let whose: BTreeSet<String> = set(&["caller", "identity", "policy", "limit", "provider"]);
    assert_eq!(faults, whose);
    let one = |expression: &str| prometheus.series(expression).len();
    assert_eq!(one("lattice_tools_refused_total == 4"), 1);
    assert_eq!(one("lattice_streams_active == 0"), 1);
    assert_eq!(
        one(&format!(
            "sum(lattice_overhead_seconds_count) / 4 == {each}"
        )),
        1
    );
    let spent = r#"sum(lattice_cost_usd_total{team="research"}) - on() lattice_budget_usd{scope="team:research:month",state="spent"}"#;
    assert_eq!(
        one(&format!("abs({spent}) < 1e-12")),
        1,
        "{:?}",
        prometheus.series(spent)
    );
}

fn alerts_are_evaluated(prometheus: &Prometheus) {
    let shipped = std::fs::read_to_string(deploy().join("prometheus/alerts.yml")).unwrap();
    let written = shipped.matches("- alert: ").count();
    let state = |name: &str| {
        let rules = prometheus.rules();
        let rule = rules.iter().find(|rule| rule["name"] == name);
        rule.unwrap_or_else(|| panic!("no {name}"))["state"].clone()
    };
    eventually(Duration::from_secs(20), "every rule is evaluated", || {
        let rules = prometheus.rules();
        assert_eq!(rules.len(), written);
        for rule in &rules {
            assert_ne!(rule["health"], "err", "{rule}");
        }
        rules.iter().all(|rule| rule["health"] == "ok")
    });
    // `sales` has spent its budget and `gone` never answers; the gateway itself is well.
    for name in ["LatticeBudgetNearlySpent", "LatticeProviderDown"] {
        eventually(Duration::from_secs(20), name, || state(name) != "inactive");
    }
    for name in ["LatticeDown", "LatticeOwnErrors", "LatticeAuditDropped"] {
        assert_eq!(state(name), "inactive", "{name}");
    }
    println!("{written} alert rules, each evaluated");
}

/// Labels that begin like metrics.
const LABELS: [&str; 4] = [
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_operation_name",
    "gen_ai_token_type",
];

fn metrics_are_known(exposed: &str) {
    let exposed = exposed.lines();
    let mut known: BTreeSet<&str> = exposed
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    known.extend(LABELS);
    let mut texts = vec![std::fs::read_to_string(deploy().join("prometheus/alerts.yml")).unwrap()];
    for dashboard in Dashboard::all() {
        texts.extend(dashboard.queries().map(|query| query.expression.to_owned()));
        texts.extend(dashboard.choices().map(|(_, metric, _)| metric));
    }
    // In quotes are codes, values and sentences.
    let quoted = Regex::new("\"[^\"]*\"").unwrap();
    let name = Regex::new(r"\b(?:lattice|gen_ai)_[a-z_]+").unwrap();
    let (mut named, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for text in &texts {
        for found in name.find_iter(&quoted.replace_all(text, "")) {
            named.insert(found.as_str().to_owned());
            if !known.contains(found.as_str()) {
                unknown.insert(found.as_str().to_owned());
            }
        }
    }
    assert!(unknown.is_empty(), "/metrics does not show {unknown:?}");
    println!("{} names of metrics and labels, each known", named.len());
}

#[test]
fn alerts_are_told_when_they_should_be_and_not_before() {
    let folder = deploy().join("prometheus");
    for check in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let mut promtool = Command::new(program("promtool"));
        let output = promtool.args(check).current_dir(&folder).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "promtool {check:?}: {said}");
    }
}

/// Of Grafana 10.4 and 11; later ones bring older dashboards up to their own.
const SCHEMA: u64 = 39;
const KINDS: [&str; 6] = [
    "bargauge",
    "row",
    "stat",
    "state-timeline",
    "table",
    "timeseries",
];
const UNITS: [&str; 7] = [
    "currencyUSD",
    "d",
    "ops",
    "percentunit",
    "reqps",
    "s",
    "short",
];

#[test]
fn dashboards_are_such_as_grafana_reads() {
    let dashboards = Dashboard::all();
    let uids: BTreeSet<_> = dashboards
        .iter()
        .map(|one| one.json["uid"].to_string())
        .collect();
    assert_eq!(uids.len(), dashboards.len(), "{uids:?}");
    for dashboard in &dashboards {
        let json = &dashboard.json;
        let name = &dashboard.name;
        assert_eq!(json["schemaVersion"], SCHEMA, "{name}");
        assert!(json["id"].is_null(), "{name}: Grafana gives ids itself");
        for text in ["uid", "title", "description", "refresh"] {
            assert!(
                json[text].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {text}"
            );
        }
        let source = &dashboard.variables()[0];
        assert_eq!(
            [&source["name"], &source["type"], &source["query"]],
            ["datasource", "datasource", "prometheus"]
        );
        let ids: BTreeSet<_> = dashboard
            .elements()
            .iter()
            .map(|one| one["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids.len(), dashboard.elements().len(), "{name}");
        do_not_overlap(dashboard);
        dashboard.panels().for_each(panel_is_whole);
        dashboard.choices().for_each(drop);
    }
}

#[track_caller]
fn panel_is_whole(panel: &Value) {
    let ours = json!({"type": "prometheus", "uid": "${datasource}"});
    assert!(KINDS.contains(&panel["type"].as_str().unwrap()), "{panel}");
    assert_eq!(panel["datasource"], ours, "{panel}");
    for text in ["title", "description"] {
        assert!(
            panel[text].as_str().is_some_and(|text| !text.is_empty()),
            "{panel}"
        );
    }
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
    assert!(UNITS.contains(&unit), "{panel}");
    assert!(panel["options"].is_object() && panel["fieldConfig"]["overrides"].is_array());
    let targets = panel["targets"].as_array().unwrap();
    let references: BTreeSet<_> = targets
        .iter()
        .map(|one| one["refId"].as_str().unwrap())
        .collect();
    assert!(
        !targets.is_empty() && references.len() == targets.len(),
        "{panel}"
    );
    for target in targets {
        assert_eq!(target["datasource"], ours, "{panel}");
        // One value, or a line over time: a bar of a whole history shows its end alone.
        let line = matches!(
            panel["type"].as_str(),
            Some("timeseries" | "state-timeline")
        );
        assert_eq!(
            (&target["range"], &target["instant"]),
            (&line.into(), &(!line).into()),
            "{panel}"
        );
    }
}

/// Each element has a place of its own on the 24 columns.
fn do_not_overlap(dashboard: &Dashboard) {
    let mut taken = BTreeSet::new();
    for element in dashboard.elements() {
        let at = |name: &str| element["gridPos"][name].as_u64().unwrap();
        let (x, y, width, height) = (at("x"), at("y"), at("w"), at("h"));
        assert!(width > 0 && height > 0 && x + width <= 24, "{element}");
        for cell in (y..y + height).flat_map(|row| (x..x + width).map(move |column| (row, column)))
        {
            assert!(
                taken.insert(cell),
                "{}: {} lies on another",
                dashboard.name,
                element["title"]
            );
        }
    }
}
