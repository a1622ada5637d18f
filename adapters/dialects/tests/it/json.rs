//! What the strict pass takes and refuses.

use lattice_dialects::json::{self, MAX_DEPTH};
use proptest::prelude::*;

use crate::support::json_text;

fn refusal(body: impl AsRef<[u8]>) -> String {
    json::check(body.as_ref()).unwrap_err().to_string()
}

fn arrays(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn objects(depth: usize) -> String {
    r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth)
}

#[test]
fn the_deepest_nesting_passes_and_one_level_more_is_refused() {
    for nested in [arrays, objects] {
        assert_eq!(json::check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        let refusal = refusal(nested(MAX_DEPTH + 1));
        assert!(
            refusal.starts_with("nested deeper than 128 levels at line 1 column"),
            "{refusal}"
        );
    }
}

#[test]
fn bottomless_nesting_is_refused_without_exhausting_the_stack() {
    for depth in [100_000, 5_000_000] {
        assert!(refusal("[".repeat(depth)).starts_with("nested deeper"));
        assert!(refusal(r#"{"a":"#.repeat(depth)).starts_with("nested deeper"));
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_at_any_depth_however_it_is_spelled() {
    let cases = [
        (
            r#"{"a":1,"a":1}"#,
            r#"duplicate key "a" at line 1 column 10"#,
        ),
        (
            r#"{"a":1,"\u0061":2}"#,
            r#"duplicate key "a" at line 1 column 15"#,
        ),
        (
            r#"{"\u0061":1,"a":2}"#,
            r#"duplicate key "a" at line 1 column 15"#,
        ),
        (
            r#"{"\n":1,"\u000a":2}"#,
            r#"duplicate key "\n" at line 1 column 16"#,
        ),
        (
            "[{\"x\":[\n{\"b\":{},\"c\":0,\"b\":{}}]}]",
            r#"duplicate key "b" at line 2 column 17"#,
        ),
        (r#"{"":1,"":2}"#, r#"duplicate key "" at line 1 column 8"#),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(body), expected, "{body}");
    }
}

#[test]
fn the_same_key_in_different_objects_is_no_duplicate() {
    let body = r#"{"a":{"a":{"a":1},"b":{"a":1}},"b":[{"a":1},{"a":1}],"A":1}"#;
    assert_eq!(json::check(body.as_bytes()), Ok(()));
}

#[test]
fn duplicates_are_found_on_both_sides_of_the_change_from_scan_to_table() {
    for count in [15, 16, 17, 18, 40] {
        for twin in 0..count {
            let keys = (0..count).map(|n| match n % 3 {
                0 => format!(r#""k\u0020{n}":0"#),
                _ => format!(r#""k {n}":{{"k {n}":[]}}"#),
            });
            let body = keys.collect::<Vec<_>>().join(",");
            assert_eq!(json::check(format!("{{{body}}}").as_bytes()), Ok(()));
            let refusal = refusal(format!(r#"{{{body},"k {twin}":0}}"#));
            assert!(
                refusal.starts_with(&format!(r#"duplicate key "k {twin}""#)),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_million_keys_are_read_and_the_last_twin_among_them_found() {
    let body: String = (0..1_000_000).map(|n| format!("\"{n}\":0,")).collect();
    let started = std::time::Instant::now();
    assert_eq!(json::check(format!("{{{body}\"x\":0}}").as_bytes()), Ok(()));
    println!("a million keys: {:?}", started.elapsed());
    // Quadratic would be hours.
    assert!(started.elapsed().as_secs() < 60);
    assert!(refusal(format!("{{{body}\"0\":0}}")).starts_with(r#"duplicate key "0""#));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let cases: &[(&[u8], &str)] = &[
        (
            b"\xef\xbb\xbf{}",
            "the body begins with a byte order mark at line 1 column 1",
        ),
        (
            b"{\"a\":\"\xff\"}",
            "the body is not valid UTF-8 at line 1 column 7",
        ),
        (
            b"{\"a\":\"\xed\xa0\x80\"}",
            "the body is not valid UTF-8 at line 1 column 7",
        ),
        (
            b"{}\n{}",
            "not valid JSON: trailing characters at line 2 column 1",
        ),
        (
            b"{} x",
            "not valid JSON: trailing characters at line 1 column 4",
        ),
        (
            b"{}\0",
            "not valid JSON: trailing characters at line 1 column 3",
        ),
        (
            b"",
            "not valid JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            b"{\"a\":1,}",
            "not valid JSON: trailing comma at line 1 column 8",
        ),
        (
            b"{\"a\":",
            "not valid JSON: EOF while parsing a value at line 1 column 5",
        ),
        (
            b"[1e400]",
            "not valid JSON: number out of range at line 1 column 6",
        ),
        (b"[01]", "not valid JSON: invalid number at line 1 column 3"),
        (
            b"[NaN]",
            "not valid JSON: expected value at line 1 column 2",
        ),
        (
            br#"["\ud800"]"#,
            "not valid JSON: unexpected end of hex escape at line 1 column 9",
        ),
        (
            br#"["\udc00"]"#,
            "not valid JSON: lone leading surrogate in hex escape at line 1 column 8",
        ),
        (
            br#"{"\ud800x":1}"#,
            "not valid JSON: unexpected end of hex escape at line 1 column 9",
        ),
        (
            b"[\"a\nb\"]",
            "not valid JSON: control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        ),
        (
            b"{'a':1}",
            "not valid JSON: key must be a string at line 1 column 2",
        ),
        (
            b"{\"a\":1 /* */}",
            "not valid JSON: expected `,` or `}` at line 1 column 8",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(body), *expected, "{}", body.escape_ascii());
    }
}

#[test]
fn a_refusal_quotes_no_more_than_the_start_of_a_key() {
    let key = "k".repeat(100_000);
    let refusal = refusal(format!(r#"{{"{key}":1,"{key}":2}}"#));
    assert!(refusal.len() < 150, "{refusal}");
}

proptest! {
    #[test]
    fn what_the_pass_takes_serde_json_takes(body in json_text()) {
        prop_assert_eq!(json::check(body.as_bytes()), Ok(()));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    }

    #[test]
    fn bytes_of_any_kind_are_judged_as_serde_json_judges_them(
        body in json_text(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        match json::check(&body) {
            Ok(()) => prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok()),
            Err(refusal) => prop_assert!(
                refusal.to_string().starts_with("duplicate key")
                    || serde_json::from_slice::<serde_json::Value>(&body).is_err(),
                "{}", refusal
            ),
        }
    }
}
