//! Whatever is taken out, the rest is as it was.

use std::collections::BTreeMap;

use lattice_dialects::{Api, Inbound};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{read, rest};
use crate::support::json_text;

/// The members of an object, each as it was spelled.
pub fn members(json: &str) -> BTreeMap<String, &str> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap();
    let spelled = members.into_iter().map(|(key, value)| (key, value.get()));
    spelled.collect()
}

/// The names of the canonical tools, where the request has a form that is.
pub fn canonical(request: &Inbound) -> Option<Vec<String>> {
    let tools = request.canonical().ok()?.tools.into_iter();
    Some(tools.map(|tool| tool.name.into_owned()).collect())
}

/// A tool's name and its JSON.
#[derive(Debug, Clone)]
struct Tool {
    name: String,
    json: String,
}

fn tool(api: Api) -> impl Strategy<Value = Tool> {
    let kind = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(2)];
    ("[a-h]", kind, any::<bool>(), json_text()).prop_map(move |(name, kind, escaped, value)| {
        let shown = match escaped {
            true => format!("\\u{:04x}", name.as_bytes()[0]),
            false => name.clone(),
        };
        let json = match (api, kind) {
            (Api::Chat, 0) => format!(
                r#"{{"type":"function", "function": {{"name":"{shown}","parameters":{{"name":{value}}}}}}}"#
            ),
            (Api::Chat, 1) => format!(r#"{{"custom":{{"name" :"{shown}"}},"type":"custom","x":{value}}}"#),
            (Api::Responses, 0) => format!(
                r#"{{"name":"{shown}","type":"function","parameters":{{"name":{value}}}}}"#
            ),
            (Api::Responses, 1) => format!(r#"{{"type":"custom","name":"{shown}","format":{value}}}"#),
            (Api::Messages, 0) => {
                format!(r#"{{"name":"{shown}","input_schema":{{"name":{value}}}}}"#)
            }
            (Api::Messages, 1) => {
                format!(r#"{{ "input_schema":{{}},"type":"custom" , "name" : "{shown}","x":{value}}}"#)
            }
            (Api::Generate, 0) => format!(r#"{{"name":"{shown}","parametersJsonSchema":{{"name":{value}}}}}"#),
            (Api::Generate, 1) => format!(r#"{{ "description": "d","name" : "{shown}" }}"#),
            // Those that run at the provider.
            _ => format!(r#"{{"type":"hosted_{shown}","name":"n","x":{value}}}"#),
        };
        let (Api::Responses | Api::Chat | Api::Messages, 2) = (api, kind) else {
            return Tool { name, json };
        };
        match api {
            Api::Messages => Tool {
                name: format!("hosted_{name}"),
                json,
            },
            _ => Tool {
                name: format!("hosted_{name}"),
                json: json.replace(r#""name":"n","#, ""),
            },
        }
    })
    .prop_filter("declarations have no types", move |tool| {
        api != Api::Generate || !tool.json.contains("hosted_")
    })
}

#[derive(Debug, Clone)]
struct Case {
    api: Api,
    tools: Vec<Tool>,
    /// Members before the tools and behind them.
    around: (String, String),
    gone: Vec<String>,
}

impl Case {
    fn body(&self) -> String {
        let tools: Vec<&str> = self.tools.iter().map(|tool| &*tool.json).collect();
        let tools = match self.api {
            // Entries of functions, and one that runs at Google.
            Api::Generate => {
                let entries = tools.chunks(3).map(|functions| {
                    format!(r#"{{"functionDeclarations" :[{} ]}}"#, functions.join(" ,"))
                });
                let search = r#"{"googleSearch":{}}"#.to_owned();
                let entries: Vec<String> = entries.chain([search]).collect();
                entries.join(" , ")
            }
            _ => tools.join("\n, "),
        };
        let (before, behind) = &self.around;
        format!(
            "{{\t{before} {},\n\"tools\" : [ {tools} ]{behind} }} ",
            rest(self.api)
        )
    }

    /// The tools that stay, as they were spelled.
    fn left(&self) -> Vec<&str> {
        let left = self
            .tools
            .iter()
            .filter(|tool| !self.gone.contains(&tool.name));
        left.map(|tool| &*tool.json).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let api = prop_oneof![
        Just(Api::Chat),
        Just(Api::Responses),
        Just(Api::Messages),
        Just(Api::Generate)
    ];
    api.prop_flat_map(|api| {
        let names = prop_oneof!["[a-h]", "hosted_[a-h]", Just("googleSearch".to_owned())];
        let choice = match api {
            Api::Chat | Api::Responses => r#", "tool_choice" :"auto","parallel_tool_calls": true"#,
            Api::Messages => r#","tool_choice":{"type":"none"}"#,
            Api::Generate => r#","toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}"#,
        };
        (
            proptest::collection::vec(tool(api), 0..6),
            proptest::option::of(json_text()),
            proptest::option::of(json_text()),
            any::<bool>(),
            proptest::collection::vec(names, 0..8),
        )
            .prop_map(move |(tools, before, behind, chooses, gone)| {
                let before = before.map_or_else(String::new, |it| format!("\"x_a\" : {it} ,"));
                let behind = behind.map_or_else(String::new, |it| format!(",\"x_b\":{it}"));
                let choice = if chooses { choice } else { "" };
                Case {
                    api,
                    tools,
                    around: (before, format!("{choice}{behind}")),
                    gone,
                }
            })
    })
}

/// The tools of a body, as they are spelled; for Gemini its functions.
fn spelled(api: Api, body: &str) -> Vec<&str> {
    let list = |json| -> Vec<&RawValue> { serde_json::from_str(json).unwrap() };
    let members = members(body);
    let tools = members.get("tools").map(|tools| list(tools));
    let tools = tools.unwrap_or_default().into_iter().map(RawValue::get);
    match api {
        Api::Generate => {
            let entries =
                tools.filter_map(|entry| self::members(entry).get("functionDeclarations").copied());
            entries
                .flat_map(|functions| list(functions).into_iter().map(RawValue::get))
                .collect()
        }
        _ => tools.collect(),
    }
}

proptest! {
    #[test]
    fn what_is_left_is_what_was_there(case in case()) {
        let body = case.body();
        let request = read(case.api, &body);
        let gone: Vec<&str> = case.gone.iter().map(String::as_str).collect();
        let left = request.without_tools(&gone).unwrap();
        let after = std::str::from_utf8(left.body()).unwrap();

        let stays = |name: &&str| !gone.contains(name);
        let names: Vec<&str> = request.facts().tool_names().into_iter().filter(stays).collect();
        prop_assert_eq!(left.facts().tool_names(), names.clone());
        prop_assert_eq!(spelled(case.api, after), case.left());
        if names.len() == request.facts().tool_names().len() {
            prop_assert_eq!(left.body().as_ptr(), request.body().as_ptr());
        }

        let (mut before, mut rest) = (members(&body), members(after));
        let all_went = names.is_empty() && !request.facts().tool_names().is_empty();
        let functions_went = case.left().is_empty() && !case.tools.is_empty();
        for key in ["tool_choice", "parallel_tool_calls", "toolConfig"] {
            let goes = all_went || key == "toolConfig" && functions_went;
            prop_assert_eq!(rest.contains_key(key), before.contains_key(key) && !goes);
        }
        prop_assert_eq!(rest.contains_key("tools"), !all_went);
        for key in ["tools", "tool_choice", "parallel_tool_calls", "toolConfig"] {
            before.remove(key);
            rest.remove(key);
        }
        prop_assert_eq!(before, rest);

        // In the canonical form too, where there was one.
        let offered = canonical(&request);
        if let Some(offered) = offered {
            let offered: Vec<String> = offered.into_iter().filter(|it| stays(&it.as_str())).collect();
            prop_assert_eq!(canonical(&left), Some(offered));
        }
    }

    #[test]
    fn no_request_is_too_strange(
        tools in json_text(),
        choice in json_text(),
        kind in "function|custom|namespace|web_search|tool_addition",
        gone in proptest::collection::vec("[a-z]{1,6}|web_search|mcp_toolset|prompt", 0..6),
    ) {
        let offers = format!(
            r#""tools":[{{"type":"{kind}","name":"a","tools":[{{"name":"b"}}],"x":{tools}}},{{"name":"c","function":{tools}}}],"tool_choice":{choice},"mcp_servers":[{tools}],"functions":[{{"name":"d"}}],"function_call":{choice}"#
        );
        let google = format!(
            r#""tools":{{"functionDeclarations":[{{"name":"a","x":{tools}}}],"x":{tools}}},"toolConfig":{choice}"#
        );
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        for api in [Api::Chat, Api::Responses, Api::Messages, Api::Generate] {
            let members = if api == Api::Generate { &google } else { &offers };
            let request = read(api, &super::with(api, members));
            if let Ok(left) = request.without_tools(&gone) {
                let still = left.facts().tool_names().into_iter().any(|name| gone.contains(&name));
                prop_assert!(!still);
            }
        }
    }
}
