//! The starter model, and how tests ask it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{
    self, Engine, EngineKind, GenEvent, GenRequest, GenStream, LoadOptions, Sampling, Scope,
    StopReason,
};
use crate::prompt::{Prompt, Segment};

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// The starter model's file, or `None` with a word about the test that is skipped.
pub fn starter() -> Option<PathBuf> {
    let env = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || env("XDG_CACHE_HOME").or_else(|| Some(env("HOME")?.join(".cache")));
    let tools = env("LATTICE_TOOLS").or_else(|| Some(cache()?.join("lattice/tools")))?;
    let file = tools.join("models").join(FILE);
    if file.is_file() {
        return Some(file);
    }
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    eprintln!("skipped: {test}: there is no {}", file.display());
    None
}

/// The starter model, loaded with room for short answers.
pub fn load(kind: EngineKind, slots: u32, queue: u32) -> Option<Arc<dyn Engine>> {
    let options = LoadOptions {
        context: 512,
        slots,
        threads: 1,
        queue,
    };
    Some(engine::load(kind, &starter()?, &options).unwrap())
}

/// What the starter model's template makes of one question.
pub fn question(text: &str) -> Prompt {
    let own = |text: &str| Segment {
        text: text.to_owned(),
        special: true,
    };
    let asked = Segment {
        text: text.to_owned(),
        special: false,
    };
    Prompt(vec![
        own("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"),
        asked,
        own("<|im_end|>\n<|im_start|>assistant\n"),
    ])
}

/// The likeliest answer, of at most so many tokens.
pub fn greedy(text: &str, max_new: u32) -> GenRequest {
    GenRequest {
        prompt: question(text),
        sampling: Sampling {
            temperature: 0.0,
            ..Sampling::default()
        },
        max_new: Some(max_new),
        stop: Vec::new(),
        scope: Scope(1),
    }
}

/// All that came of a generation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub prompt_tokens: u32,
    pub cached_tokens: u32,
    pub pieces: Vec<String>,
    pub output_tokens: u32,
    /// `None`: it did not end well.
    pub reason: Option<StopReason>,
}

impl Told {
    pub fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// Reads a stream to its end.
pub fn read(mut stream: GenStream) -> Told {
    let mut told = Told::default();
    while let Some(event) = stream.blocking_recv() {
        match event {
            GenEvent::Started {
                prompt_tokens,
                cached_tokens,
                ..
            } => (told.prompt_tokens, told.cached_tokens) = (prompt_tokens, cached_tokens),
            GenEvent::Text(text) => told.pieces.push(text),
            GenEvent::Done {
                reason,
                output_tokens,
            } => (told.reason, told.output_tokens) = (Some(reason), output_tokens),
            GenEvent::Failed(error) => panic!("{error}"),
        }
    }
    told
}

/// Asks and reads.
pub fn ask(engine: &dyn Engine, request: GenRequest) -> Told {
    read(engine.try_submit(request).unwrap())
}

/// Waits for what should come, and fails after two seconds.
pub fn soon(what: &str, mut has_come: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !has_come() {
        assert!(Instant::now() < deadline, "{what} did not come in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}
