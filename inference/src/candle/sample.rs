//! Which token comes next.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use candle_core::{DType, Device, Result, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Way};

use crate::engine::Sampling;

/// Below this a temperature overflows the logits; the likeliest token is meant.
const COLDEST: f32 = 1e-4;

/// Picks the tokens of one sequence.
pub struct Sampler {
    picker: LogitsProcessor,
    presence: f32,
    frequency: f32,
    /// How often each token has come in the answer; kept only where it counts.
    seen: HashMap<u32, u16>,
}

impl Sampler {
    pub fn new(sampling: &Sampling) -> Self {
        let random = || RandomState::new().build_hasher().finish();
        let seed = sampling.seed.map_or_else(random, u64::from);
        Self {
            picker: LogitsProcessor::from_sampling(seed, way(sampling)),
            presence: sampling.presence_penalty,
            frequency: sampling.frequency_penalty,
            seen: HashMap::new(),
        }
    }

    /// Picks from the logits of one position, of shape (1, vocabulary).
    pub fn pick(&mut self, logits: &Tensor) -> Result<u32> {
        let logits = logits.squeeze(0)?.to_dtype(DType::F32)?;
        if self.presence == 0.0 && self.frequency == 0.0 {
            return self.picker.sample(&logits);
        }
        let mut values = logits.to_vec1::<f32>()?;
        for (&token, &times) in &self.seen {
            if let Some(value) = usize::try_from(token)
                .ok()
                .and_then(|at| values.get_mut(at))
            {
                *value -= self.presence + self.frequency * f32::from(times);
            }
        }
        let count = values.len();
        let token = self
            .picker
            .sample(&Tensor::from_vec(values, count, &Device::Cpu)?)?;
        let times = self.seen.entry(token).or_default();
        *times = times.saturating_add(1);
        Ok(token)
    }
}

fn way(sampling: &Sampling) -> Way {
    let Sampling {
        temperature, top_p, ..
    } = *sampling;
    // Asked this way round, what is no number is cold.
    if !(temperature >= COLDEST && top_p > 0.0) {
        return Way::ArgMax;
    }
    let (temperature, p) = (f64::from(temperature), f64::from(top_p));
    match (
        usize::try_from(sampling.top_k).unwrap_or(usize::MAX),
        p < 1.0,
    ) {
        (0, false) => Way::All { temperature },
        (0, true) => Way::TopP { p, temperature },
        (k, false) => Way::TopK { k, temperature },
        (k, true) => Way::TopKThenTopP { k, p, temperature },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(sampling: &Sampling, logits: &[f32], times: usize) -> Vec<u32> {
        let logits = Tensor::new(logits, &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let mut sampler = Sampler::new(sampling);
        (0..times).map(|_| sampler.pick(&logits).unwrap()).collect()
    }

    const LOGITS: [f32; 5] = [0.0, 3.0, 2.9, -1.0, 2.8];

    #[test]
    fn cold_is_always_the_likeliest() {
        for temperature in [0.0, 1e-30, f32::NAN] {
            let cold = Sampling {
                temperature,
                ..Sampling::default()
            };
            assert_eq!(picks(&cold, &LOGITS, 20), [1; 20]);
        }
        let none = Sampling {
            temperature: 1.0,
            top_p: 0.0,
            ..Sampling::default()
        };
        assert_eq!(picks(&none, &LOGITS, 20), [1; 20]);
    }

    #[test]
    fn top_k_and_top_p_leave_the_rest_out() {
        let hot = Sampling {
            temperature: 5.0,
            top_p: 1.0,
            top_k: 2,
            ..Sampling::default()
        };
        assert!(
            picks(&hot, &LOGITS, 200)
                .iter()
                .all(|token| [1, 2].contains(token))
        );
        let nucleus = Sampling {
            temperature: 1.0,
            top_p: 0.6,
            top_k: 0,
            ..Sampling::default()
        };
        assert!(
            picks(&nucleus, &LOGITS, 200)
                .iter()
                .all(|token| [1, 2].contains(token))
        );
    }

    #[test]
    fn a_seed_repeats_and_none_does_not() {
        let seeded = Sampling {
            temperature: 2.0,
            seed: Some(7),
            ..Sampling::default()
        };
        assert_eq!(picks(&seeded, &LOGITS, 50), picks(&seeded, &LOGITS, 50));
        let random = Sampling {
            seed: None,
            ..seeded
        };
        assert_ne!(picks(&random, &LOGITS, 50), picks(&random, &LOGITS, 50));
    }

    #[test]
    fn penalties_count_what_has_come() {
        let cold = Sampling {
            temperature: 0.0,
            ..Sampling::default()
        };
        let presence = Sampling {
            presence_penalty: 1.0,
            ..cold
        };
        // Each of the three likely ones falls once, by the same amount.
        assert_eq!(picks(&presence, &LOGITS, 5), [1, 2, 4, 1, 1]);
        let frequency = Sampling {
            frequency_penalty: 1.0,
            ..cold
        };
        assert_eq!(picks(&frequency, &LOGITS, 5), [1, 2, 4, 1, 2]);
    }
}
