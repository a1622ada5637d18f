//! Prices: two rates per token make one `price` per million.

use serde_json::{Map, Value};

use super::document::member;
use super::grade::{Verdicts, exact, manual};
use super::models::per_million;

/// The two rates, where LiteLLM looks for them: at the target, else in its description.
const RATES: [&str; 2] = ["input_cost_per_token", "output_cost_per_token"];

/// The price of an entry of `model_list` at `path`, in USD per million tokens; both rates
/// or none.
pub fn read(
    path: &str,
    params: &Map<String, Value>,
    info: &Map<String, Value>,
    verdicts: &mut Verdicts,
) -> Option<(f64, f64)> {
    let rate = |rate: &str| {
        params
            .get(rate)
            .or_else(|| info.get(rate))
            .and_then(per_million)
    };
    let price = rate(RATES[0]).zip(rate(RATES[1]));
    let verdict = match price {
        Some(_) => exact("The target's `price`, per million tokens."),
        None => manual(
            "A `price` needs a rate from 0 to 1 USD a token for input and one for output; write both, or leave both to the catalogue.",
        ),
    };
    for section in ["litellm_params", "model_info"] {
        for rate in RATES {
            verdicts.say(member(&member(path, section), rate), verdict.clone());
        }
    }
    price
}
