//! Which GGUF files candle reads soundly. Its loader passes over what it does not know,
//! and an answer from a model that was read in part looks like an answer: what is not
//! known to be read in full is refused.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_transformers::models::quantized_llama::MAX_SEQ_LEN;

use crate::error::EngineError;

type Metadata = HashMap<String, Value>;

/// Checks that candle reads all of a file; gives the tokens of context that the model
/// offers here.
pub fn check(content: &Content) -> Result<u32, EngineError> {
    let metadata = &content.metadata;
    architecture(metadata)?;
    if let Some(scaling) = text(metadata, "llama.rope.scaling.type").filter(|&it| it != "none") {
        return Err(refused(&format!("its positions are scaled ({scaling})")));
    }
    if let Some(tensor) = content.tensor_infos.keys().find(|name| !is_read(name)) {
        return Err(refused(&format!(
            "it has a tensor that candle passes over, {tensor:?}"
        )));
    }
    heads(metadata)?;
    // candle's table of positions ends here, whatever the model was trained on.
    let most = u64::try_from(MAX_SEQ_LEN).unwrap_or(u64::MAX);
    let context = required(metadata, "llama.context_length")?.min(most);
    u32::try_from(context).map_err(|_| refused("its context is out of range"))
}

/// A whole number of the metadata.
pub fn number(metadata: &Metadata, key: &str) -> Option<u64> {
    metadata.get(key)?.to_u64().ok()
}

/// A text of the metadata.
pub fn text<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.get(key)?.to_string().ok().map(String::as_str)
}

/// Why this file is not for candle, and what reads it.
pub fn refused(reason: &str) -> EngineError {
    EngineError(format!(
        "candle cannot run this model: {reason}; an engine built with the feature `llama` may"
    ))
}

fn architecture(metadata: &Metadata) -> Result<(), EngineError> {
    match text(metadata, "general.architecture") {
        Some("llama") => Ok(()),
        Some("gemma3") => Err(refused(
            "its gemma3 ignores the sliding window and fails on a prompt read in pieces",
        )),
        Some(other) => Err(refused(&format!(
            "the architecture {other:?} is not `llama`"
        ))),
        None => Err(refused("the file names no architecture")),
    }
}

/// Whether the loader reads a tensor. Among those that it does not: `rope_freqs` of
/// Llama 3.1 and later, biases, experts.
fn is_read(tensor: &str) -> bool {
    const OF_A_BLOCK: [&str; 9] = [
        "attn_norm.weight",
        "attn_q.weight",
        "attn_k.weight",
        "attn_v.weight",
        "attn_output.weight",
        "ffn_norm.weight",
        "ffn_gate.weight",
        "ffn_down.weight",
        "ffn_up.weight",
    ];
    match tensor
        .strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
    {
        Some((_, name)) => OF_A_BLOCK.contains(&name),
        None => ["token_embd.weight", "output_norm.weight", "output.weight"].contains(&tensor),
    }
}

/// candle divides by these and takes one size for all heads.
fn heads(metadata: &Metadata) -> Result<(), EngineError> {
    let heads = required(metadata, "llama.attention.head_count")?;
    let kv_heads = required(metadata, "llama.attention.head_count_kv")?;
    let width = required(metadata, "llama.embedding_length")?;
    if !heads.is_multiple_of(kv_heads) || !width.is_multiple_of(heads) {
        return Err(refused("its heads do not divide evenly"));
    }
    let each = width / heads;
    let sizes = ["llama.attention.key_length", "llama.attention.value_length"];
    let sizes = sizes.iter().chain(&["llama.rope.dimension_count"]);
    match sizes
        .filter_map(|key| Some((key, number(metadata, key)?)))
        .find(|it| it.1 != each)
    {
        Some((key, size)) => Err(refused(&format!("{key} is {size}, not {each}"))),
        None => Ok(()),
    }
}

fn required(metadata: &Metadata, key: &str) -> Result<u64, EngineError> {
    let found = number(metadata, key).filter(|&number| number > 0);
    found.ok_or_else(|| refused(&format!("{key} is missing, zero or no number")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::quantized::{GgmlDType, gguf_file};

    fn content(change: &[(&str, Value)], tensors: &[&str]) -> Content {
        let metadata = [
            ("general.architecture", Value::String("llama".into())),
            ("llama.context_length", Value::U32(131_072)),
            ("llama.embedding_length", Value::U32(576)),
            ("llama.attention.head_count", Value::U32(9)),
            ("llama.attention.head_count_kv", Value::U32(3)),
            ("llama.rope.dimension_count", Value::U32(64)),
        ];
        let all = metadata
            .iter()
            .chain(change)
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        let tensor = |name: &&str| {
            let info = gguf_file::TensorInfo {
                ggml_dtype: GgmlDType::F32,
                shape: 1.into(),
                offset: 0,
            };
            ((*name).to_owned(), info)
        };
        Content {
            magic: gguf_file::VersionedMagic::GgufV3,
            metadata: all.collect(),
            tensor_infos: tensors.iter().map(tensor).collect(),
            tensor_data_offset: 0,
        }
    }

    #[test]
    fn the_context_is_what_candles_table_of_positions_covers() {
        assert_eq!(
            check(&content(&[], &["blk.11.ffn_up.weight"])).unwrap(),
            4096
        );
        let small = [("llama.context_length", Value::U32(2048))];
        assert_eq!(check(&content(&small, &[])).unwrap(), 2048);
    }

    #[test]
    fn what_candle_would_misread_is_refused_with_its_reason() {
        let cases: [(&str, Value, &str); 8] = [
            (
                "general.architecture",
                Value::String("qwen2".into()),
                "architecture \"qwen2\"",
            ),
            (
                "general.architecture",
                Value::String("gemma3".into()),
                "sliding window",
            ),
            (
                "general.architecture",
                Value::U32(1),
                "names no architecture",
            ),
            (
                "llama.rope.scaling.type",
                Value::String("yarn".into()),
                "scaled (yarn)",
            ),
            (
                "llama.attention.head_count_kv",
                Value::U32(0),
                "head_count_kv is missing, zero",
            ),
            (
                "llama.attention.head_count",
                Value::U32(10),
                "divide evenly",
            ),
            (
                "llama.attention.key_length",
                Value::U32(128),
                "key_length is 128, not 64",
            ),
            ("llama.context_length", Value::F32(1.0), "no number"),
        ];
        for (key, value, reason) in cases {
            let error = check(&content(&[(key, value)], &[])).unwrap_err();
            assert!(error.0.contains(reason), "{key}: {error}");
        }
    }

    #[test]
    fn a_tensor_that_would_be_passed_over_is_refused() {
        for name in [
            "rope_freqs.weight",
            "blk.0.attn_q.bias",
            "blk.0.ffn_gate_exps.weight",
        ] {
            let error = check(&content(&[], &[name])).unwrap_err();
            assert!(error.0.contains(name), "{error}");
        }
    }
}
