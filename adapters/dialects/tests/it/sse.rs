//! Streams are cut into the same events, however the reads were cut.

use bytes::Bytes;
use lattice_dialects::sse::{Frame, Framer, MAX_EVENT};
use proptest::prelude::*;

use crate::support::cut;

fn frames(reads: Vec<Bytes>) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut frames = Vec::new();
    for read in reads {
        framer.push(read, |frame| frames.push(frame));
        assert!(framer.held() <= MAX_EVENT);
    }
    framer.finish(|frame| frames.push(frame));
    frames
}

#[test]
fn a_limit_of_its_own_outlives_a_stream() {
    let mut framer = Framer::with_limit(16);
    for _ in 0..2 {
        let mut frames = Vec::new();
        framer.push(Bytes::from("data: short\n\n"), |frame| frames.push(frame));
        framer.push(Bytes::from("data: longer than that\n\n"), |frame| {
            frames.push(frame);
        });
        framer.finish(|frame| frames.push(frame));
        assert!(matches!(
            frames[..],
            [Frame::Event(_), Frame::Oversize { last: true, .. }]
        ));
    }
}

/// Frames with the pieces of oversize events joined.
fn joined(frames: Vec<Frame>) -> Vec<(bool, Vec<u8>)> {
    let mut events = Vec::new();
    let mut oversize = Vec::new();
    for frame in frames {
        match frame {
            Frame::Event(event) => {
                assert!(oversize.is_empty(), "an event inside another");
                events.push((event.is_complete(), event.raw().to_vec()));
            }
            Frame::Oversize { raw, last } => {
                oversize.extend_from_slice(&raw);
                if last {
                    events.push((true, std::mem::take(&mut oversize)));
                }
            }
        }
    }
    assert!(oversize.is_empty(), "an event without an end");
    events
}

fn data(stream: &str) -> Vec<Option<String>> {
    let reads = vec![Bytes::copy_from_slice(stream.as_bytes())];
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    frames(reads)
        .iter()
        .map(|frame| match frame {
            Frame::Event(event) => event.data().map(|data| text(&data)),
            Frame::Oversize { .. } => panic!("oversize"),
        })
        .collect()
}

#[test]
fn data_is_read_as_the_standard_says() {
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        ("data: a\n\ndata: b\n\n", vec![some("a"), some("b")]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", vec![some("a"), some("b")]),
        ("data: a\r\rdata: b\r\r", vec![some("a"), some("b")]),
        ("data: a\r\n\ndata: b\n\r\n", vec![some("a"), some("b")]),
        ("data:a\ndata:  b\ndata\ndata:\n\n", vec![some("a\n b\n\n")]),
        (": hello\n\n", vec![None]),
        (": hello\ndata: a\nid: 1\nretry: 5\n\n", vec![some("a")]),
        ("event: error\ndata: a\n\n", vec![some("a")]),
        (
            "\u{feff}data: a\n\n\u{feff}data: b\n\n",
            vec![some("a"), None],
        ),
        ("\n\ndata: a\n\n", vec![None, None, some("a")]),
        ("data: a", vec![some("a")]),
        ("data: a\n", vec![some("a")]),
        ("database: a\ndat: b\n\n", vec![None]),
        ("", vec![]),
    ];
    for (stream, expected) in cases {
        assert_eq!(data(stream), expected, "{stream:?}");
    }
}

#[test]
fn the_type_of_an_event_is_told() {
    let stream = Bytes::from("event: a\nevent:b\ndata: x\n\n");
    let [Frame::Event(event)] = &frames(vec![stream])[..] else {
        panic!("not one event");
    };
    assert_eq!(event.name(), Some(&b"b"[..]));
}

#[test]
fn only_an_unfinished_last_event_is_incomplete() {
    let complete = |stream: &'static str| -> Vec<bool> {
        let frames = joined(frames(vec![Bytes::from(stream)]));
        frames.into_iter().map(|(complete, _)| complete).collect()
    };
    assert_eq!(complete("data: a\n\ndata: b\n"), [true, false]);
    assert_eq!(complete("data: a\r\n\r"), [true]);
    assert_eq!(complete("data: a\r"), [false]);
}

