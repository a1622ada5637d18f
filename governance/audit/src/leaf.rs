//! What the audit records, member by member.
//!
//! A leaf is compact JSON: `kind` first, then the members in the order of the
//! struct. The bytes are the truth and are hashed as they are; nothing here
//! reads a leaf back in order to write it again. Sums are nano-USD.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::chain::{ChainHead, Position};
use crate::timestamp::Timestamp;

/// Longest text that a caller chooses, in bytes; the rest is cut off, so that
/// a stranger cannot fill the journal with a model's name.
const LONGEST_TEXT: usize = 256;

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Leaf<'a> {
    Start(&'a Start<'a>),
    Intent(&'a Intent<'a>),
    Outcome(&'a Outcome<'a>),
    Refusal(&'a Refusal<'a>),
    Gap(&'a Gap<'a>),
    Stop(&'a Stop),
    Policy(&'a PolicySwap<'a>),
}

impl Leaf<'_> {
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(768);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => bytes,
            // A Vec takes every write and no member here can fail.
            Err(error) => unreachable!("a leaf is always serialisable: {error}"),
        }
    }
}

/// A chain begins: the first leaf, always with sequence number 0.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Start<'a> {
    pub at: Timestamp,
    pub node: &'a str,
    pub version: &'a str,
    pub previous: Option<ChainHead>,
}

/// An id and the name that people know it by.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Named<'a> {
    /// The id.
    pub id: Uuid,
    /// The name at the time.
    #[serde(serialize_with = "clipped")]
    pub name: &'a str,
}

/// A provider and its own name of the model; serialised as `provider/model`.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The provider, as configured.
    pub provider: &'a str,
    /// The model, as the provider names it.
    pub model: &'a str,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The policy set that allowed the action.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Policy<'a> {
    /// Its revision.
    pub revision: &'a str,
    /// The decision came from the cache.
    pub cached: bool,
}

/// A governed action is about to leave the house.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Intent<'a> {
    /// When.
    pub at: Timestamp,
    /// The request, as in `x-request-id`.
    pub request_id: Uuid,
    /// The caller's dialect.
    pub dialect: &'a str,
    /// The action that policy judged.
    pub action: &'a str,
    /// The organisation.
    pub org: Option<Named<'a>>,
    /// The team that it is asked for.
    pub team: Option<Named<'a>>,
    /// The user who asks.
    pub user: Option<Named<'a>>,
    /// The agent that asks.
    pub agent: Option<Named<'a>>,
    /// The key that was shown, if it was one.
    pub key: Option<Named<'a>>,
    /// How the caller has shown who it is.
    pub auth: &'a str,
    /// The model that the caller asked for.
    #[serde(serialize_with = "clipped")]
    pub model: &'a str,
    /// What the books keep that model under; the leaf names it already.
    #[serde(skip)]
    pub model_id: Option<Uuid>,
    /// Where it may go, in order.
    pub targets: &'a [Target<'a>],
    /// The answer is streamed.
    pub stream: bool,
    /// Upper bound of the input, in tokens.
    pub input_tokens_bound: Option<u64>,
    /// Cap of the output that is sent upstream, in tokens.
    pub output_cap: Option<u64>,
    /// What is reserved; `None` where a target has no price.
    pub reserved_nano_usd: Option<i64>,
    /// What is reserved, in tokens.
    pub reserved_tokens: Option<i64>,
    /// The policy set that allowed it.
    pub policy: Policy<'a>,
    /// What was dropped or changed, as in `x-lattice-noted`.
    pub noted: &'a [Cow<'a, str>],
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The whole answer was delivered.
    Finished,
    /// The provider refused the request.
    Rejected,
    /// No provider answered.
    Failed,
    /// The caller left.
    ClientGone,
    /// The answer broke off after its first byte.
    Cut,
    /// The call was given up inside the gateway.
    Dropped,
    /// The process died; written at the next start.
    Crashed,
}

/// Tokens, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage<'a> {
    /// Input, cached or not.
    pub input: u64,
    /// Input that was read from the provider's cache.
    pub cached_input: u64,
    /// Input that was written to the provider's cache.
    pub cache_write: u64,
    /// Output, reasoning or not.
    pub output: u64,
    /// Output that was reasoning.
    pub reasoning: u64,
    /// The tier that served the call, as the provider named it; `None`: the standard one.
    /// What of the tokens was sound, pictures or kept for an hour is in the bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<&'a str>,
}

/// How the cost of a call came about; no price list is needed to read it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bill<'a> {
    /// The price that was used.
    #[serde(serialize_with = "clipped")]
    pub price: &'a str,
    /// The price list that it is of, and its version.
    #[serde(serialize_with = "clipped")]
    pub version: &'a str,
    /// One for each class of which there was any.
    pub lines: &'a [Line<'a>],
}

