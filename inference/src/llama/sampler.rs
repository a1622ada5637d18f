//! How the next token is picked.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;

use crate::engine::Sampling;

/// Below this the likeliest token is all that can come; logits divided by much less
/// would overflow.
const COLDEST: f32 = 1e-3;
/// llama.cpp draws the seed itself.
const RANDOM: u32 = u32::MAX;

pub enum Sampler {
    /// The likeliest, found in the row itself: no list of candidates is built.
    Greedy,
    Chain(LlamaSampler),
}

impl Sampler {
    /// `vocabulary` tokens; penalties look back over `context` tokens of output.
    pub fn new(sampling: &Sampling, vocabulary: i32, context: u32) -> Self {
        let (presence, frequency) = (sampling.presence_penalty, sampling.frequency_penalty);
        let mut chain = Vec::new();
        if presence != 0.0 || frequency != 0.0 {
            let window = i32::try_from(context).unwrap_or(i32::MAX);
            chain.push(LlamaSampler::penalties(
                vocabulary, window, 1.0, frequency, presence,
            ));
        }
        if sampling.temperature < COLDEST {
            if chain.is_empty() {
                return Self::Greedy;
            }
            chain.push(LlamaSampler::greedy());
        } else {
            if sampling.top_k > 0 {
                chain.push(LlamaSampler::top_k(
                    i32::try_from(sampling.top_k).unwrap_or(i32::MAX),
                ));
            }
            if sampling.top_p < 1.0 {
                chain.push(LlamaSampler::top_p(sampling.top_p, 1));
            }
            chain.push(LlamaSampler::temp(sampling.temperature));
            // The one seed that would mean another draw.
            let seed = sampling.seed.map_or(RANDOM, |seed| seed.min(RANDOM - 1));
            chain.push(LlamaSampler::dist(seed));
        }
        Self::Chain(LlamaSampler::chain(chain, true))
    }

    /// Picks from row `row` of the last step, and remembers it for the penalties.
    pub fn sample(&mut self, context: &LlamaContext<'_>, row: i32) -> LlamaToken {
        match self {
            Self::Greedy => likeliest(context.get_logits_ith(row)),
            Self::Chain(chain) => chain.sample(context, row),
        }
    }
}

/// The first of the largest.
fn likeliest(logits: &[f32]) -> LlamaToken {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    LlamaToken::new(best.0)
}
