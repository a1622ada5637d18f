//! The memory that a model works in.

use std::num::NonZeroU32;
use std::thread;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use parking_lot::Mutex;

use crate::engine::LoadOptions;
use crate::error::EngineError;

/// Prompt tokens of one step. A step cannot be interrupted: this bounds how late a
/// cancellation is seen.
pub const CHUNK: usize = 512;

/// Makes the context: a cache for each slot, none of them shared.
pub fn open<'m>(
    backend: &LlamaBackend,
    model: &'m LlamaModel,
    options: LoadOptions,
    slots: u32,
) -> Result<LlamaContext<'m>, EngineError> {
    // llama.cpp writes to the model while it makes a context of it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let trained = model.n_ctx_train();
    let each = match options.context {
        0 => trained,
        asked => asked.min(trained),
    };
    let threads = match options.threads {
        0 => i32::try_from(processors() / 2).unwrap_or(1).max(1),
        asked => i32::try_from(asked).unwrap_or(i32::MAX),
    };
    let chunk = u32::try_from(CHUNK).unwrap_or(u32::MAX);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(each.saturating_mul(slots)))
        .with_n_seq_max(slots)
        .with_n_batch(chunk.saturating_add(slots))
        .with_n_ubatch(chunk)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        // One pool for all would make everybody attend over what idle slots keep.
        .with_kv_unified(false)
        // A sliding window alone could not be cut back to a shared beginning.
        .with_swa_full(true)
        .with_no_perf(true);
    let _one = ONE_AT_A_TIME.lock();
    model.new_context(backend, params).map_err(|error| {
        EngineError(format!(
            "no context of {slots} x {each} tokens ({error}): ask for fewer slots or a \
             smaller context"
        ))
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
