//! What each generation of Claude can be asked for.
//!
//! Only what decides between two ways of writing a request, or what a model
//! answers with a 400 that would come too late to say what to do instead. Numbers
//! (token limits, counts of stop texts) are left to Anthropic, save for the output
//! cap, without which it takes no request. Sources: the types
//! of the official SDK, the models' migration guides, and recorded errors.

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    /// How it is told to think.
    pub thinking: Thinking,
    /// Whether `temperature`, `top_p` and `top_k` may be set.
    pub sampling: bool,
    /// Whether it carries on an assistant turn that ends the conversation.
    pub prefill: bool,
    /// Whether turns may have the role `system`.
    pub system_turns: bool,
    /// When it can be made to call a tool.
    pub forced_tools: ForcedTools,
    /// Whether it can be held to a JSON schema.
    pub structured: bool,
    /// The output cap where nobody names one: every model of the generation takes
    /// it, and an answer that needs more is rare.
    pub output_cap: u64,
}

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not.
    Never,
    /// By a number of tokens, and only then.
    Budget,
    /// By an effort.
    Effort {
        /// Whether it knows `xhigh`.
        extra_high: bool,
        /// Whether it thinks unless it is told not to, and how that is said.
        off: Off,
    },
}

/// How a model that thinks by effort is kept from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// It thinks only when told to.
    Unasked,
    /// `thinking.type`.
    Type(&'static str),
    /// Not at all: the lowest effort comes nearest.
    Impossible,
}

/// When a model can be made to call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForcedTools {
    /// Whether it thinks or not.
    Always,
    /// Unless it thinks.
    WithoutThinking,
    /// Not at all.
    Never,
}

const ORIGINAL: Traits = Traits {
    thinking: Thinking::Never,
    sampling: true,
    prefill: true,
    system_turns: false,
    forced_tools: ForcedTools::WithoutThinking,
    structured: false,
    output_cap: 4096,
};
const CLAUDE_3_5: Traits = Traits {
    output_cap: 8192,
    ..ORIGINAL
};
const CLAUDE_3_7: Traits = Traits {
    thinking: Thinking::Budget,
    output_cap: 32_000,
    ..CLAUDE_3_5
};
const CLAUDE_4_1: Traits = Traits {
    structured: true,
    ..CLAUDE_3_7
};
const CLAUDE_4_6: Traits = Traits {
    thinking: Thinking::Effort {
        extra_high: false,
        off: Off::Unasked,
    },
    prefill: false,
    ..CLAUDE_4_1
};
const CLAUDE_4_7: Traits = Traits {
    thinking: Thinking::Effort {
        extra_high: true,
        off: Off::Unasked,
    },
    sampling: false,
    ..CLAUDE_4_6
};
const CLAUDE_4_8: Traits = Traits {
    system_turns: true,
    forced_tools: ForcedTools::Always,
    ..CLAUDE_4_7
};
const CLAUDE_5: Traits = Traits {
    thinking: Thinking::Effort {
        extra_high: true,
        off: Off::Type("disabled"),
    },
    ..CLAUDE_4_8
};
/// Accounts differ on whether it knows system turns; without them it is served
/// either way.
const SONNET_5: Traits = Traits {
    system_turns: false,
    ..CLAUDE_5
};
const SONNET_5_5: Traits = Traits {
    thinking: Thinking::Effort {
        extra_high: true,
        off: Off::Type("between_tools"),
    },
    forced_tools: ForcedTools::Never,
    ..CLAUDE_5
};
/// Also whatever is not known: whether it can be made to call a tool is then
/// Anthropic's to say.
const ALWAYS_THINKING: Traits = Traits {
    thinking: Thinking::Effort {
        extra_high: true,
        off: Off::Impossible,
    },
    ..CLAUDE_5
};
const ALWAYS_THINKING_UNFORCED: Traits = Traits {
    forced_tools: ForcedTools::Never,
    ..ALWAYS_THINKING
};

