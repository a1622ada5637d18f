//! Prices of a file that is replaced under a running gateway, what the audit keeps of
//! them, and the commands that read it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::Duration;

use harness::{Gateway, Upstream, ask, config, eventually};
use serde_json::Value;

/// Looked at twice a second, and believed after two equal looks.
const SOON: Duration = Duration::from_secs(10);

/// 3 words in, 8 tokens out.
fn book(version: &str, input: &str) -> String {
    format!(
        r#"{{"version":"{version}","prices":[{{"id":"contract","provider":"mock","model":"mock*","usd_per_mtok":{{"input":{input},"output":2}}}}]}}"#
    )
}

#[test]
fn a_price_file_is_taken_over_whole_or_not_at_all_and_costs_stay_explained() {
    let upstream = Upstream::start();
    let more = "prices: { file: ./prices.json }\nmodels:\n  - { name: mock, targets: [ { provider: mock, model: mock } ] }\n";
    let mut gateway = Gateway::prepare(&config(&upstream, more), &[]);
    let file = gateway.path().join("prices.json");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(&book("one", "1"));
    gateway.launch();
    let key = gateway.key("client", &[]);
    let cost = || {
        let reply = gateway.chat(&key, &ask("mock", ""));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let cost = reply.header("x-lattice-cost-usd").map(str::to_owned);
        (
            cost.unwrap(),
            reply.header("x-request-id").unwrap().to_owned(),
        )
    };
    let counted = |result: &str, count: u32| {
        let line = format!("lattice_price_reloads_total{{result=\"{result}\"}} {count}");
        eventually(SOON, &line, || gateway.metrics().contains(&line));
    };
    let (at_one, first) = cost();
    assert_eq!(at_one, "0.000019");

    write(
        r#"{"prices":[{"provider":"mock","model":"mock","usd_per_mtok":{"input":-1,"output":2}}]}"#,
    );
    counted("refused", 1);
    assert!(
        gateway
            .log()
            .contains("prices[0].usd_per_mtok.input: -1 is no rate"),
        "{}",
        gateway.log()
    );
    assert_eq!(cost().0, at_one, "the last good one keeps serving");

    write(&book("two", "5"));
    counted("taken", 1);
    let (at_five, second) = cost();
    assert_eq!(at_five, "0.000031");

    gateway.shipped();
    for (request, total, version) in [(&first, at_one, "one"), (&second, at_five, "two")] {
        let explained = gateway.lattice(&["cost", "explain", request, "--json"]);
        let explained: Value = serde_json::from_str(&explained).unwrap();
        assert_eq!(explained["cost_usd"], total, "{explained}");
        assert_eq!(explained["estimated"], false);
        assert_eq!(explained["bill"]["price"], "contract");
        let of = explained["bill"]["version"].as_str().unwrap();
        assert!(
            of.starts_with(&format!("prices.json {version} sha256:")),
            "{of}"
        );
        let lines = explained["bill"]["lines"].as_array().unwrap();
        assert_eq!(lines.len(), 2, "{explained}");
        let sum: i64 = lines
            .iter()
            .map(|line| line["cost_nano_usd"].as_i64().unwrap())
            .sum();
        assert_eq!(Some(sum), explained["cost_nano_usd"].as_i64());
        for line in lines {
            let at = |name: &str| line[name].as_u64().unwrap();
            let nano = (at("count") * at("rate_pico_usd")).div_ceil(1000);
            assert_eq!(nano, at("cost_nano_usd"), "{line}");
        }
    }
    let shown = gateway.lattice(&["cost", "explain", &second]);
    for said in [
        "contract (prices.json two",
        "output",
        "0.000031",
        "as the provider counted",
    ] {
        assert!(shown.contains(said), "{said} is not in {shown}");
    }
    let nobody = gateway.cli(&["cost", "explain", "00000000-0000-7000-8000-000000000000"]);
    assert_eq!(nobody.status.code(), Some(1));

    let list = gateway.lattice(&["model", "list"]);
    assert!(list.contains("prices.json two sha256:"), "{list}");

    reconciled(&gateway);
}

/// Three requests of today: twice 19,000 and once 31,000 nano-USD; 3 × 3 tokens in and
/// 3 × 8 out.
fn reconciled(gateway: &Gateway) {
    let audit = gateway.path().join("audit.jsonl");
    let export = gateway.lattice(&["audit", "export"]);
    std::fs::write(&audit, &export).unwrap();
    let outcome = export
        .lines()
        .find(|line| line.contains(r#""kind":"outcome""#));
    let outcome: Value = serde_json::from_str(outcome.unwrap()).unwrap();
    let day = &outcome["leaf"]["at"].as_str().unwrap()[..10];
    let run = |csv: &str, more: &[&str]| {
        let file = gateway.path().join("export.csv");
        std::fs::write(&file, csv).unwrap();
        let (file, audit) = (file.to_str().unwrap(), audit.to_str().unwrap());
        let mut arguments = vec![
            "cost",
            "reconcile",
            file,
            "--audit",
            audit,
            "--provider",
            "mock",
            "--json",
        ];
        arguments.extend(more);
        let output = gateway.cli(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        (output.status.code(), json, told)
    };
    let costs = |amount: &str| {
        format!(
            "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id\n0,1,{day}T00:00:00+00:00,{day}T00:00:00+00:00,{amount},usd,\"mock, input\",p\n0,1,{day}T00:00:00+00:00,{day}T00:00:00+00:00,,,,\n"
        )
    };
    let (code, exact, _) = run(&costs("0.000069000000"), &[]);
    assert_eq!(
        (code, &exact["within"]),
        (Some(0), &Value::Bool(true)),
        "{exact}"
    );
    let row = &exact["rows"][0];
    assert_eq!(
        (&row["ours"], &row["theirs"], &row["difference"]),
        (&"0.000069".into(), &"0.000069".into(), &"0".into())
    );
    let (code, off, _) = run(&costs("0.000070000000"), &[]);
    assert_eq!(
        (code, &off["rows"][0]["difference"]),
        (Some(1), &"-0.000001".into()),
        "{off}"
    );
    assert_eq!(
        run(&costs("0.000070000000"), &["--tolerance", "2"]).0,
        Some(0)
    );

    let usage = format!(
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count\n{day},mock,k,w,standard,0,4,1,1,3,24,0\n"
    );
    let (code, tokens, _) = run(&usage, &[]);
    assert_eq!(code, Some(0), "{tokens}");
    assert_eq!(tokens["rows"].as_array().unwrap().len(), 2);
    let (code, other, _) = run(&usage.replace(",mock,", ",other,"), &[]);
    assert_eq!(
        code,
        Some(1),
        "what one side alone has is a difference: {other}"
    );

    let (code, _, told) = run("when,what,how much\n1,2,3\n", &[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("openai costs (start_time_iso"), "{told}");
    let (code, _, told) = run(&costs("a lot"), &[]);
    assert_eq!(code, Some(2));
    assert!(told.contains("line 2: \"a lot\" is no number"), "{told}");
}
