//! What the header of a GGUF file says, read without an engine.
//!
//! The file is a stranger's: every length is checked against what is left of it before
//! anything is read or kept, and only what is named here is kept at all.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// No header is longer; that of a 262 144-token vocabulary has about 10 MB.
const LONGEST_HEADER: u64 = 64 << 20;
const LONGEST_KEY: u64 = 4 << 10;
/// Of a chat template.
const LONGEST_TEXT: u64 = 1 << 20;

/// What is known of a model without loading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `llama`, `qwen3`, …
    pub architecture: String,
    /// Its title.
    pub title: Option<String>,
    /// As its file calls it: `apache-2.0`, `gemma`, …
    pub licence: Option<String>,
    /// Tokens that it was trained on.
    pub context: Option<u32>,
    /// Jinja; a model without one is no chat model.
    pub chat_template: Option<String>,
    /// The text of the token that begins a prompt; empty: it has none.
    pub begin: String,
    /// The text of the token that ends an answer; empty: it has none.
    pub end: String,
}

/// Reads the header of a file.
///
/// # Errors
/// The file cannot be read, or is not a GGUF file of version 2 or 3.
pub fn read(path: &Path) -> io::Result<Header> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    parse(file, length)
}

/// Reads the header of what has `length` bytes.
fn parse(source: impl Read + Seek, length: u64) -> io::Result<Header> {
    let mut reader = Reader {
        source: BufReader::new(source),
        left: length.min(LONGEST_HEADER),
    };
    if &reader.bytes::<4>()? != b"GGUF" {
        return Err(wrong("it does not begin with GGUF"));
    }
    match reader.u32()? {
        2 | 3 => {}
        other => return Err(wrong(&format!("version {other} is not 2 or 3"))),
    }
    let _tensors = reader.u64()?;
    let mut found = Found::default();
    for _ in 0..reader.u64()? {
        let key = reader.text(LONGEST_KEY)?;
        let kind = reader.u32()?;
        found.take(&mut reader, &key, kind)?;
    }
    found.finish(&mut reader)
}

/// What is kept while reading.
#[derive(Default)]
struct Found {
    header: Header,
    /// By architecture: the file may name its own later.
    contexts: Vec<(String, u32)>,
    begin: Option<u64>,
    end: Option<u64>,
    /// Where the texts of the tokens are, what was left to read there, how many.
    tokens: Option<(u64, u64, u64)>,
}

impl Found {
    fn take<R: Read + Seek>(
        &mut self,
        reader: &mut Reader<R>,
        key: &str,
        kind: u32,
    ) -> io::Result<()> {
        let header = &mut self.header;
        match (key, kind) {
            ("general.architecture", TEXT) => header.architecture = reader.text(LONGEST_KEY)?,
            ("general.name", TEXT) => header.title = Some(reader.text(LONGEST_KEY)?),
            ("general.license", TEXT) => header.licence = Some(reader.text(LONGEST_KEY)?),
            ("tokenizer.chat_template", TEXT) => {
                header.chat_template = Some(reader.text(LONGEST_TEXT)?);
            }
            ("tokenizer.ggml.bos_token_id", U32) => self.begin = Some(reader.u32()?.into()),
            ("tokenizer.ggml.eos_token_id", U32) => self.end = Some(reader.u32()?.into()),
            ("tokenizer.ggml.tokens", ARRAY) => self.tokens = reader.texts()?,
            (key, U32) if key.ends_with(".context_length") && self.contexts.len() < 16 => {
                let of = key.trim_end_matches(".context_length").to_owned();
                self.contexts.push((of, reader.u32()?));
            }
            _ => reader.skip_value(kind)?,
        }
        Ok(())
    }

    fn finish<R: Read + Seek>(self, reader: &mut Reader<R>) -> io::Result<Header> {
        let mut header = self.header;
        let own = self
            .contexts
            .iter()
            .find(|(of, _)| *of == header.architecture);
        header.context = own.map(|(_, tokens)| *tokens);
        if let Some((at, left, count)) = self.tokens {
            for (index, text) in [(self.begin, &mut header.begin), (self.end, &mut header.end)] {
                let Some(index) = index.filter(|index| *index < count) else {
                    continue;
                };
                reader.source.seek(SeekFrom::Start(at))?;
                reader.left = left;
                for _ in 0..index {
                    reader.skip_value(TEXT)?;
                }
                *text = reader.text(LONGEST_KEY)?;
            }
        }
        Ok(header)
    }
}

const U32: u32 = 4;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value of this kind; `None`: it has no fixed size.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

