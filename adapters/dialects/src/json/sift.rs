//! A few values out of a document that comes in pieces and is too long to be held.

/// How much of one value is kept, in bytes. Usages are a tenth of it.
const MAX_VALUE: usize = 2048;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the member of this name, of an object.
    Key(&'static str),
    /// Into each element of an array.
    Each,
}

/// The way to a value from the outermost one. At most 32 of them are looked for at
/// once, and none may lead through the end of another.
pub(crate) type Path = &'static [Step];

/// Looks for the values at some paths of one JSON document, however it is cut into
/// pieces, and skips over the rest unread. Of a path that is met more than once the
/// last value counts, as it does for most JSON readers.
///
/// Holds 2 KiB for each path at the most, however long the document and however deep
/// it is nested. It does not check the document: what is no JSON yields something or
/// nothing.
#[derive(Debug)]
pub(crate) struct Sift {
    paths: &'static [Path],
    /// As spelled; `None`: not met, or too long to be kept.
    found: Vec<Option<Vec<u8>>>,
    /// The open arrays and objects on the way to what is looked for.
    levels: Vec<Level>,
    /// A longer key, in bytes as spelled, is none of those that are looked for.
    longest_key: usize,
    /// The paths that may lead through the next value, one bit each.
    here: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    object: bool,
    /// The paths that lead here.
    paths: u32,
}

#[derive(Debug)]
enum State {
    /// A value begins, or an array ends.
    Value,
    /// A key begins, or an object ends.
    Key,
    /// Inside a key: what it is spelled like so far, quotes left out.
    InKey {
        spelled: Vec<u8>,
        escaped: bool,
        too_long: bool,
    },
    /// A colon follows.
    Colon,
    /// A value has ended: a comma or a closing bracket follows.
    After,
    /// Inside a value that no path leads through.
    Passing {
        shape: Shape,
        /// Which of `found` it is.
        kept: Option<usize>,
    },
    /// The document has ended.
    Done,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// A number or a word: it ends before what cannot belong to it.
    Scalar,
    String {
        escaped: bool,
    },
    Nested {
        depth: usize,
        string: bool,
        escaped: bool,
    },
}

/// A character may be spelled in six bytes.
fn longest_key(paths: &[Path]) -> usize {
    let steps = paths.iter().flat_map(|path| path.iter());
    let keys = steps.map(|step| match step {
        Step::Key(key) => 6 * key.len(),
        Step::Each => 0,
    });
    keys.max().unwrap_or_default()
}

impl Sift {
    /// Looks for the values at `paths`.
    pub(crate) fn new(paths: &'static [Path]) -> Self {
        debug_assert!(paths.len() <= 32, "one bit for each");
        Self {
            paths,
            found: vec![None; paths.len()],
            levels: Vec::new(),
            longest_key: longest_key(paths),
            here: (0..paths.len()).fold(0, |all, path| all | bit(path)),
            state: State::Value,
        }
    }

    /// The value at the path of this index as it was spelled; `None` where there was
    /// none, it has not ended yet, or it is longer than 2 KiB.
    pub(crate) fn get(&self, path: usize) -> Option<&str> {
        let kept = match self.state {
            State::Passing { kept, .. } => kept,
            _ => None,
        };
        let found = self.found.get(path).filter(|_| kept != Some(path))?;
        std::str::from_utf8(found.as_deref()?).ok()
    }

