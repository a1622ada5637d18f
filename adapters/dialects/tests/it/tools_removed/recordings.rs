//! Every recorded request that offers tools.

use std::collections::BTreeMap;

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::gemini::generate::GenerateRequest;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::{Api, Inbound};
use serde_json::Value;

use super::properties::{canonical, members};
use crate::recorded::recordings;

const MAY_CHANGE: [&str; 8] = [
    "tools",
    "web_search_options",
    "functions",
    "tool_choice",
    "function_call",
    "parallel_tool_calls",
    "toolConfig",
    "tool_config",
];

fn read(api: Api, body: Bytes) -> Option<Inbound> {
    match api {
        Api::Chat => ChatRequest::parse(body).ok().map(Inbound::Chat),
        Api::Responses => ResponsesRequest::parse(body).ok().map(Inbound::Responses),
        Api::Messages => MessagesRequest::parse(body).ok().map(Inbound::Messages),
        Api::Generate => {
            let request = GenerateRequest::parse(body, "gemini-3-pro", false).ok();
            request.map(Inbound::Generate)
        }
    }
}

/// What the items of an input hold beside tools.
fn besides_tools(input: &str) -> Value {
    let mut input: Value = serde_json::from_str(input).unwrap();
    for item in input.as_array_mut().into_iter().flatten() {
        item.as_object_mut().map(|item| item.remove("tools"));
    }
    if let Some(items) = input.as_array_mut() {
        items.retain(|item| item["type"] != "additional_tools");
    }
    input
}

/// Also the tools that go with their namespace, and the namespace that goes with the
/// last of its own.
fn with_held<'a>(request: &'a Value, gone: &[&'a str]) -> Vec<&'a str> {
    let mut all = gone.to_vec();
    for tool in request["tools"].as_array().into_iter().flatten() {
        let held = tool["tools"].as_array().into_iter().flatten();
        let held: Vec<&str> = held.filter_map(|it| it["name"].as_str()).collect();
        let Some(name) = tool["name"].as_str().filter(|_| !held.is_empty()) else {
            continue;
        };
        if gone.contains(&name) {
            all.extend(held);
        } else if held.iter().all(|it| gone.contains(it)) {
            all.push(name);
        }
    }
    all
}

/// Takes these tools out; whether the request can do without them.
fn check(file: &str, request: &Inbound, gone: &[&str]) -> bool {
    let left = match request.without_tools(gone) {
        Ok(left) => left,
        Err(needed) => {
            assert!(gone.contains(&&*needed.tool), "{file}: {needed}");
            let fields = ["tool_choice", "toolConfig", "cachedContent", "prompt"];
            assert!(fields.contains(&needed.field), "{file}: {needed}");
            return false;
        }
    };
    let stays = |name: &&str| !gone.contains(name);
    let mut names = request.facts().tool_names();
    names.retain(stays);
    assert_eq!(left.facts().tool_names(), names, "{file}: {gone:?}");
    let text = |request: &Inbound| String::from_utf8(request.body().to_vec()).unwrap();
    let (before, after) = (text(request), text(&left));
    let (mut before, mut after) = (members(&before), members(&after));
    for key in MAY_CHANGE {
        before.remove(key);
        after.remove(key);
    }
    let items = |members: &mut BTreeMap<_, _>| members.remove("input").map(besides_tools);
    assert_eq!(items(&mut before), items(&mut after), "{file}: {gone:?}");
    assert_eq!(before, after, "{file}: {gone:?}");
    if let Some(offered) = canonical(request) {
        let offered: Vec<String> = offered
            .into_iter()
            .filter(|it| stays(&it.as_str()))
            .collect();
        assert_eq!(canonical(&left), Some(offered), "{file}: {gone:?}");
    }
    true
}

#[test]
fn recorded_requests_can_do_without_their_tools_or_say_why_not() {
    let test = "recorded_requests_can_do_without_their_tools_or_say_why_not";
    for (api, named, least) in [
        (Api::Chat, "openai.chat", 36),
        (Api::Responses, "openai.responses", 28),
        (Api::Messages, "anthropic.messages", 26),
        (Api::Generate, "gemini.generateContent", 25),
    ] {
        let Some(recordings) = recordings(named, "", test) else {
            return;
        };
        let (mut requests, mut removals, mut needed) = (0, 0, 0);
        for recording in &recordings {
            let file = &recording.file;
            let body = Bytes::from(recording.request().to_string());
            let Some(request) = read(api, body) else {
                continue;
            };
            let names = request.facts().tool_names();
            if names.is_empty() {
                continue;
            }
            requests += 1;
            let halves = names.split_at(names.len() / 2);
            let mut subsets: Vec<&[&str]> = names.chunks(1).collect();
            subsets.extend([halves.0, halves.1, &names[..]]);
            for gone in subsets {
                removals += 1;
                let gone = with_held(recording.request(), gone);
                needed += usize::from(!check(file, &request, &gone));
            }
        }
        println!("{named}: {requests} requests, {removals} removals, {needed} not without");
        assert!(requests >= least, "only {requests} of {named}");
        assert!(needed * 4 < removals, "{needed} of {removals} of {named}");
    }
}
