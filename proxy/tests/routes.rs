//! Every route, as the router itself lists them, is tried without a credential and with
//! such as are nobody's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::http1::Recorder;
use harness::{Gateway, MODELS, agent, config_for};
use serde_json::Value;

/// Well-formed, and nobody's.
const STRANGER: &str = "lat_000000000000000000000000000000002wjyrI";

/// What is sent in place of a credential, in each header that may hold one.
const CREDENTIALS: [Option<(&str, &str)>; 9] = [
    None,
    Some(("authorization", "")),
    Some(("authorization", "Bearer")),
    Some((
        "authorization",
        "Bearer lat_000000000000000000000000000000002wjyrI",
    )),
    Some(("authorization", "Basic bGF0dGljZTpsYXR0aWNl")),
    Some((
        "authorization",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
    )),
    Some(("x-api-key", "' OR '1'='1")),
    Some(("x-goog-api-key", STRANGER)),
    Some(("api-key", STRANGER)),
];

#[test]
fn no_route_is_open_but_those_that_say_so() {
    let upstream = Recorder::start("{}");
    let config = config_for(&format!("http://{}/v1", upstream.address), MODELS);
    let gateway = Gateway::start(&config);
    let routes: Vec<Value> = serde_json::from_str(&gateway.lattice(&["routes", "--json"])).unwrap();
    let mut tried = 0;
    for route in &routes {
        let text = |name: &str| route[name].as_str().unwrap();
        let path = text("path").replace("{model}", "mock");
        let base = match text("listener") {
            "clients" => gateway.clients.clone(),
            _ => gateway.admin.clone(),
        };
        for credential in CREDENTIALS {
            let url = format!("http://{base}{path}");
            let status = ask(&url, text("method"), credential);
            let wanted = match text("credential") {
                "none" => 200,
                _ => 401,
            };
            assert_eq!(status, wanted, "{route} with {credential:?}");
            tried += 1;
        }
    }
    let open: Vec<&Value> = routes
        .iter()
        .filter(|route| route["credential"] == "none")
        .collect();
    let open: Vec<&str> = open
        .iter()
        .map(|route| route["path"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["/healthz", "/readyz", "/metrics"]);
    assert!(upstream.requests().is_empty(), "somebody got through");
    println!("{tried} attempts on {} routes", routes.len());
}

fn ask(url: &str, method: &str, credential: Option<(&str, &str)>) -> u16 {
    let request = http::Request::builder().method(method).uri(url);
    let request = match credential {
        Some((name, value)) => request.header(name, value),
        None => request,
    };
    // Something that would be served.
    let body = match method {
        "POST" => {
            r#"{"model":"mock","messages":[{"role":"user","content":"hi"}],"input":"hi","max_tokens":9}"#
        }
        _ => "",
    };
    let request = request.header("content-type", "application/json");
    agent()
        .run(request.body(body).unwrap())
        .unwrap()
        .status()
        .as_u16()
}
