//! Errors, listings and counts in Anthropic's shape.

use lattice_dialects::anthropic::messages::read_error;
use lattice_dialects::anthropic::{Model, list_models};
use lattice_dialects::error::{ErrorBody, Mark, annotate};
use lattice_dialects::{Api, count};
use serde_json::{Value, json};

const MARK: Mark<'_> = Mark {
    gate: "constraints",
    code: "budget_exhausted",
    request_id: "req-1",
};

fn rendered(status: u16) -> Value {
    let error = ErrorBody {
        status,
        message: "so \"it\" is",
        param: Some("max_tokens"),
        code: None,
        retry_after: None,
        mark: MARK,
    };
    serde_json::from_str(&Api::Messages.render_error(&error)).unwrap()
}

#[test]
fn an_error_of_ours_has_anthropics_shape_and_our_mark() {
    assert_eq!(
        rendered(400),
        json!({
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "so \"it\" is"},
            "request_id": "req-1",
            "lattice": {"gate": "constraints", "code": "budget_exhausted", "request_id": "req-1"},
        })
    );
}

#[test]
fn the_type_of_an_error_follows_its_status() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        assert_eq!(rendered(status)["error"]["type"], kind, "{status}");
    }
}

#[test]
fn our_errors_are_read_as_anthropics() {
    let facts = read_error(rendered(401).to_string().as_bytes()).unwrap();
    assert!(facts.credential);
    assert_eq!(facts.message.as_deref(), Some("so \"it\" is"));
}

#[test]
fn an_error_of_anthropics_keeps_every_byte_and_gets_our_mark() {
    let body = r#"{"type":"error", "error":{"type":"x","message":"y"},"request_id":"req_9"}"#;
    let marked = annotate(Api::Messages, &body.into(), 400, &MARK);
    let marked = String::from_utf8(marked.to_vec()).unwrap();
    assert!(marked.starts_with(body.strip_suffix('}').unwrap()));
    assert!(marked.contains(r#","lattice":{"gate":"constraints""#));
    let wrapped = annotate(Api::Messages, &"<html>".into(), 502, &MARK);
    let wrapped: Value = serde_json::from_slice(&wrapped).unwrap();
    assert_eq!(
        wrapped["error"],
        json!({"type": "api_error", "message": "<html>"})
    );
}

#[test]
fn models_are_listed_page_by_page() {
    let model = |id| Model {
        id,
        display_name: "Some \"Model\"",
        created_at: "2026-02-01T00:00:00Z",
    };
    let page: Value = serde_json::from_str(&list_models([model("a"), model("b")], true)).unwrap();
    assert_eq!(
        page["data"][0],
        json!({"type": "model", "id": "a", "display_name": "Some \"Model\"", "created_at": "2026-02-01T00:00:00Z", "lifecycle": "active"})
    );
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&page["has_more"], &page["first_id"], &page["last_id"]),
        (&json!(true), &json!("a"), &json!("b"))
    );
    let empty: Value = serde_json::from_str(&list_models([], false)).unwrap();
    assert_eq!(
        empty,
        json!({"data": [], "has_more": false, "first_id": null, "last_id": null})
    );
}

#[test]
fn a_count_is_written_and_read() {
    let written = count::write(Api::Messages, 2095);
    assert_eq!(written, r#"{"input_tokens":2095}"#);
    assert_eq!(count::read(Api::Messages, written.as_bytes()), Some(2095));
}