/// So much of one class at one rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line<'a> {
    /// What is charged.
    pub class: &'a str,
    /// How much of it.
    pub count: u64,
    /// Pico-USD for each.
    pub rate_pico_usd: u64,
    /// `count` times the rate, rounded up.
    pub cost_nano_usd: i64,
}

/// How a governed action ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outcome<'a> {
    /// When.
    pub at: Timestamp,
    /// The request, as in the intent.
    pub request_id: Uuid,
    /// The intent that this ends.
    pub intent: Position,
    /// How it ended.
    pub ending: Ending,
    /// The error's code, if there was one.
    pub code: Option<&'a str>,
    /// The HTTP status that the caller got.
    pub status: Option<u16>,
    /// The provider that answered last.
    pub provider: Option<&'a str>,
    /// The provider's model.
    pub model: Option<&'a str>,
    /// How many providers were called.
    pub attempts: u32,
    /// Of these calls, the ones that were given up although they may have been billed.
    pub abandoned: u32,
    /// Tokens; `None` where the provider told none.
    pub usage: Option<Usage<'a>>,
    /// How the cost of the call that was answered came about; `None` where it was not
    /// reckoned from what the provider counted.
    pub bill: Option<Bill<'a>>,
    /// What of the cost is for calls that were abandoned: the most that they can have cost.
    pub abandoned_nano_usd: Option<i64>,
    /// What was held while the call ran.
    pub reserved_nano_usd: Option<i64>,
    /// What it cost; `None`, never 0, where that is unknown.
    pub cost_nano_usd: Option<i64>,
    /// The cost is not a count: it is an upper bound or, where an attempt was
    /// abandoned and nothing was reserved, that of the last attempt alone.
    pub estimated: bool,
    /// From arrival to the first byte of the answer, microseconds.
    pub ttft_us: Option<u64>,
    /// From arrival to the end, microseconds.
    pub duration_us: u64,
    /// What became of the tool calls of the answer; `None` where there were none.
    pub tools: Option<Tools<'a>>,
}

/// What became of the tool calls of an answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tools<'a> {
    /// How many were passed on as they were.
    pub released: u32,
    /// How many with other arguments.
    pub rewritten: u32,
    /// How many were kept from the caller.
    pub refused: u32,
    /// The tools of the first of these.
    pub refused_names: &'a [Box<str>],
}

/// A gate said no.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Refusal<'a> {
    /// When.
    pub at: Timestamp,
    /// The request; `None` where several are counted in one leaf.
    pub request_id: Option<Uuid>,
    /// The gate.
    pub gate: &'a str,
    /// The refusal's code.
    pub code: &'a str,
    /// The caller's dialect.
    pub dialect: Option<&'a str>,
    /// The organisation, where it is known.
    pub org: Option<Named<'a>>,
    /// The team, where it is known.
    pub team: Option<Named<'a>>,
    /// The user, where one is known.
    pub user: Option<Named<'a>>,
    /// The agent, where one is known.
    pub agent: Option<Named<'a>>,
    /// The key, where it is known.
    pub key: Option<Named<'a>>,
    /// The model that the caller asked for.
    #[serde(serialize_with = "clipped_option")]
    pub model: Option<&'a str>,
    /// How many refusals this leaf stands for.
    pub count: u64,
}

/// Another policy set was to take the place of the one in force.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PolicySwap<'a> {
    /// When.
    pub at: Timestamp,
    /// The revision that was in force; `None` at the start.
    pub before: Option<&'a str>,
    /// The revision that is in force from here on: `before` where the new set was refused.
    pub after: &'a str,
    /// Where the new set comes from.
    #[serde(serialize_with = "clipped")]
    pub source: &'a str,
    /// Why the new set was refused; `None` where it serves.
    #[serde(serialize_with = "clipped_option")]
    pub refused: Option<&'a str>,
}

/// Actions were served without a record (`on_full: gap`).
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Gap<'a> {
    pub at: Timestamp,
    pub count: u64,
    pub since: Timestamp,
    pub until: Timestamp,
    pub reason: &'a str,
}

/// The chain ends in good order.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Stop {
    pub at: Timestamp,
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

fn clipped<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(clip(text))
}

