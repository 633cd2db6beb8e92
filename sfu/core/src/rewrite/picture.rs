//! Picture numbers of VP8 and VP9 descriptors, continuous over changes of encoding.
//!
//! Hot path: constant work per packet.

use crate::{input::PictureId, rewrite::gapless::Gapless};

/// Extended picture ids start here, so that reordering around the first never goes below zero. A multiple of 2^15.
const EXTENDED_FROM: u64 = 1 << 20;

/// Maps picture ids of 7 or 15 bits.
#[derive(Clone, Debug)]
pub(crate) struct PictureIds {
    map: Gapless,
    /// Whether the current source has shown a picture id.
    begun: bool,
}

impl PictureIds {
    pub(crate) const fn new() -> Self {
        Self { map: Gapless::starting_at(1), begun: false }
    }

    /// The next picture id is of another source.
    pub(crate) const fn rebase(&mut self) {
        self.begun = false;
    }

    /// Maps an id, keeping its width.
    pub(crate) fn pass(&mut self, id: PictureId) -> Option<PictureId> {
        let extended = self.extend(id);
        let out = self.map.pass(extended)?;
        Some(match id {
            PictureId::Short(_) => PictureId::Short((low_bits(out) & 0x7f).to_le_bytes()[0]),
            PictureId::Long(_) => PictureId::Long(low_bits(out) & 0x7fff),
        })
    }

    /// Leaves a picture out.
    pub(crate) fn skip(&mut self, id: PictureId) {
        let extended = self.extend(id);
        self.map.skip(extended);
    }

    fn extend(&mut self, id: PictureId) -> u64 {
        let (value, mask) = match id {
            PictureId::Short(value) => (u64::from(value), 0x7f),
            PictureId::Long(value) => (u64::from(value), 0x7fff),
        };
        if !self.begun {
            self.begun = true;
            self.map.rebase(EXTENDED_FROM + value);
        }
        let newest = self.map.newest();
        let ahead = value.wrapping_sub(newest) & mask;
        if ahead <= mask / 2 { newest + ahead } else { newest.saturating_sub(mask + 1 - ahead) }
    }
}

/// A small wrapping number (TL0PICIDX, KEYIDX) that goes on by one when the source changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping {
    mask: u8,
    last: u8,
    /// In minus out; `None` until the current source showed one.
    shift: Option<u8>,
}

impl Wrapping {
    pub(crate) const fn new(mask: u8) -> Self {
        Self { mask, last: 0, shift: None }
    }

    pub(crate) const fn rebase(&mut self) {
        self.shift = None;
    }

    pub(crate) fn pass(&mut self, value: u8) -> u8 {
        let first = value.wrapping_sub(self.last.wrapping_add(1)) & self.mask;
        let shift = *self.shift.get_or_insert(first);
        let out = value.wrapping_sub(shift) & self.mask;
        if out.wrapping_sub(self.last) & self.mask <= self.mask / 2 {
            self.last = out;
        }
        out
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are what is wanted")]
const fn low_bits(number: u64) -> u16 {
    number as u16
}
