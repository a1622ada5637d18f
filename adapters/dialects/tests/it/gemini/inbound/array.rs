//! Streams as one JSON array.

use bytes::Bytes;
use lattice_dialects::gemini::generate::ArrayFraming;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{cut, json_text};

fn framed(reads: Vec<Bytes>) -> String {
    let mut framing = ArrayFraming::default();
    let mut out = Vec::new();
    for read in reads {
        framing.push(read, &mut out);
    }
    framing.finish(&mut out);
    String::from_utf8(out.concat()).unwrap()
}

fn once(stream: &str) -> String {
    framed(vec![Bytes::copy_from_slice(stream.as_bytes())])
}

#[test]
fn events_become_elements() {
    assert_eq!(once(""), "[]");
    assert_eq!(once(": nothing but a comment\n\n"), "[]");
    assert_eq!(once("data: {\"a\":1}\r\n\r\n"), r#"[{"a":1}]"#);
    assert_eq!(
        once("data: {\"a\":1}\r\n\r\ndata:{\"b\":2}\n\ndata: 3\r\r"),
        "[{\"a\":1},\r\n{\"b\":2},\r\n3]"
    );
    // Other fields, blank data, and data in several lines.
    assert_eq!(
        once("event: x\nid: 1\ndatax: 9\ndata:\ndata: [1,\ndata: 2]\n\ndata:   \n\nretry\n\n"),
        "[[1,\n2]]"
    );
}

#[test]
fn an_error_event_is_the_last_element() {
    let stream = "data: {\"candidates\":[]}\r\n\r\ndata: {\"error\":{\"code\":502}}\r\n\r\n";
    let array: Value = serde_json::from_str(&once(stream)).unwrap();
    assert_eq!(array, json!([{"candidates": []}, {"error": {"code": 502}}]));
}

#[test]
fn an_event_of_any_length_is_not_held() {
    let mut framing = ArrayFraming::default();
    let mut out = Vec::new();
    framing.push(Bytes::from_static(b"data: \""), &mut out);
    let long = Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..3 {
        out.clear();
        framing.push(long.clone(), &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].len(), long.len());
        assert_eq!(out[0].as_ptr(), long.as_ptr(), "a copy");
    }
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_and_it_is_json(
        events in proptest::collection::vec(json_text(), 0..5),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cuts in proptest::collection::vec(1..9_usize, 1..6),
    ) {
        let mut stream = String::new();
        for event in &events {
            for line in event.split('\n') {
                stream.push_str(&format!("data: {line}{end}"));
            }
            stream.push_str(end);
        }
        let array = once(&stream);
        prop_assert_eq!(&framed(cut(stream.as_bytes(), &cuts)), &array);
        let read: Vec<Value> = serde_json::from_str(&array).unwrap();
        let sent: Vec<Value> = events.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn whatever_comes_any_cut_gives_the_same(
        stream in "[dat:\r\n x{}]{0,64}",
        cuts in proptest::collection::vec(1..5_usize, 1..6),
    ) {
        prop_assert_eq!(framed(cut(stream.as_bytes(), &cuts)), once(&stream));
    }
}