struct Reader<R> {
    source: BufReader<R>,
    /// Bytes that may still be read.
    left: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Accounts for bytes that are about to be read.
    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| wrong("the header does not end"))?;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.spend(N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self, longest: u64) -> io::Result<String> {
        let length = self.u64()?;
        if length > longest {
            return Err(wrong(&format!(
                "a text of {length} bytes; {longest} are the most"
            )));
        }
        self.spend(length)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.source.read_exact(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.spend(bytes)?;
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.source.seek_relative(bytes)
    }

    fn skip_value(&mut self, kind: u32) -> io::Result<()> {
        match (kind, size(kind)) {
            (_, Some(size)) => self.skip(size),
            (TEXT, _) => {
                let length = self.u64()?;
                self.skip(length)
            }
            (ARRAY, _) => {
                let kind = self.u32()?;
                let count = self.u64()?;
                self.skip_values(kind, count)
            }
            _ => Err(wrong(&format!("values of kind {kind} are unknown"))),
        }
    }

    /// The values of an array; no file nests them.
    fn skip_values(&mut self, kind: u32, count: u64) -> io::Result<()> {
        if let Some(size) = size(kind) {
            return self.skip(count.saturating_mul(size));
        }
        if kind != TEXT {
            return Err(wrong(&format!("an array of kind {kind}")));
        }
        // Each costs eight bytes at least, so that what is left bounds the loop.
        for _ in 0..count {
            self.skip_value(TEXT)?;
        }
        Ok(())
    }

    /// Skips an array and says where its texts are; `None`: it holds something else.
    fn texts(&mut self) -> io::Result<Option<(u64, u64, u64)>> {
        let kind = self.u32()?;
        let count = self.u64()?;
        let place = (self.source.stream_position()?, self.left, count);
        self.skip_values(kind, count)?;
        Ok((kind == TEXT).then_some(place))
    }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not a GGUF header: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn header(bytes: Vec<u8>) -> io::Result<Header> {
        let length = bytes.len() as u64;
        parse(Cursor::new(bytes), length)
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    fn pair(key: &str, kind: u32, value: Vec<u8>) -> Vec<u8> {
        [text(key), kind.to_le_bytes().to_vec(), value].concat()
    }

    fn texts(values: &[&str]) -> Vec<u8> {
        let mut bytes = TEXT.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| text(value)));
        bytes
    }

    fn file(pairs: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((pairs.len() as u64).to_le_bytes());
        bytes.extend(pairs.concat());
        bytes
    }

    fn model() -> Vec<u8> {
        file(&[
            pair("llama.context_length", U32, 8192u32.to_le_bytes().to_vec()),
            pair("general.architecture", TEXT, text("llama")),
            pair("general.license", TEXT, text("apache-2.0")),
            pair("llama.rope.freq_base", 6, vec![0; 4]),
            pair("tokenizer.ggml.tokens", ARRAY, texts(&["<s>", "a", "</s>"])),
            pair(
                "tokenizer.ggml.bos_token_id",
                U32,
                0u32.to_le_bytes().to_vec(),
            ),
            pair(
                "tokenizer.ggml.eos_token_id",
                U32,
                2u32.to_le_bytes().to_vec(),
            ),
            pair("tokenizer.chat_template", TEXT, text("{{ messages }}")),
        ])
    }

    #[test]
    fn a_header_says_what_a_listing_and_a_template_need() {
        let expected = Header {
            architecture: "llama".to_owned(),
            title: None,
            licence: Some("apache-2.0".to_owned()),
            context: Some(8192),
            chat_template: Some("{{ messages }}".to_owned()),
            begin: "<s>".to_owned(),
            end: "</s>".to_owned(),
        };
        assert_eq!(header(model()).unwrap(), expected);
    }

    #[test]
    fn lengths_beyond_the_file_are_refused() {
        let long = u64::MAX.to_le_bytes().to_vec();
        let endless = [TEXT.to_le_bytes().to_vec(), long.clone()].concat();
        let numbers = [5u32.to_le_bytes().to_vec(), long.clone()].concat();
        for (kind, value) in [(TEXT, long), (ARRAY, endless), (ARRAY, numbers)] {
            for key in ["general.name", "tokenizer.ggml.tokens", "other"] {
                let bytes = file(&[pair(key, kind, value.clone())]);
                assert!(header(bytes).is_err(), "{key} {kind}");
            }
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        for bytes in [&b""[..], b"GGU", b"GGML\x03\0\0\0", b"GGUF\x01\0\0\0"] {
            assert!(header(bytes.to_vec()).is_err());
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = header([b"GGUF\x03\0\0\0".to_vec(), bytes].concat());
        }

        #[test]
        fn a_damaged_header_never_panics(
            at in 0usize..400,
            bytes in proptest::collection::vec(any::<u8>(), 1..12),
            cut in 0usize..400,
        ) {
            let mut damaged = model();
            let at = at % damaged.len();
            let end = (at + bytes.len()).min(damaged.len());
            damaged[at..end].copy_from_slice(&bytes[..end - at]);
            damaged.truncate(cut.max(8));
            let _ = header(damaged);
        }
    }
}
