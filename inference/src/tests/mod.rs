//! Engines and the way through them, with the starter model. Where it is not on this
//! machine (`cargo xtask setup` fetches it) these are skipped and say so.

mod behaviour;
pub mod common;
mod local;

/// What every engine must do, as tests of one of them.
macro_rules! engine_tests {
    ($engine:ident, $kind:expr, [$($behaviour:ident),* $(,)?]) => {
        mod $engine {
            $(
                #[test]
                fn $behaviour() {
                    super::behaviour::$behaviour($kind);
                }
            )*
        }
    };
    ($engine:ident, $kind:expr) => {
        engine_tests!($engine, $kind, [
            answers_in_pieces,
            neighbours_do_not_change_an_answer,
            the_same_seed_gives_the_same_answer,
            a_stop_text_ends_and_never_shows,
            characters_are_never_broken,
            the_output_cap_is_kept,
            dropping_the_stream_frees_the_slot,
            a_full_queue_refuses,
            what_does_not_fit_is_refused,
            a_second_turn_finds_the_first,
            nobody_finds_what_another_scope_left,
            a_caller_cannot_forge_the_end_of_a_turn,
            a_slow_reader_holds_up_nobody,
            dropping_the_engine_ends_what_runs,
            endless_words_are_refused,
        ]);
    };
}

#[cfg(feature = "llama")]
engine_tests!(llama, crate::EngineKind::Llama);
#[cfg(feature = "candle")]
engine_tests!(candle, crate::EngineKind::Candle);
