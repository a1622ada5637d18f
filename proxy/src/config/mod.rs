//! Configuration: [`raw`] is what serde reads, [`checked`] what the gateway
//! runs on. Nothing past start-up sees the raw form.

pub mod checked;
pub mod identity;
pub mod limits;
pub mod load;
pub mod policy;
pub mod providers;
pub mod raw;

pub use checked::Config;
pub use load::{ConfigError, load};
