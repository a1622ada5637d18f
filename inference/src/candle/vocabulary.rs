//! Text to tokens and back, for byte-level BPE: the vocabulary of a GGUF file.
//!
//! candle-core reads these too, but takes every pre-tokenizer that it does not know
//! (SmolLM2's among them) for GPT-2's with a space put in front, which changes the
//! tokens of most texts. Here an unknown one is refused.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use crate::error::EngineError;
use crate::prompt::Prompt;

use super::gguf::{number, refused, text};

type Metadata = HashMap<String, Value>;

/// What the tokens of one model mean.
pub struct Vocabulary {
    words: Tokenizer,
    /// By id; normal ones in GPT-2's writing of bytes as characters.
    tokens: Vec<String>,
    /// Matched as a whole, the longest first; no word ever becomes one of them.
    marks: Vec<Mark>,
    /// Put before a prompt that does not begin with it.
    bos: Option<u32>,
    end: Vec<u32>,
    /// Bytes of the longest token.
    longest: usize,
}

struct Mark {
    text: String,
    id: u32,
    /// Means nothing in a stranger's text, and is no text in an answer.
    control: bool,
}

impl Vocabulary {
    /// Takes the vocabulary out of a file's metadata.
    pub fn take(metadata: &mut Metadata) -> Result<Self, EngineError> {
        let model = text(metadata, "tokenizer.ggml.model").unwrap_or("none");
        if model != "gpt2" {
            return Err(refused(&format!(
                "its tokenizer is {model:?}, not `gpt2` (byte-level BPE)"
            )));
        }
        let style = Style::of(text(metadata, "tokenizer.ggml.pre").unwrap_or("none"))?;
        let tokens = take_texts(metadata, "tokenizer.ggml.tokens")?;
        let merges = take_texts(metadata, "tokenizer.ggml.merges")?;
        let marks = marks(metadata, &tokens);
        let bos = metadata
            .get("tokenizer.ggml.add_bos_token")
            .map(Value::to_bool);
        let adds_bos = bos.transpose().map_err(failed)?.unwrap_or(style.adds_bos);
        Ok(Self {
            words: words(style, &tokens, &merges, &marks)?,
            bos: id(metadata, "bos").filter(|_| adds_bos),
            end: end(metadata, &marks),
            longest: tokens.iter().map(String::len).max().unwrap_or(1).max(1),
            tokens,
            marks,
        })
    }

    /// Tokens that there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// A number of tokens that a prompt has at the least, found without reading it.
    pub fn least_tokens(&self, prompt: &Prompt) -> u32 {
        let bytes: usize = prompt.0.iter().map(|segment| segment.text.len()).sum();
        u32::try_from(bytes.div_ceil(self.longest)).unwrap_or(u32::MAX)
    }

    /// The tokens of a prompt: never empty. Text between marks is read as one, across
    /// the borders of segments, as a model was trained to see it.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        let mut ids = Vec::new();
        let mut plain = String::new();
        for segment in &prompt.0 {
            let mut rest = segment.text.as_str();
            while let Some((at, mark)) = self.next_mark(rest, segment.special) {
                plain.push_str(&rest[..at]);
                self.encode_words(&mut plain, &mut ids)?;
                ids.push(mark.id);
                rest = &rest[at + mark.text.len()..];
            }
            plain.push_str(rest);
        }
        self.encode_words(&mut plain, &mut ids)?;
        if let Some(bos) = self.bos.filter(|bos| ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        if ids.is_empty() {
            return Err(EngineError("the prompt is empty".to_owned()));
        }
        Ok(ids)
    }

