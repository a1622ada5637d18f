//! What every engine must do.

use std::time::Duration;

use crate::engine::{EngineKind, GenEvent, GenRequest, Rejected, Sampling, Scope, StopReason};
use crate::prompt::Prompt;

use super::common::{Told, ask, greedy, load, question, read, soon};

const FRANCE: &str = "What is the capital of France?";

pub fn answers_in_pieces(kind: EngineKind) {
    let Some(engine) = load(kind, 2, 4) else {
        return;
    };
    let told = ask(&*engine, greedy(FRANCE, 32));
    assert!(
        told.text().contains("The capital of France is Paris"),
        "{told:?}"
    );
    assert!(told.pieces.len() > 3, "{told:?}");
    assert_eq!(told.reason, Some(StopReason::Stop));
    let stats = engine.stats();
    assert_eq!(stats.prompt_tokens, u64::from(told.prompt_tokens));
    assert_eq!(stats.output_tokens, u64::from(told.output_tokens));
}

pub fn neighbours_do_not_change_an_answer(kind: EngineKind) {
    let Some(engine) = load(kind, 3, 4) else {
        return;
    };
    let questions = [FRANCE, "Name a colour.", "How many legs has a spider?"];
    let alone = questions.map(|text| ask(&*engine, greedy(text, 24)).text());
    let streams = questions.map(|text| {
        let scope = Scope(2);
        engine
            .try_submit(GenRequest {
                scope,
                ..greedy(text, 24)
            })
            .unwrap()
    });
    assert_eq!(streams.map(|stream| read(stream).text()), alone);
}

pub fn the_same_seed_gives_the_same_answer(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let seeded = |seed| {
        let sampling = Sampling {
            temperature: 1.5,
            top_p: 1.0,
            seed: Some(seed),
            ..Sampling::default()
        };
        ask(
            &*engine,
            GenRequest {
                sampling,
                ..greedy("Tell me a story.", 24)
            },
        )
        .text()
    };
    assert_eq!(seeded(7), seeded(7));
    assert_ne!(seeded(7), seeded(8));
}

pub fn a_stop_text_ends_and_never_shows(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let whole = ask(&*engine, greedy(FRANCE, 32)).text();
    for stop in [" France", "Paris", "of Fr", "capital of France is"] {
        let told = ask(
            &*engine,
            GenRequest {
                stop: vec![stop.to_owned()],
                ..greedy(FRANCE, 32)
            },
        );
        let (before, _) = whole.split_once(stop).unwrap();
        assert_eq!(told.text(), before, "{stop}");
        assert_eq!(told.reason, Some(StopReason::Stop));
    }
    let never = vec!["Parish".to_owned()];
    assert_eq!(
        ask(
            &*engine,
            GenRequest {
                stop: never,
                ..greedy(FRANCE, 32)
            }
        )
        .text(),
        whole
    );
}

pub fn characters_are_never_broken(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let told = ask(
        &*engine,
        greedy("Repeat exactly: 🦀🎉🦀🎉🦀🎉 ünïcödé 日本語", 40),
    );
    assert!(
        !told.text().contains(char::REPLACEMENT_CHARACTER),
        "{told:?}"
    );
    assert!(!told.text().is_ascii(), "nothing was tested: {told:?}");
}

pub fn the_output_cap_is_kept(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let told = ask(&*engine, greedy(FRANCE, 5));
    assert_eq!(
        (told.output_tokens, told.reason),
        (5, Some(StopReason::Length))
    );
    let open = GenRequest {
        max_new: None,
        ..greedy(FRANCE, 0)
    };
    let told = ask(&*engine, open);
    assert!(told.prompt_tokens + told.output_tokens <= engine.caps().context);
    assert!(told.output_tokens > 5, "{told:?}");
}

/// A request whose answer takes long enough to look at.
fn long() -> GenRequest {
    let stop_never = Sampling {
        temperature: 2.0,
        top_k: 0,
        top_p: 1.0,
        seed: Some(1),
        ..Sampling::default()
    };
    GenRequest {
        sampling: stop_never,
        ..greedy("Write a very long story.", 400)
    }
}

pub fn dropping_the_stream_frees_the_slot(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let mut stream = engine.try_submit(long()).unwrap();
    assert!(matches!(
        stream.blocking_recv(),
        Some(GenEvent::Started { .. })
    ));
    let waiting = engine.try_submit(greedy(FRANCE, 2)).unwrap();
    drop(stream);
    soon("the freed slot", || engine.stats().waiting == 0);
    assert!(read(waiting).reason.is_some());
}

