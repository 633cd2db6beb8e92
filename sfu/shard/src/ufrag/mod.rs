//! ICE user name fragments that name their owner, so that a packet finds its connection without a search.
//!
//! Ten bytes in sixteen base32 characters: shard, slot (24 bits), generation, and 40 random bits that make a
//! fragment of a former owner of the slot worthless. The password, not the fragment, is the secret.

use proto::id::ShardId;
use rand::RngExt as _;

/// Characters of a fragment.
pub const UFRAG_LEN: usize = 16;

/// The largest slot that fits a fragment.
pub const SLOT_MAX: u32 = 0x00ff_ffff;

/// Characters of a password: 160 random bits, RFC 8445 section 5.3 asks for 128.
const PASSWORD_LEN: usize = 32;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a fragment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ufrag {
    /// Which media thread.
    pub shard: ShardId,
    /// Which connection of that thread, at most [`SLOT_MAX`].
    pub slot: u32,
    /// Counts ICE restarts of the connection.
    pub generation: u8,
    /// Random bits.
    pub nonce: [u8; 5],
}

impl Ufrag {
    /// A fresh fragment for a connection.
    #[must_use]
    pub fn fresh(shard: ShardId, slot: u32, generation: u8) -> Self {
        Self { shard, slot: slot & SLOT_MAX, generation, nonce: rand::rng().random() }
    }

    /// Writes the fragment.
    #[must_use]
    pub fn encode(&self) -> String {
        let [_, a, b, c] = self.slot.to_be_bytes();
        let [n0, n1, n2, n3, n4] = self.nonce;
        let bytes = [self.shard.0, a, b, c, self.generation, n0, n1, n2, n3, n4];
        let bits = bytes.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        (0..UFRAG_LEN)
            .rev()
            .filter_map(|i| ALPHABET.get((bits >> (5 * i) & 31) as usize))
            .map(|byte| char::from(*byte))
            .collect()
    }
}

/// Reads a fragment; `None` when it is not one of ours.
#[must_use]
pub fn parse(text: &str) -> Option<Ufrag> {
    if text.len() != UFRAG_LEN {
        return None;
    }
    let mut bits = 0u128;
    for byte in text.bytes() {
        let value = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u128::from(value);
    }
    let [.., shard, a, b, c, generation, n0, n1, n2, n3, n4] = bits.to_be_bytes();
    Some(Ufrag {
        shard: ShardId(shard),
        slot: u32::from_be_bytes([0, a, b, c]),
        generation,
        nonce: [n0, n1, n2, n3, n4],
    })
}

/// A fresh ICE password.
#[must_use]
pub fn password() -> String {
    let mut rng = rand::rng();
    (0..PASSWORD_LEN)
        .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests;