    /// The bytes that a token adds to an answer; none for a control token.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        if let Some(mark) = self.marks.iter().find(|mark| mark.id == id) {
            let shown = if mark.control { "" } else { mark.text.as_str() };
            return shown.as_bytes().to_vec();
        }
        let token = usize::try_from(id).ok().and_then(|at| self.tokens.get(at));
        token
            .map(|token| token.chars().filter_map(byte_of).collect())
            .unwrap_or_default()
    }

    /// Whether an answer ends with this token.
    pub fn is_end(&self, id: u32) -> bool {
        self.end.contains(&id)
    }

    fn next_mark(&self, text: &str, special: bool) -> Option<(usize, &Mark)> {
        let marks = || self.marks.iter().filter(|mark| special || !mark.control);
        marks().next()?;
        let begins = |at: usize| marks().find(|mark| text[at..].starts_with(&mark.text));
        text.char_indices()
            .find_map(|(at, _)| Some((at, begins(at)?)))
    }

    fn encode_words(&self, plain: &mut String, ids: &mut Vec<u32>) -> Result<(), EngineError> {
        if !plain.is_empty() {
            let words = self
                .words
                .encode_fast(plain.as_str(), false)
                .map_err(failed)?;
            ids.extend_from_slice(words.get_ids());
            plain.clear();
        }
        Ok(())
    }
}

/// How text is cut into the words that BPE works on; by `tokenizer.ggml.pre`.
struct Style {
    cut: Vec<PreTokenizerWrapper>,
    /// A word that is a token as it stands is taken as such.
    whole_words: bool,
    adds_bos: bool,
}

impl Style {
    fn of(pre: &str) -> Result<Self, EngineError> {
        const LLAMA_3: &str = concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        );
        let gpt_2 = ByteLevel::new(false, false, true);
        let (cut, llama_3): (Vec<PreTokenizerWrapper>, bool) = match pre {
            "gpt-2" => (vec![gpt_2.into()], false),
            "smollm" => (vec![Digits::new(true).into(), gpt_2.into()], false),
            "llama-bpe" | "llama3" | "llama-v3" => {
                let pattern = SplitPattern::Regex(LLAMA_3.to_owned());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
                let split = split.map_err(failed)?;
                (
                    vec![split.into(), ByteLevel::new(false, false, false).into()],
                    true,
                )
            }
            other => {
                return Err(refused(&format!(
                    "its pre-tokenizer {other:?} is not known here"
                )));
            }
        };
        Ok(Self {
            cut,
            whole_words: llama_3,
            adds_bos: llama_3,
        })
    }
}

fn words(
    style: Style,
    tokens: &[String],
    merges: &[String],
    marks: &[Mark],
) -> Result<Tokenizer, EngineError> {
    let pairs = merges.iter().map(|merge| merge.split_once(' '));
    let pairs: Option<Vec<(&str, &str)>> = pairs.collect();
    let pairs = pairs.ok_or_else(|| refused("a merge of its tokenizer is not a pair"))?;
    let pairs = pairs
        .into_iter()
        .map(|(left, right)| (left.to_owned(), right.to_owned()));
    let marked = |id: u32| marks.iter().any(|mark| mark.id == id);
    let ids = (0..).zip(tokens).filter(|(id, _)| !marked(*id));
    let bpe = BPE::builder()
        .vocab_and_merges(
            ids.map(|(id, token)| (token.clone(), id))
                .collect::<HashMap<String, u32, _>>(),
            pairs.collect(),
        )
        .ignore_merges(style.whole_words)
        .build()
        .map_err(failed)?;
    let mut words = Tokenizer::new(bpe);
    words.with_pre_tokenizer(Some(Sequence::new(style.cut)));
    Ok(words)
}

/// The tokens that are matched as a whole, by `tokenizer.ggml.token_type`.
fn marks(metadata: &Metadata, tokens: &[String]) -> Vec<Mark> {
    const CONTROL: i32 = 3;
    const USER_DEFINED: i32 = 4;
    let types = metadata
        .get("tokenizer.ggml.token_type")
        .and_then(|types| types.to_vec().ok());
    let types = types
        .into_iter()
        .flatten()
        .map(|kind| kind.to_i32().unwrap_or_default());
    let marked = types
        .zip((0..).zip(tokens))
        .filter(|(kind, (_, text))| [CONTROL, USER_DEFINED].contains(kind) && !text.is_empty());
    let mut marks: Vec<Mark> = marked
        .map(|(kind, (id, text))| Mark {
            text: text.clone(),
            id,
            control: kind == CONTROL,
        })
        .collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.text.len()));
    marks
}

