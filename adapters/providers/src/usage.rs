//! What the dialects read of a reply, in the kernel's words.

use lattice_dialects::canonical;
use lattice_kernel::{Tier, Usage};

/// The same counts.
#[must_use]
pub fn used(usage: &canonical::Usage) -> Usage {
    let canonical::Usage {
        input,
        cached_input,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        input_video,
        cached_audio,
        cached_image,
        output,
        reasoning,
        output_audio,
        output_image,
        web_searches,
        tier,
    } = *usage;
    Usage {
        input,
        cached_input,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        input_video,
        cached_audio,
        cached_image,
        output,
        reasoning,
        output_audio,
        output_image,
        web_searches,
        tier: tier.map(|tier| Tier::new(tier.as_str())),
    }
}