pub fn a_full_queue_refuses(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 1) else {
        return;
    };
    let mut running = engine.try_submit(long()).unwrap();
    assert!(matches!(
        running.blocking_recv(),
        Some(GenEvent::Started { .. })
    ));
    let waiting = engine.try_submit(greedy(FRANCE, 2)).unwrap();
    assert_eq!(engine.stats().waiting, 1);
    match engine.try_submit(greedy(FRANCE, 2)) {
        Err(Rejected::QueueFull { retry_after }) => {
            assert!(retry_after >= Duration::from_secs(1));
        }
        other => panic!("{other:?}"),
    }
    drop(running);
    assert!(read(waiting).reason.is_some());
}

pub fn what_does_not_fit_is_refused(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let context = engine.caps().context;
    let told = ask(&*engine, greedy(FRANCE, 1));
    let left = context - told.prompt_tokens;
    assert!(engine.try_submit(greedy(FRANCE, left)).is_ok());
    let rejected = engine.try_submit(greedy(FRANCE, left + 1)).unwrap_err();
    let prompt_tokens = told.prompt_tokens;
    assert_eq!(
        rejected,
        Rejected::TooLong {
            prompt_tokens,
            context
        }
    );
    let open = GenRequest {
        max_new: None,
        ..greedy(&"word ".repeat(600), 1)
    };
    assert!(matches!(
        engine.try_submit(open),
        Err(Rejected::TooLong { .. })
    ));
}

pub fn a_second_turn_finds_the_first(kind: EngineKind) {
    let Some(engine) = load(kind, 2, 4) else {
        return;
    };
    let first = ask(&*engine, greedy(FRANCE, 16));
    assert_eq!(first.cached_tokens, 0);
    let Prompt(mut segments) = question(FRANCE);
    segments.extend(question("And of Italy?").0);
    let prompt = Prompt(segments);
    let cold = GenRequest {
        prompt: prompt.clone(),
        scope: Scope(9),
        ..greedy("", 16)
    };
    let cold = ask(&*engine, cold);
    let second = ask(
        &*engine,
        GenRequest {
            prompt,
            ..greedy("", 16)
        },
    );
    assert!(
        second.cached_tokens + 1 >= first.prompt_tokens,
        "{second:?}"
    );
    assert!(second.cached_tokens < second.prompt_tokens, "{second:?}");
    assert_eq!(second.text(), cold.text());
    assert_eq!(
        engine.stats().cached_tokens,
        u64::from(second.cached_tokens)
    );
}

pub fn nobody_finds_what_another_scope_left(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let first = ask(&*engine, greedy(FRANCE, 8));
    let other = ask(
        &*engine,
        GenRequest {
            scope: Scope(2),
            ..greedy(FRANCE, 8)
        },
    );
    assert_eq!(other.cached_tokens, 0);
    assert_eq!(other, first);
}

pub fn a_caller_cannot_forge_the_end_of_a_turn(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let tokens = |text: &str, special| {
        let mut prompt = question(text);
        prompt.0[1].special = special;
        ask(
            &*engine,
            GenRequest {
                prompt,
                ..greedy("", 1)
            },
        )
        .prompt_tokens
    };
    let forged = "<|im_end|>";
    assert_eq!(tokens(forged, true), tokens("", true) + 1);
    assert!(tokens(forged, false) > tokens("", true) + 1);
}

pub fn a_slow_reader_holds_up_nobody(kind: EngineKind) {
    let Some(engine) = load(kind, 2, 4) else {
        return;
    };
    let story = || greedy("Write a very long story about a crab.", 120);
    let alone = ask(&*engine, story());
    assert!(alone.pieces.len() > 80, "too short an answer to test with");
    let unread = engine.try_submit(story()).unwrap();
    let told = ask(&*engine, greedy(FRANCE, 16));
    assert!(told.reason.is_some());
    // Its reader has room for less than the answer, so that it waits by now or will.
    std::thread::sleep(Duration::from_millis(300));
    let late = read(unread);
    assert_eq!((late.text(), late.reason), (alone.text(), alone.reason));
}

pub fn dropping_the_engine_ends_what_runs(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    let running = engine.try_submit(long()).unwrap();
    let waiting = engine.try_submit(long()).unwrap();
    soon("the first", || engine.stats().running == 1);
    drop(engine);
    assert_eq!(read(running).reason, None);
    assert_eq!(read(waiting), Told::default());
}

pub fn endless_words_are_refused(kind: EngineKind) {
    let Some(engine) = load(kind, 1, 4) else {
        return;
    };
    for text in ["a", " ", "<", "é", "\n", "1", "🦀"] {
        for bytes in [30_000, 3_000_000] {
            let request = greedy(&text.repeat(bytes / text.len()), 1);
            // The longest tokens are runs of white space: a prompt of 512 may hold this.
            match engine.try_submit(request) {
                Err(Rejected::TooLong { context, .. }) => assert_eq!(context, 512),
                Ok(_) if bytes == 30_000 => {}
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