/// The tokens that end an answer: what the metadata names, and the ends of a turn that
/// templates use, which it often leaves out.
fn end(metadata: &Metadata, marks: &[Mark]) -> Vec<u32> {
    const TURN_ENDS: [&str; 6] = [
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end|>",
        "<|endoftext|>",
        "<|end_of_text|>",
    ];
    let named = ["eos", "eot", "eom"]
        .iter()
        .filter_map(|role| id(metadata, role));
    let ends = |mark: &&Mark| mark.control && TURN_ENDS.contains(&mark.text.as_str());
    named
        .chain(marks.iter().filter(ends).map(|mark| mark.id))
        .collect()
}

fn id(metadata: &Metadata, role: &str) -> Option<u32> {
    let id = number(metadata, &format!("tokenizer.ggml.{role}_token_id"))?;
    u32::try_from(id).ok()
}

fn take_texts(metadata: &mut Metadata, key: &str) -> Result<Vec<String>, EngineError> {
    let Some(Value::Array(values)) = metadata.remove(key) else {
        return Err(refused(&format!("{key} is missing")));
    };
    let texts = values.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err(refused(&format!("{key} holds what is no text"))),
    });
    texts.collect()
}

/// The byte that a character of GPT-2's alphabet stands for: printable Latin-1 for
/// itself, and the other 68 bytes, in order, from U+0100.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    let byte = match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => code,
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 0x7f,
        0x143 => 0xad,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError(format!("candle's tokenizer: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use candle_core::quantized::gguf_file::Content;

    use crate::prompt::Segment;
    use crate::tests::common::starter;

    use super::*;

    fn prompt(segments: &[(&str, bool)]) -> Prompt {
        let segment = |&(text, special): &(&str, bool)| Segment {
            text: text.to_owned(),
            special,
        };
        Prompt(segments.iter().map(segment).collect())
    }

    fn texts(texts: &[&str]) -> Value {
        Value::Array(
            texts
                .iter()
                .map(|&text| Value::String(text.to_owned()))
                .collect(),
        )
    }

    /// Two letters, one word of them, a beginning, an end, and a tool's mark.
    fn small(change: &[(&str, Value)]) -> Metadata {
        let types = [1, 1, 1, 3, 3, 4].map(Value::I32).to_vec();
        let metadata = [
            ("model", Value::String("gpt2".to_owned())),
            ("pre", Value::String("gpt-2".to_owned())),
            (
                "tokens",
                texts(&["a", "b", "ab", "<s>", "<|im_end|>", "<tool>"]),
            ),
            ("token_type", Value::Array(types)),
            ("merges", texts(&["a b"])),
            ("bos_token_id", Value::U32(3)),
            ("eos_token_id", Value::U32(3)),
        ];
        let all = metadata.iter().chain(change);
        all.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value.clone()))
            .collect()
    }

    fn encoded(change: &[(&str, Value)], segments: &[(&str, bool)]) -> Vec<u32> {
        let vocabulary = Vocabulary::take(&mut small(change)).unwrap();
        vocabulary.encode(&prompt(segments)).unwrap()
    }

    #[test]
    fn a_mark_counts_where_the_template_wrote_it() {
        assert_eq!(encoded(&[], &[("ab<|im_end|>a<tool>", true)]), [2, 4, 0, 5]);
        // Of the text `<|im_end|>` this vocabulary has no letter.
        assert_eq!(encoded(&[], &[("ab<|im_end|>a<tool>", false)]), [2, 0, 5]);
        assert_eq!(encoded(&[], &[("a<|im_", false), ("end|>b", true)]), [0, 1]);
    }

    #[test]
    fn words_go_on_across_segments() {
        assert_eq!(encoded(&[], &[("a", true), ("b", false)]), [2]);
    }

    #[test]
    fn the_beginning_comes_once_where_the_model_wants_it() {
        let wanted = [("add_bos_token", Value::Bool(true))];
        assert_eq!(encoded(&wanted, &[("ab", true)]), [3, 2]);
        assert_eq!(encoded(&wanted, &[("<s>ab", true)]), [3, 2]);
        let llama_3 = [("pre", Value::String("llama-bpe".to_owned()))];
        assert_eq!(encoded(&llama_3, &[("ab", true)]), [3, 2]);
    }

    #[test]
    fn an_answer_ends_at_the_end_of_a_turn_too_and_shows_no_control_token() {
        let vocabulary = Vocabulary::take(&mut small(&[])).unwrap();
        let ends: Vec<u32> = (0..6).filter(|&id| vocabulary.is_end(id)).collect();
        assert_eq!(ends, [3, 4]);
        let shown: Vec<Vec<u8>> = (0..7).map(|id| vocabulary.bytes(id)).collect();
        assert_eq!(shown, [&b"a"[..], b"b", b"ab", b"", b"", b"<tool>", b""]);
    }

    #[test]
    fn a_vocabulary_that_is_not_known_is_refused() {
        let cases = [
            (
                "model",
                Value::String("llama".to_owned()),
                "\"llama\", not `gpt2`",
            ),
            (
                "pre",
                Value::String("tekken".to_owned()),
                "\"tekken\" is not known",
            ),
            ("merges", texts(&["ab"]), "not a pair"),
            ("merges", texts(&["a c"]), "tokenizer"),
            ("tokens", Value::U32(1), "tokens is missing"),
        ];
        for (key, value, reason) in cases {
            let error = Vocabulary::take(&mut small(&[(key, value)])).err().unwrap();
            assert!(error.0.contains(reason), "{key}: {error}");
        }
    }

    #[test]
    fn an_empty_prompt_is_refused() {
        let vocabulary = Vocabulary::take(&mut small(&[])).unwrap();
        assert!(vocabulary.encode(&prompt(&[("", true)])).is_err());
    }

    #[test]
    fn every_byte_has_its_character() {
        let mut bytes: Vec<u8> = (0..0x200)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    /// What llama.cpp's `/tokenize` says of these texts.
    const STARTER: [(&str, &[u32]); 5] = [
        (
            "<|im_start|>user\nWhat is 1234 + 5?<|im_end|>\n",
            &[
                1, 4093, 198, 1780, 314, 216, 33, 34, 35, 36, 1232, 216, 37, 47, 2, 198,
            ],
        ),
        (
            "  two  spaces\n\n\tand It's 日本 🦀 é ",
            &[
                216, 827, 216, 5600, 1116, 197, 397, 657, 506, 17097, 241, 115, 40993, 15107, 116,
                218, 26411, 216,
            ],
        ),
        (
            "x = [1,2.50]\r\nI'VE we'll",
            &[
                104, 446, 933, 33, 28, 34, 30, 37, 32, 77, 201, 198, 57, 23, 18525, 392, 3060,
            ],
        ),
        ("   \n \n", &[333, 198, 3717]),
        ("naïve café", &[3546, 46494, 37366]),
    ];

    #[test]
    fn the_starter_model_reads_as_in_llama_cpp() {
        let Some(file) = starter() else { return };
        let mut file = BufReader::new(File::open(file).unwrap());
        let mut content = Content::read(&mut file).unwrap();
        let vocabulary = Vocabulary::take(&mut content.metadata).unwrap();
        for (text, tokens) in STARTER {
            assert_eq!(
                vocabulary.encode(&prompt(&[(text, true)])).unwrap(),
                tokens,
                "{text:?}"
            );
            let bytes: Vec<u8> = tokens.iter().flat_map(|&id| vocabulary.bytes(id)).collect();
            let shown = text.replace("<|im_start|>", "").replace("<|im_end|>", "");
            assert_eq!(String::from_utf8(bytes).unwrap(), shown);
        }
        let forged = vocabulary
            .encode(&prompt(&[("<|im_end|>", false)]))
            .unwrap();
        assert_eq!(forged, [44, 108, 306, 79, 486, 108, 46]);
    }
}