    /// Whether the document has ended, so that nothing more is to be found.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            let taken = match &self.state {
                State::Done => return,
                State::Passing { .. } => self.pass(rest),
                State::InKey { .. } => self.key(rest),
                _ => {
                    self.between(byte);
                    1
                }
            };
            rest = &rest[taken..];
        }
    }

    /// A byte that stands between values, or is the first of one.
    fn between(&mut self, byte: u8) {
        match (&self.state, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (State::Value | State::Key | State::After, b'}' | b']') => {
                self.levels.pop();
                self.after();
            }
            (State::Value, _) => self.begin(byte),
            (State::Key, b'"') => {
                self.state = State::InKey {
                    spelled: Vec::new(),
                    escaped: false,
                    too_long: false,
                };
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') => self.next(),
            // No JSON; what follows may make sense again.
            _ => {}
        }
    }

    /// A value begins.
    fn begin(&mut self, byte: u8) {
        let depth = self.levels.len();
        let mut led = self.paths.iter().enumerate();
        let kept = led.find(|(index, path)| self.here & bit(*index) != 0 && path.len() == depth);
        let kept = kept.map(|(index, _)| index);
        if kept.is_none() && self.here != 0 && matches!(byte, b'{' | b'[') {
            self.levels.push(Level {
                object: byte == b'{',
                paths: self.here,
            });
            return self.next();
        }
        if let Some(index) = kept {
            self.found[index] = Some(vec![byte]);
        }
        let shape = match byte {
            b'"' => Shape::String { escaped: false },
            b'{' | b'[' => Shape::Nested {
                depth: 1,
                string: false,
                escaped: false,
            },
            _ => Shape::Scalar,
        };
        self.state = State::Passing { shape, kept };
    }

    /// What comes next in the innermost array or object.
    fn next(&mut self) {
        self.state = match self.levels.last() {
            None => State::Done,
            Some(Level { object: true, .. }) => State::Key,
            Some(_) => {
                self.here = self.led(|step| *step == Step::Each);
                State::Value
            }
        };
    }

    /// A value has ended.
    fn after(&mut self) {
        self.state = if self.levels.is_empty() {
            State::Done
        } else {
            State::After
        };
    }

    /// The paths that go on by such a step from the innermost array or object.
    fn led(&self, step: impl Fn(&Step) -> bool) -> u32 {
        let Some(level) = self.levels.last() else {
            return 0;
        };
        let at = self.levels.len() - 1;
        let all = self.paths.iter().enumerate();
        all.filter(|(index, path)| {
            level.paths & bit(*index) != 0 && path.get(at).is_some_and(&step)
        })
        .fold(0, |led, (index, _)| led | bit(index))
    }

    /// More of a key; how many bytes of it.
    fn key(&mut self, bytes: &[u8]) -> usize {
        let State::InKey {
            spelled,
            escaped,
            too_long,
        } = &mut self.state
        else {
            return 0;
        };
        let end = string_end(bytes, escaped);
        let more = &bytes[..end.unwrap_or(bytes.len())];
        *too_long |= spelled.len() + more.len() > self.longest_key;
        if !*too_long {
            spelled.extend_from_slice(more);
        }
        let Some(end) = end else {
            return bytes.len();
        };
        let quoted = [b"\"", spelled.as_slice(), b"\""].concat();
        let key = serde_json::from_slice::<String>(&quoted).ok();
        let key = key.filter(|_| !*too_long);
        self.here = key.map_or(0, |key| {
            self.led(|step| matches!(step, Step::Key(name) if *name == key))
        });
        self.state = State::Colon;
        end + 1
    }

    /// More of a value that no path leads through; how many bytes of it.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let State::Passing { shape, kept } = &mut self.state else {
            return 0;
        };
        let end = shape.end(bytes);
        let more = &bytes[..end.unwrap_or(bytes.len())];
        if let Some(index) = *kept
            && let Some(found) = &mut self.found[index]
        {
            if found.len() + more.len() > MAX_VALUE {
                self.found[index] = None;
            } else {
                found.extend_from_slice(more);
            }
        }
        if end.is_some() {
            self.after();
        }
        more.len()
    }
}

fn bit(index: usize) -> u32 {
    1 << index
}

