//! Dense tables: values by a small integer chosen elsewhere, and one value per quality.
//!
//! Hot path: no allocation but when a table grows.

use alloc::vec::Vec;

use proto::media::Quality;

/// Ids at or above this are refused: they are dense, so a larger one is a bug of the caller.
pub(crate) const IDS_MAX: u32 = 1 << 20;

/// Values by dense id.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<Option<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.rows.get(id as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.rows.get_mut(id as usize)?.as_mut()
    }

    /// Stores a value; `false` when the id is out of range.
    pub(crate) fn insert(&mut self, id: u32, value: T) -> bool {
        if id >= IDS_MAX {
            return false;
        }
        let at = id as usize;
        if self.rows.len() <= at {
            self.rows.resize_with(at + 1, || None);
        }
        if let Some(row) = self.rows.get_mut(at) {
            *row = Some(value);
        }
        true
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.rows.get_mut(id as usize)?.take()
    }

    /// The smallest id without a value; [`IDS_MAX`] when there is none.
    pub(crate) fn vacant(&self) -> u32 {
        let at = self.rows.iter().position(Option::is_none).unwrap_or(self.rows.len());
        u32::try_from(at).unwrap_or(IDS_MAX)
    }

    /// Every id is below this.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(IDS_MAX)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.rows).filter_map(|(id, row)| Some((id, row.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (0..).zip(&mut self.rows).filter_map(|(id, row)| Some((id, row.as_mut()?)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.iter().all(Option::is_none)
    }
}

/// One value per quality, smallest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerQuality<T> {
    low: T,
    medium: T,
    high: T,
}

impl<T> PerQuality<T> {
    pub(crate) const fn at(&self, quality: Quality) -> &T {
        match quality {
            Quality::Low => &self.low,
            Quality::Medium => &self.medium,
            Quality::High => &self.high,
        }
    }

    pub(crate) const fn at_mut(&mut self, quality: Quality) -> &mut T {
        match quality {
            Quality::Low => &mut self.low,
            Quality::Medium => &mut self.medium,
            Quality::High => &mut self.high,
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Quality, &T)> {
        Quality::ALL.into_iter().map(|quality| (quality, self.at(quality)))
    }
}
