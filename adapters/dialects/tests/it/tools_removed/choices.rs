//! What becomes of the choice among tools that are no longer there.

use lattice_dialects::Api;

use super::{assert_left, needed};

/// Two functions of each API, `f` and `g`.
fn two(api: Api) -> &'static str {
    match api {
        Api::Chat => {
            r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]"#
        }
        Api::Responses => {
            r#""tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]"#
        }
        Api::Messages => r#""tools":[{"name":"f"},{"name":"g"}]"#,
        Api::Generate => r#""tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]"#,
    }
}

fn one(api: Api) -> &'static str {
    match api {
        Api::Chat => r#""tools":[{"type":"custom","custom":{"name":"g"}}]"#,
        Api::Responses => r#""tools":[{"type":"custom","name":"g"}]"#,
        Api::Messages => r#""tools":[{"name":"g"}]"#,
        Api::Generate => r#""tools":[{"functionDeclarations":[{"name":"g"}]}]"#,
    }
}

#[test]
fn a_free_choice_stays_until_there_is_nothing_to_choose_from() {
    for (api, choice) in [
        (Api::Chat, r#""tool_choice":"auto""#),
        (
            Api::Chat,
            r#""tool_choice" : "none","parallel_tool_calls":false"#,
        ),
        (Api::Chat, r#""tool_choice":{"type":"auto"}"#),
        (
            Api::Chat,
            r#""tool_choice":null,"parallel_tool_calls":null"#,
        ),
        (
            Api::Responses,
            r#""tool_choice":"auto","parallel_tool_calls":true"#,
        ),
        (
            Api::Messages,
            r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#,
        ),
        (Api::Messages, r#""tool_choice":{"type":"none"}"#),
        (
            Api::Generate,
            r#""toolConfig":{"functionCallingConfig":{"mode":"auto"}}"#,
        ),
        (
            Api::Generate,
            r#""tool_config":{"function_calling_config":{"mode":"VALIDATED"},"retrievalConfig":{}}"#,
        ),
        (Api::Generate, r#""toolConfig":null"#),
    ] {
        for (before, behind) in [(true, false), (false, true)] {
            let members = |tools: &str| match (before, behind) {
                (true, _) => format!("{choice},{tools}"),
                _ => format!("{tools},{choice}"),
            };
            assert_left(api, &members(two(api)), &["f"], &members(one(api)));
            assert_left(api, &members(two(api)), &["f", "g"], "");
        }
    }
    let function_call = r#""functions":[{"name":"f"}],"function_call":"auto""#;
    assert_left(Api::Chat, function_call, &["f"], "");
}

#[test]
fn a_demand_for_what_is_gone_names_its_field_and_the_tool() {
    for (api, choice, field) in [
        (
            Api::Chat,
            r#""tool_choice":{"type":"function","function":{"name":"f"}}"#,
            "tool_choice",
        ),
        (
            Api::Chat,
            r#""Tool_Choice":{"Function":{"Name":"f"}}"#,
            "tool_choice",
        ),
        (
            Api::Responses,
            r#""tool_choice":{"type":"function","name":"\u0066"}"#,
            "tool_choice",
        ),
        (
            Api::Messages,
            r#""tool_choice":{"type":"tool","name":"f"}"#,
            "tool_choice",
        ),
        (
            Api::Generate,
            r#""toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}"#,
            "toolConfig.functionCallingConfig.allowedFunctionNames",
        ),
    ] {
        let members = format!("{},{choice}", two(api));
        let (told, tool, why) = needed(api, &members, &["f"]);
        assert_eq!((told, &*tool), (field, "f"), "{choice}");
        assert!(why.contains(r#""f""#), "{why}");
        // Where it is the other that goes, the demand stands.
        let other = two(api)
            .replace(r#""f""#, r#""h""#)
            .replace(r#""g""#, r#""f""#);
        let left = one(api).replace(r#""g""#, r#""f""#);
        let with = |tools: &str| format!("{tools},{choice}");
        assert_left(api, &with(&other), &["h"], &with(&left));
    }
    let hosted = r#""tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"f"}],"tool_choice":{"type":"tool","name":"web_search"}"#;
    let (_, tool, _) = needed(Api::Messages, hosted, &["web_search"]);
    assert_eq!(tool, "web_search");
    let shell =
        r#""tools":[{"type":"shell"},{"type":"apply_patch"}],"tool_choice":{"type":"shell"}"#;
    needed(Api::Responses, shell, &["shell"]);
    let left = r#""tools":[{"type":"shell"}],"tool_choice":{"type":"shell"}"#;
    assert_left(Api::Responses, shell, &["apply_patch"], left);
    let legacy = r#""functions":[{"name":"f"},{"name":"g"}],"function_call":{"name":"f"}"#;
    let (field, ..) = needed(Api::Chat, legacy, &["f"]);
    assert_eq!(field, "function_call");
    let left = r#""functions":[{"name":"f"}],"function_call":{"name":"f"}"#;
    assert_left(Api::Chat, legacy, &["g"], left);
}

#[test]
fn a_demand_for_any_tool_needs_one() {
    for (api, choice, field) in [
        (Api::Chat, r#""tool_choice":"required""#, "tool_choice"),
        (Api::Chat, r#""tool_choice":"any""#, "tool_choice"),
        (Api::Responses, r#""tool_choice":"required""#, "tool_choice"),
        (
            Api::Messages,
            r#""tool_choice":{"type":"any"}"#,
            "tool_choice",
        ),
        (
            Api::Generate,
            r#""tool_config":{"functionCallingConfig":{"mode":"any"}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
    ] {
        let members = |tools: &str| format!("{choice},{tools}");
        assert_left(api, &members(two(api)), &["f"], &members(one(api)));
        let (told, tool, _) = needed(api, &members(two(api)), &["g", "f"]);
        assert_eq!((told, &*tool), (field, "f"), "{choice}");
    }
    // What runs at Google cannot be called so.
    let search = r#""tools":[{"functionDeclarations":[{"name":"f"}]},{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}"#;
    needed(Api::Generate, search, &["f"]);
    let free = search.replace("ANY", "AUTO");
    assert_left(
        Api::Generate,
        &free,
        &["f"],
        r#""tools":[{"googleSearch":{}}]"#,
    );
    let hints = free.replace(
        r#""toolConfig":{"#,
        r#""toolConfig":{"retrievalConfig":{},"#,
    );
    let left = r#""tools":[{"googleSearch":{}}],"toolConfig":{"retrievalConfig":{}}"#;
    assert_left(Api::Generate, &hints, &["f"], left);
}

#[test]
fn lists_of_what_is_allowed_lose_what_is_gone_and_may_not_end_up_empty() {
    let function = |name: &str| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#);
    let custom = |name: &str| format!(r#"{{"type":"custom","custom":{{"name":"{name}"}}}}"#);
    let flat = |kind: &str, name: &str| format!(r#"{{"type":"{kind}","name":"{name}"}}"#);
    let chat = |list: &str| {
        format!(
            r#","tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"auto","tools":[{list}]}}}}"#
        )
    };
    let responses = |list: &str| {
        format!(r#","tool_choice":{{"type":"allowed_tools","mode":"auto","tools":[{list}]}}"#)
    };
    let google = |list: &str| {
        format!(
            r#","toolConfig":{{"functionCallingConfig":{{"allowed_function_names":[{list}],"mode":"ANY"}}}}"#
        )
    };
    type Lists<'l> = (Api, &'l dyn Fn(&str) -> String, String, String);
    let cases: [Lists<'_>; 3] = [
        (Api::Chat, &chat, function("f"), custom("g")),
        (
            Api::Responses,
            &responses,
            flat("function", "f"),
            flat("custom", "g"),
        ),
        (
            Api::Generate,
            &google,
            r#""f""#.to_owned(),
            r#""g""#.to_owned(),
        ),
    ];
    for (api, choice, f, g) in cases {
        let both = format!("{}{}", two(api), choice(&format!("{f} ,{g}")));
        assert_left(api, &both, &["f"], &format!("{}{}", one(api), choice(&g)));
        needed(api, &both, &["f", "g"]);
        let only = format!("{}{}", two(api), choice(&f));
        let (_, tool, why) = needed(api, &only, &["f"]);
        assert_eq!(tool, "f");
        assert!(why.contains("allows none"), "{why}");
    }
}
