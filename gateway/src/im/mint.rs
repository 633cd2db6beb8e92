//! Randomness as an argument: ids, keys and tokens are made here and nowhere else.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::{
    im::id::{ClientKey, SessionId},
    time::LogTime,
};
use rand::Rng as _;

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// Draws random bytes.
#[derive(Clone)]
pub struct Mint(Arc<Fill>);

impl Mint {
    /// A mint that fills what `fill` fills.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// The system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|bytes| rand::rng().fill_bytes(bytes))
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A key like a UUID of version 7 (RFC 9562 section 5.7): time first, so that keys made one after another lie
    /// side by side.
    #[must_use]
    pub fn key(&self, now: LogTime) -> ClientKey {
        let random = u128::from_be_bytes(self.bytes());
        let time = u128::from(now.0) << 80;
        let tail = random & !(u128::MAX << 80) & !(0xf << 76) & !(0b11 << 62);
        ClientKey((time | tail | (0x7 << 76) | (0b10 << 62)).to_be_bytes())
    }

    /// A log-in.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId(u64::from_be_bytes(self.bytes()))
    }

    /// A refresh token of 256 bits.
    #[must_use]
    pub fn refresh(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint")
    }
}

#[cfg(test)]
mod tests {
    use proto::time::LogTime;

    use super::Mint;

    #[test]
    fn keys_ascend_with_time_and_are_uuids_of_version_7() {
        let mint = Mint::new(|bytes| bytes.fill(0xff));
        let (early, late) = (mint.key(LogTime(1)), mint.key(LogTime(2)));
        assert!(early < late);
        assert_eq!(early.to_string(), "0000000000017fffbfffffffffffffff");
    }

    #[test]
    fn nothing_is_drawn_twice() {
        let mint = Mint::system();
        assert_ne!(mint.refresh(), mint.refresh());
        assert_eq!(mint.refresh().len(), 43);
    }
}