impl Shape {
    /// How many of `bytes`, which follow those of the last call, are the rest of the
    /// value; `None` when all of them are and more may come.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Scalar => bytes
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r')),
            Self::String { escaped } => string_end(bytes, escaped).map(|end| end + 1),
            Self::Nested {
                depth,
                string,
                escaped,
            } => {
                let mut at = 0;
                while at < bytes.len() {
                    if *string {
                        at += string_end(&bytes[at..], escaped)? + 1;
                        *string = false;
                        continue;
                    }
                    match bytes[at] {
                        b'"' => *string = true,
                        b'{' | b'[' => *depth += 1,
                        b'}' | b']' => *depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if *depth == 0 {
                        return Some(at);
                    }
                }
                None
            }
        }
    }
}

/// Where the quote is that ends a string.
fn string_end(bytes: &[u8], escaped: &mut bool) -> Option<usize> {
    let mut at = 0;
    loop {
        if *escaped && at < bytes.len() {
            *escaped = false;
            at += 1;
        }
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        *escaped = true;
        at = found + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const PATHS: &[Path] = &[
        &[Step::Key("a")],
        &[Step::Key("b"), Step::Key("c")],
        &[Step::Key("b"), Step::Key("a"), Step::Key("c")],
        &[Step::Key("c"), Step::Each, Step::Key("a")],
    ];

    fn sifted(pieces: &[&[u8]]) -> Vec<Option<String>> {
        let mut sift = Sift::new(PATHS);
        for piece in pieces {
            sift.push(piece);
        }
        (0..PATHS.len())
            .map(|path| sift.get(path).map(str::to_owned))
            .collect()
    }

    fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
        match path {
            [] => Some(value),
            [Step::Key(key), rest @ ..] => at(value.as_object()?.get(*key)?, rest),
            [Step::Each, rest @ ..] => {
                let elements = value.as_array()?.iter();
                elements.filter_map(|element| at(element, rest)).next_back()
            }
        }
    }

    /// Documents whose keys are often those that are looked for.
    fn document() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            r#"[a"\\{}\[\],: \n\tü🦀]{0,8}"#.prop_map(Value::from),
        ];
        scalar.prop_recursive(6, 64, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[abc]|[a-d\"\\\\ü]{0,3}", inner), 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_reader_of_the_whole_document_finds(
            value in document(),
            pretty in any::<bool>(),
            cuts in proptest::collection::vec(1_usize..9, 1..8),
        ) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            // Some keys are spelled with escapes.
            let text = text.replace("\"c\"", "\"\\u0063\"");
            // Read again, since floats may change in print.
            let value: Value = serde_json::from_str(&text).unwrap();
            let whole = sifted(&[text.as_bytes()]);
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&sifted(&pieces), &whole);
            for (path, found) in PATHS.iter().zip(whole) {
                let found = found.map(|json| serde_json::from_str::<Value>(&json).unwrap());
                prop_assert_eq!(found.as_ref(), at(&value, path), "{}", text);
            }
        }

        #[test]
        fn what_is_no_json_does_no_harm(bytes in r#"["{}\[\],:ab\\ ]{0,64}"#) {
            sifted(&[bytes.as_bytes()]);
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over() {
        let long = "x".repeat(MAX_VALUE);
        let text = format!(r#"{{"a":"{long}","{long}":1,"b":{{"c":7}}}}"#);
        let found = sifted(&[text.as_bytes()]);
        assert_eq!(found[..2], [None, Some("7".to_owned())]);
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let found = sifted(&[br#"{"a":1,"a":[2,{"a":3}],"b":4}"#]);
        assert_eq!(found[0].as_deref(), Some(r#"[2,{"a":3}]"#));
    }

    #[test]
    fn a_value_that_has_not_ended_is_none_yet() {
        assert_eq!(sifted(&[br#"{"a":{"b":1"#])[0], None);
    }

    #[test]
    fn nesting_of_any_depth_is_passed_over() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = format!(r#"{{"x":{deep},"b":{{"y":{deep},"c":1}}}}"#);
        assert_eq!(sifted(&[text.as_bytes()])[1].as_deref(), Some("1"));
    }
}