fn clipped_option<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    text.map(clip).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Account;
    use crate::scopes::Scopes;

    const CHAIN: Uuid = Uuid::from_u128(1);

    fn text(entry: &crate::Entry) -> &str {
        std::str::from_utf8(entry.leaf()).unwrap()
    }

    #[test]
    fn an_intent_keeps_its_members_in_order() {
        let entry = Intent {
            at: Timestamp::from_micros(0),
            request_id: Uuid::from_u128(2),
            dialect: "openai",
            action: "chat",
            org: None,
            team: Some(Named {
                id: Uuid::from_u128(3),
                name: "research",
            }),
            user: None,
            agent: None,
            key: Some(Named {
                id: Uuid::from_u128(4),
                name: "ci",
            }),
            auth: "key",
            model: "assistant",
            model_id: Some(Uuid::from_u128(6)),
            targets: &[Target {
                provider: "openai",
                model: "gpt-5",
            }],
            stream: true,
            input_tokens_bound: Some(12),
            output_cap: Some(4096),
            reserved_nano_usd: Some(9),
            reserved_tokens: Some(4108),
            policy: Policy {
                revision: "r1",
                cached: false,
            },
            noted: &[Cow::Borrowed("max_tokens")],
        }
        .entry();
        let scopes = Scopes {
            team: Some(Uuid::from_u128(3)),
            key: Some(Uuid::from_u128(4)),
            model: Some(Uuid::from_u128(6)),
            ..Scopes::default()
        };
        assert_eq!(entry.index().scopes, scopes);
        assert_eq!(entry.index().reserved_delta_tokens, Some(4108));
        assert_eq!(
            text(&entry),
            concat!(
                r#"{"kind":"intent","at":"1970-01-01T00:00:00.000000Z","#,
                r#""request_id":"00000000-0000-0000-0000-000000000002","#,
                r#""dialect":"openai","action":"chat","org":null,"#,
                r#""team":{"id":"00000000-0000-0000-0000-000000000003","name":"research"},"#,
                r#""user":null,"agent":null,"#,
                r#""key":{"id":"00000000-0000-0000-0000-000000000004","name":"ci"},"auth":"key","#,
                r#""model":"assistant","targets":["openai/gpt-5"],"stream":true,"#,
                r#""input_tokens_bound":12,"output_cap":4096,"reserved_nano_usd":9,"reserved_tokens":4108,"#,
                r#""policy":{"revision":"r1","cached":false},"noted":["max_tokens"]}"#
            )
        );
    }

    #[test]
    fn an_outcome_returns_the_reservation_and_spends_the_cost() {
        let outcome = Outcome {
            at: Timestamp::from_micros(0),
            request_id: Uuid::from_u128(2),
            intent: Position {
                chain: CHAIN,
                seq: 5,
            },
            ending: Ending::ClientGone,
            code: None,
            status: Some(200),
            provider: Some("openai"),
            model: Some("gpt-5"),
            attempts: 2,
            abandoned: 1,
            usage: Some(Usage {
                input: 3,
                output: 4,
                tier: Some("flex"),
                ..Usage::default()
            }),
            bill: Some(Bill {
                price: "openai/gpt-5",
                version: "list 7",
                lines: &[Line {
                    class: "output",
                    count: 4,
                    rate_pico_usd: 1_250,
                    cost_nano_usd: 5,
                }],
            }),
            abandoned_nano_usd: Some(2),
            reserved_nano_usd: Some(9),
            cost_nano_usd: Some(7),
            estimated: false,
            ttft_us: Some(10),
            duration_us: 20,
            tools: None,
        };
        let account = Account {
            at: Timestamp::default(),
            scopes: Scopes::default(),
            reserved_nano: Some(9),
            reserved_tokens: Some(30),
        };
        let entry = outcome.entry(&account, Some(7));
        assert_eq!(entry.index().reserved_delta_nano, Some(-9));
        assert_eq!(entry.index().spent_delta_nano, Some(7));
        assert_eq!(entry.index().reserved_delta_tokens, Some(-30));
        assert_eq!(entry.index().spent_delta_tokens, Some(7));
        assert_eq!(
            text(&entry),
            concat!(
                r#"{"kind":"outcome","at":"1970-01-01T00:00:00.000000Z","#,
                r#""request_id":"00000000-0000-0000-0000-000000000002","#,
                r#""intent":{"chain":"00000000-0000-0000-0000-000000000001","seq":5},"#,
                r#""ending":"client_gone","code":null,"status":200,"provider":"openai","#,
                r#""model":"gpt-5","attempts":2,"abandoned":1,"usage":{"input":3,"cached_input":0,"#,
                r#""cache_write":0,"output":4,"reasoning":0,"tier":"flex"},"#,
                r#""bill":{"price":"openai/gpt-5","version":"list 7","lines":[{"class":"output","#,
                r#""count":4,"rate_pico_usd":1250,"cost_nano_usd":5}]},"#,
                r#""abandoned_nano_usd":2,"reserved_nano_usd":9,"cost_nano_usd":7,"#,
                r#""estimated":false,"ttft_us":10,"duration_us":20,"tools":null}"#
            )
        );
    }

    #[test]
    fn a_long_model_name_is_cut_between_characters() {
        let refusal = Refusal {
            at: Timestamp::from_micros(0),
            request_id: None,
            gate: "authorization",
            code: "caller_unknown_model",
            dialect: Some("openai"),
            org: None,
            team: None,
            user: None,
            agent: None,
            key: None,
            model: Some(&"ä".repeat(1_000_000)),
            count: 1,
        };
        assert!(refusal.entry().leaf().len() < 600);
        let odd = Refusal {
            model: Some(&format!("x{}", "ä".repeat(400))),
            ..refusal
        };
        assert!(text(&odd.entry()).contains(&format!("x{}\"", "ä".repeat(127))));
    }
}
