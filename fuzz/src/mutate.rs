//! Seeded mutations: the same seed gives the same input, so a failure is a command line.

/// A small generator of numbers (xorshift64*), good enough to choose bytes.
pub struct Dice(u64);

impl Dice {
    /// A generator that repeats itself for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `count`; 0 where there is none.
    pub fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % count).unwrap_or(0)
    }
}

/// Bytes at which parsers stumble.
const SPECIAL: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'\r', b'=', b':', b' ', b'm', b'a'];
/// Texts at which parsers of numbers and lines stumble.
const WORDS: [&[u8]; 10] = [
    b"4294967296",
    b"-1",
    b"99999999999999999999",
    b"\r\n",
    b"\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
    b"\na=mid:0\r\n",
    b"\0",
    b"{\"\":",
    b"\xf0\x9f\x99\x82",
    b"a=",
];

/// Changes an input by a handful of mutations; `other` is another input to take parts from.
#[must_use]
pub fn mutate(input: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut data = input.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(data.len().max(1));
        match dice.below(9) {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            1 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte = SPECIAL[dice.below(SPECIAL.len())];
                }
            }
            2 => data.truncate(at),
            3 => {
                let end = (at + dice.below(64)).min(data.len());
                data.drain(at.min(end)..end);
            }
            4 => {
                let end = (at + dice.below(64)).min(data.len());
                let part = data.get(at..end).unwrap_or_default().to_vec();
                splice(&mut data, at, &part);
            }
            5 => splice(&mut data, at, WORDS[dice.below(WORDS.len())]),
            6 => {
                let from = dice.below(other.len().max(1));
                let end = (from + dice.below(128)).min(other.len());
                splice(&mut data, at, other.get(from..end).unwrap_or_default());
            }
            7 => {
                let byte = SPECIAL[dice.below(SPECIAL.len())];
                let run = vec![byte; dice.below(300)];
                splice(&mut data, at, &run);
            }
            _ => {
                let tail = other.get(dice.below(other.len().max(1))..).unwrap_or_default();
                data.truncate(at);
                data.extend_from_slice(tail);
            }
        }
    }
    data
}

fn splice(data: &mut Vec<u8>, at: usize, part: &[u8]) {
    let at = at.min(data.len());
    data.splice(at..at, part.iter().copied());
}