#[test]
fn an_event_within_one_read_is_a_slice_of_it() {
    let read = Bytes::from("data: a\n\ndata: b\n\ndata: c");
    let mut framer = Framer::default();
    let mut at = 0;
    framer.push(read.clone(), |frame| {
        let Frame::Event(event) = frame else {
            panic!("oversize")
        };
        assert_eq!(event.raw().as_ptr(), read[at..].as_ptr());
        at += event.raw().len();
    });
    assert_eq!(at, 18);
    assert_eq!(framer.held(), 7);
}

#[test]
fn an_event_of_the_greatest_length_is_held_and_one_byte_more_is_not() {
    for (length, oversize) in [(MAX_EVENT, false), (MAX_EVENT + 1, true)] {
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            let text = "x".repeat(length - 6 - end.len());
            let stream = format!("data: {text}{end}data: next\n\n");
            for size in [1, 1000, MAX_EVENT - 1, MAX_EVENT, usize::MAX] {
                let frames = frames(cut(stream.as_bytes(), &[size]));
                assert_eq!(matches!(frames[0], Frame::Oversize { .. }), oversize);
                let events = joined(frames);
                assert_eq!(events.len(), 2);
                assert_eq!(events[0].1.len(), length);
                assert_eq!(events[1].1, b"data: next\n\n");
            }
        }
    }
}

#[test]
fn a_line_of_16_mb_flows_on_and_is_not_held() {
    let read = Bytes::from(vec![b'x'; 16 * 1024]);
    let mut framer = Framer::default();
    let mut passed = 0;
    for _ in 0..1024 {
        framer.push(read.clone(), |frame| match frame {
            Frame::Oversize { raw, last } => {
                assert!(!last);
                passed += raw.len();
            }
            Frame::Event(_) => panic!("an event"),
        });
        assert!(framer.held() <= MAX_EVENT);
    }
    assert_eq!(passed, 16 * 1024 * 1024);
}

/// Streams of likely pieces, with every kind of line end, and some long lines.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop_oneof![Just("\n"), Just("\r\n"), Just("\r")].prop_map(|end| end.as_bytes().to_vec()),
        2 => Just(b"data: ".to_vec()),
        1 => Just(b": comment".to_vec()),
        1 => Just(b"event: e".to_vec()),
        1 => Just("\u{feff}".as_bytes().to_vec()),
        3 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => (0..2 * MAX_EVENT).prop_map(|length| vec![b'y'; length]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn cuts_do_not_show(
        stream in stream(),
        cuts in proptest::collection::vec(prop_oneof![1..8_usize, 1..100_000_usize], 1..6),
    ) {
        let whole = frames(vec![Bytes::from(stream.clone())]);
        let pieces = frames(cut(&stream, &cuts));
        let data = |frames: &[Frame]| -> Vec<_> {
            frames.iter().filter_map(|frame| match frame {
                Frame::Event(event) => Some(event.data().map(|data| data.into_owned())),
                Frame::Oversize { .. } => None,
            }).collect()
        };
        prop_assert_eq!(data(&whole), data(&pieces));
        let (whole, pieces) = (joined(whole), joined(pieces));
        prop_assert_eq!(&whole, &pieces);
        let raw: Vec<u8> = pieces.into_iter().flat_map(|(_, raw)| raw).collect();
        prop_assert_eq!(raw, stream);
    }

    #[test]
    fn every_byte_of_the_data_is_found_again_in_the_event(lines in proptest::collection::vec("[a-z]{0,4}", 1..5)) {
        let stream: String = lines.iter().map(|line| format!("data: {line}\r\n: c\n")).collect();
        let frames = frames(vec![Bytes::from(stream + "\n")]);
        let Frame::Event(event) = &frames[0] else { panic!("oversize") };
        for (offset, byte) in event.data().unwrap().iter().enumerate() {
            match event.raw_offset(offset) {
                Some(at) => prop_assert_eq!(event.raw()[at], *byte),
                None => prop_assert_eq!(*byte, b'\n'),
            }
        }
    }
}