/// Family (empty: every one), first version, traits. A model has the traits of
/// the last row that it matches, so a later version has those of the newest one
/// that is known.
const TABLE: &[(&str, (u32, u32), Traits)] = &[
    ("", (0, 0), ORIGINAL),
    ("", (3, 5), CLAUDE_3_5),
    ("", (3, 7), CLAUDE_3_7),
    ("", (4, 1), CLAUDE_4_1),
    ("", (4, 6), CLAUDE_4_6),
    ("", (4, 7), CLAUDE_4_7),
    ("", (4, 8), CLAUDE_4_8),
    ("", (5, 0), ALWAYS_THINKING),
    ("opus", (5, 0), CLAUDE_5),
    ("opus", (5, 5), ALWAYS_THINKING_UNFORCED),
    ("sonnet", (5, 0), SONNET_5),
    ("sonnet", (5, 5), SONNET_5_5),
    ("haiku", (5, 0), CLAUDE_5),
    ("fable", (5, 1), ALWAYS_THINKING_UNFORCED),
    ("mythos", (5, 1), ALWAYS_THINKING_UNFORCED),
];

impl Traits {
    /// The traits of the model of this name, under whatever prefix and date.
    pub(super) fn of(model: &str) -> Self {
        let Some((_, name)) = model.split_once("claude-") else {
            return ALWAYS_THINKING;
        };
        let words = || name.split(['-', '.', '@', ':', '_']);
        // Dates have eight digits.
        let mut numbers = words()
            .filter(|word| word.len() < 3)
            .filter_map(|word| word.parse().ok());
        let Some(major) = numbers.next() else {
            return ALWAYS_THINKING;
        };
        let version = (major, numbers.next().unwrap_or(0));
        let mut newest_first = TABLE.iter().rev();
        let row = newest_first.find(|(family, first, _)| {
            version >= *first && (family.is_empty() || words().any(|word| word == *family))
        });
        row.map_or(ALWAYS_THINKING, |row| row.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_shape_have_the_traits_of_their_generation() {
        for (name, traits) in [
            ("claude-2.1", ORIGINAL),
            ("claude-instant-1.2", ORIGINAL),
            ("claude-3-opus-20240229", ORIGINAL),
            ("claude-3-5-sonnet-latest", CLAUDE_3_5),
            ("claude-3-7-sonnet-20250219", CLAUDE_3_7),
            ("claude-opus-4-20250514", CLAUDE_3_7),
            ("claude-4-opus-20250514", CLAUDE_3_7),
            ("claude-opus-4@20250514", CLAUDE_3_7),
            ("claude-sonnet-4-0", CLAUDE_3_7),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", CLAUDE_4_1),
            ("anthropic/claude-sonnet-4.5", CLAUDE_4_1),
            ("claude-haiku-4-5-20251001", CLAUDE_4_1),
            ("claude-opus-4-6", CLAUDE_4_6),
            ("anthropic.claude-sonnet-4-6-v1", CLAUDE_4_6),
            ("claude-opus-4-7", CLAUDE_4_7),
            ("claude-opus-4-8-20260528", CLAUDE_4_8),
            ("claude-opus-5", CLAUDE_5),
            ("claude-opus-5-5", ALWAYS_THINKING_UNFORCED),
            ("claude-sonnet-5", SONNET_5),
            ("claude-sonnet-5-5", SONNET_5_5),
            ("claude-haiku-5-5", CLAUDE_5),
            ("claude-fable-5", ALWAYS_THINKING),
            ("claude-fable-5-2", ALWAYS_THINKING_UNFORCED),
            ("claude-mythos-5-1", ALWAYS_THINKING_UNFORCED),
        ] {
            assert_eq!(Traits::of(name), traits, "{name}");
        }
    }

    #[test]
    fn names_that_are_not_known_count_as_new() {
        for name in [
            "",
            "claude-",
            "claude-mythos-preview",
            "claude-saga-7",
            "glm-5",
        ] {
            assert_eq!(Traits::of(name), ALWAYS_THINKING, "{name}");
        }
        assert_eq!(Traits::of("claude-opus-6"), ALWAYS_THINKING_UNFORCED);
        assert_eq!(Traits::of("claude-sonnet-6-1"), SONNET_5_5);
    }
}
