//! How hard Claude is asked to think.
//!
//! A model that thinks by effort is told the effort. One that thinks by budget is
//! given tokens: those that were asked for, or, for an effort, some within half of
//! `max_tokens`, since thoughts count against it and an answer must fit too. The cap itself is never raised, because it is what was
//! reserved for; where even the least budget (1024) has no room, the effort is
//! refused.

use super::notes::Notes;
use super::turns::{Message, Piece};
use crate::anthropic::messages::models::{Off, Thinking, Traits};
use crate::canonical::{Effort, Request, Role, Unsupported};
use crate::json::Writer;

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;

/// What is said about thinking.
pub(super) struct Plan {
    field: Option<Field>,
    /// Whether thoughts are shown, where the caller says so.
    show: Option<bool>,
    /// For `output_config.effort`.
    pub effort: Option<&'static str>,
    /// Whether the model thinks: some of what it can be asked for depends on it.
    pub is_on: bool,
}

enum Field {
    Type(&'static str),
    Budget(u64),
}

impl Plan {
    /// What the request means to a model, whose reply is at most `max_tokens` long.
    pub(super) fn of(
        request: &Request<'_>,
        max_tokens: u64,
        messages: &[Message<'_>],
        traits: &Traits,
        notes: &mut Notes,
    ) -> Result<Self, Unsupported> {
        let mut plan = Self::by_traits(request, max_tokens, messages, traits, notes)?;
        plan.show = request.show_thoughts.filter(|_| plan.is_on);
        if plan.show.is_some() && plan.field.is_none() {
            plan.field = Some(Field::Type("adaptive"));
        }
        Ok(plan)
    }

    fn by_traits(
        request: &Request<'_>,
        max_tokens: u64,
        messages: &[Message<'_>],
        traits: &Traits,
        notes: &mut Notes,
    ) -> Result<Self, Unsupported> {
        match (traits.thinking, request.effort) {
            (Thinking::Effort { off, .. }, None) => Ok(Self::silent(off != Off::Unasked)),
            (Thinking::Effort { extra_high, off }, Some(effort)) => {
                let plan = Self::by_effort(effort, extra_high, off, notes);
                if let (Some(_), Some(word)) = (request.thinking_budget, plan.effort) {
                    notes.add(format!("thinking_budget: effort {word}"));
                }
                Ok(plan)
            }
            (_, None | Some(Effort::None)) => Ok(Self::silent(false)),
            (Thinking::Never, Some(_)) => {
                notes.add("reasoning_effort");
                Ok(Self::silent(false))
            }
            (Thinking::Budget, Some(_)) if !carries_thoughts(messages) => {
                notes.add("reasoning_effort");
                Ok(Self::silent(false))
            }
            (Thinking::Budget, Some(effort)) => {
                let tokens = match request.thinking_budget {
                    Some(asked) => within(asked, max_tokens, notes)?,
                    None => {
                        let tokens = budget(effort, max_tokens)?;
                        notes.add(format!("reasoning_effort: {tokens} tokens"));
                        tokens
                    }
                };
                Ok(Self {
                    field: Some(Field::Budget(tokens)),
                    ..Self::silent(true)
                })
            }
        }
    }

    fn silent(is_on: bool) -> Self {
        Self {
            field: None,
            show: None,
            effort: None,
            is_on,
        }
    }

    fn by_effort(effort: Effort, extra_high: bool, off: Off, notes: &mut Notes) -> Self {
        let word = match (effort, off) {
            (Effort::None, Off::Unasked) => return Self::silent(false),
            (Effort::None, Off::Type(kind)) => {
                return Self {
                    field: Some(Field::Type(kind)),
                    ..Self::silent(false)
                };
            }
            (Effort::None | Effort::Minimal, _) => Effort::Low,
            (Effort::ExtraHigh, _) if !extra_high => Effort::High,
            (effort, _) => effort,
        };
        if word != effort {
            notes.add(format!("reasoning_effort: {}", word.as_str()));
        }
        Self {
            field: Some(Field::Type("adaptive")),
            effort: Some(word.as_str()),
            ..Self::silent(true)
        }
    }

    /// Writes `thinking`. What of it is shown is left to the model's default
    /// unless the caller has said so.
    pub(super) fn write(&self, out: &mut Writer) {
        let (kind, budget) = match self.field {
            None => return,
            Some(Field::Type(kind)) => (kind, None),
            Some(Field::Budget(tokens)) => ("enabled", Some(tokens)),
        };
        out.key("thinking");
        out.open(b'{');
        out.member("type", kind);
        if let Some(tokens) = budget {
            out.key("budget_tokens");
            out.scalar(tokens);
        }
        match self.show {
            Some(true) => out.member("display", "summarized"),
            Some(false) => out.member("display", "omitted"),
            None => {}
        }
        out.close(b'}');
    }
}

/// A step is four times the one below, up to where Anthropic says that more
/// brings little.
fn budget(effort: Effort, max_tokens: u64) -> Result<u64, Unsupported> {
    let wanted = match effort {
        Effort::None | Effort::Minimal | Effort::Low => LEAST,
        Effort::Medium => 4 * LEAST,
        Effort::High => 16 * LEAST,
        Effort::ExtraHigh | Effort::Max => 32_000,
    };
    if max_tokens / 2 < LEAST {
        let why = format!(
            "this model needs room for {LEAST} tokens of thought and as many of answer, and may make {max_tokens} in all; raise max_completion_tokens to {} or set reasoning_effort to none",
            2 * LEAST
        );
        return Err(Unsupported::new("reasoning_effort", why));
    }
    Ok(wanted.min(max_tokens / 2))
}

/// The budget that was asked for, within what Anthropic takes.
fn within(asked: u64, max_tokens: u64, notes: &mut Notes) -> Result<u64, Unsupported> {
    if max_tokens <= LEAST {
        let why = format!(
            "this model needs room for {LEAST} tokens of thought beside its answer, and may make {max_tokens} in all; raise the output cap or ask for no thoughts"
        );
        return Err(Unsupported::new("thinking_budget", why));
    }
    let tokens = asked.clamp(LEAST, max_tokens - 1);
    if tokens != asked {
        notes.add(format!("thinking_budget: {tokens} tokens"));
    }
    Ok(tokens)
}

/// With a budget, Anthropic wants the turn that is carried on (the last one of the
/// assistant, when its calls have just been answered) to begin with its thoughts.
/// A client that cannot keep them is served without thinking.
fn carries_thoughts(messages: &[Message<'_>]) -> bool {
    let has_results = |message: &Message<'_>| matches!(message.pieces[..], [Piece::Result(_), ..]);
    let carried_on = match messages {
        [.., last] if last.role == Role::Assistant => Some(last),
        [.., assistant, last] if has_results(last) => Some(assistant),
        _ => None,
    };
    carried_on.is_none_or(|it| matches!(it.pieces[..], [Piece::Reasoning(_), ..]))
}
