//! Gate 1 over one stored key.

use lattice_benches::principal;
use lattice_identity::{ApiKeys, KeyRow, KeyStore, LatticeKey, Pepper, StoreFailure};
use lattice_kernel::SystemClock;

/// Well-formed, and nobody's.
pub const KEY: &str = "lat_000000000000000000000000000000002wjyrI";

/// The gate; it asks the store once and then knows the key.
pub fn known() -> ApiKeys<OneKey, SystemClock> {
    let pepper = || Pepper::from_bytes(&[7; 32]).expect("32 bytes are enough");
    let key = LatticeKey::parse(KEY).expect("the key is well formed");
    let row = KeyRow {
        mac: pepper().mac(&key),
        principal: principal(),
        expires_at: None,
        revoked_at: None,
        disabled: false,
    };
    let keys = ApiKeys::new(OneKey(row), pepper(), SystemClock);
    keys.refresh(1);
    keys
}

/// A store of one key.
pub struct OneKey(KeyRow);

impl KeyStore for OneKey {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreFailure> {
        Ok((*mac == self.0.mac).then(|| self.0.clone()))
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        Ok(1)
    }
}
