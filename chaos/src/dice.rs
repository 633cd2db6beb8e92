//! Randomness from a seed: equal seeds give equal throws, on every machine and in every version.

/// Splits a seed into a stream of throws (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Throws that follow from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Other throws that follow from the next one: for a part that must not disturb the rest.
    pub const fn fork(&mut self) -> Self {
        Self::new(self.throw())
    }

    /// 64 random bits.
    pub const fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        // Far fewer sides than 2^64: the bias does not matter here.
        if end == 0 { 0 } else { self.throw() % end }
    }

    /// A number from `least` to `most`.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// An index below a length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// True in `percent` of a hundred throws.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these; `None` when there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.index(items.len());
        items.get(index)
    }

    /// Which of several weights is hit: its index.
    pub fn weighed(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_gives_the_same_throws_for_ever() {
        let mut dice = Dice::new(0);
        // The first outputs of the reference implementation.
        assert_eq!(dice.throw(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.throw(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn weights_are_kept_to() {
        let mut dice = Dice::new(1);
        let mut hits = [0; 3];
        for _ in 0..3_000 {
            hits[dice.weighed(&[1, 0, 2])] += 1;
        }
        assert_eq!(hits[1], 0);
        assert!((900..1_100).contains(&hits[0]), "{hits:?}");
    }
}
