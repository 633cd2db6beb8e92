//! The replicated state as ordered keys: what a state machine may read, and the changes it asks for.
//!
//! A machine reads through a [`View`] and collects its changes in a [`Batch`]; an [`Overlay`] lets it read what it has
//! just written. Whoever replicates it writes the batch and the applied index in one step.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Bound;

/// First byte of every key: who owns the rest.
pub mod space {
    /// The cluster's own rows: applied index, membership, nodes.
    pub const CLUSTER: u8 = b'c';
    /// Rows of `im`.
    pub const IM: u8 = b'i';
    /// Rows of `rooms`.
    pub const ROOMS: u8 = b'r';
}

/// Whether a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Show the next row.
    More,
    /// Enough.
    Enough,
}

/// Ascending or descending keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    #[default]
    Up,
    /// Largest key first.
    Down,
}

/// A consistent view of ordered rows. Reading cannot fail: a store that cannot read its disk stops the node.
pub trait View {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Shows rows with `from <= key < to` to `visit` in the given direction until it has seen enough.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    );

    /// Shows rows whose key starts with `prefix`.
    fn scan_prefix(
        &self,
        prefix: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        self.scan(prefix, &after_prefix(prefix), direction, visit);
    }
}

impl<V: View + ?Sized> View for &V {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        (**self).scan(from, to, direction, visit);
    }
}

/// The smallest key above every key that starts with `prefix`. A prefix of only 0xff bytes has none: nothing starts so.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last.wrapping_add(1));
            break;
        }
    }
    end
}

/// Changes to rows, the last one for a key wins. `None` removes the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// No changes.
    #[must_use]
    pub const fn new() -> Self {
        Self { changes: BTreeMap::new() }
    }

    /// Writes a row.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    /// Removes a row.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// What the batch says of a key: nothing, removed, or its new value.
    #[must_use]
    pub fn change(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.changes.get(key).map(Option::as_deref)
    }

    /// Every change in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Every change with `from <= key < to`, in key order.
    pub fn range(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> {
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        // An empty or inverted range holds nothing; BTreeMap would panic on it.
        (from < to)
            .then(|| self.changes.range::<[u8], _>(bounds))
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Takes later changes in.
    pub fn merge(&mut self, later: Self) {
        self.changes.extend(later.changes);
    }

    /// How many keys change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl IntoIterator for Batch {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = alloc::collections::btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

/// A view with a batch on top of it.
#[derive(Debug)]
pub struct Overlay<'a, V: ?Sized> {
    /// What lies below.
    pub base: &'a V,
    /// Changes that hide it.
    pub batch: &'a Batch,
}

impl<V: View + ?Sized> View for Overlay<'_, V> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.batch.change(key) {
            Some(change) => change.map(<[u8]>::to_vec),
            None => self.base.get(key),
        }
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        let changes = self.batch.range(from, to);
        match direction {
            Direction::Up => merge(self.base, (from, to), direction, changes, visit),
            Direction::Down => merge(self.base, (from, to), direction, changes.rev(), visit),
        }
    }
}

/// Shows the rows below and the changes as one ordered sequence; a change hides the row with its key.
fn merge<'b>(
    base: &(impl View + ?Sized),
    (from, to): (&[u8], &[u8]),
    direction: Direction,
    changes: impl Iterator<Item = (&'b [u8], Option<&'b [u8]>)>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
) {
    let mut changes = changes.peekable();
    let mut ended = false;
    let comes_first = |a: &[u8], b: &[u8]| match direction {
        Direction::Up => a < b,
        Direction::Down => a > b,
    };
    base.scan(from, to, direction, &mut |key, value| {
        while let Some((changed, new)) = changes.next_if(|(changed, _)| comes_first(changed, key)) {
            if new.is_some_and(|new| visit(changed, new) == Scan::Enough) {
                ended = true;
                return Scan::Enough;
            }
        }
        let seen = match changes.next_if(|(changed, _)| *changed == key) {
            Some((_, None)) => Scan::More,
            Some((_, Some(new))) => visit(key, new),
            None => visit(key, value),
        };
        ended = seen == Scan::Enough;
        seen
    });
    if ended {
        return;
    }
    for (key, new) in changes {
        if new.is_some_and(|new| visit(key, new) == Scan::Enough) {
            return;
        }
    }
}

/// Rows in memory: the twin of a store on disk, for tests and models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Memory {
    /// Makes the changes.
    pub fn write(&mut self, batch: Batch) {
        for (key, value) in batch {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// Every row in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl View for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key).cloned()
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Scan,
    ) {
        if from >= to {
            return;
        }
        let mut rows = self.rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let mut show = |(key, value): (&Vec<u8>, &Vec<u8>)| visit(key, value) == Scan::More;
        let _ended = match direction {
            Direction::Up => rows.all(&mut show),
            Direction::Down => rows.rev().all(&mut show),
        };
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Batch, Direction, Memory, Overlay, Scan, View, after_prefix};

    fn keys(view: &impl View, direction: Direction, limit: usize) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        view.scan_prefix(b"k", direction, &mut |key, _| {
            seen.push(key.to_vec());
            if seen.len() < limit { Scan::More } else { Scan::Enough }
        });
        seen
    }

    fn base() -> Memory {
        let mut batch = Batch::new();
        for key in ["ka", "kc", "ke", "x"] {
            batch.put(key.into(), b"old".to_vec());
        }
        let mut memory = Memory::default();
        memory.write(batch);
        memory
    }

    #[test]
    fn an_overlay_shows_what_was_just_written_in_order_both_ways() {
        let base = base();
        let mut batch = Batch::new();
        batch.put(b"kb".to_vec(), b"new".to_vec());
        batch.remove(b"kc".to_vec());
        batch.put(b"kf".to_vec(), b"new".to_vec());
        batch.put(b"ke".to_vec(), b"new".to_vec());
        let view = Overlay { base: &base, batch: &batch };
        let up: Vec<Vec<u8>> = ["ka", "kb", "ke", "kf"].map(|key| key.into()).to_vec();
        let mut down = up.clone();
        down.reverse();
        assert_eq!(keys(&view, Direction::Up, 9), up);
        assert_eq!(keys(&view, Direction::Down, 9), down);
        assert_eq!(view.get(b"ke"), Some(b"new".to_vec()));
        assert_eq!(view.get(b"kc"), None);
        for limit in 1..=4 {
            assert_eq!(keys(&view, Direction::Up, limit), up[..limit]);
        }
    }

    #[test]
    fn writing_the_batch_gives_what_the_overlay_showed() {
        let mut base = base();
        let mut batch = Batch::new();
        batch.put(b"kb".to_vec(), b"new".to_vec());
        batch.remove(b"ka".to_vec());
        let shown = keys(&Overlay { base: &base, batch: &batch }, Direction::Up, 9);
        base.write(batch);
        assert_eq!(keys(&base, Direction::Up, 9), shown);
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(after_prefix(b"ab"), b"ac");
        assert_eq!(after_prefix(&[b'a', 0xff]), b"b");
        assert_eq!(after_prefix(&[0xff]), Vec::<u8>::new());
        assert_eq!(keys(&Memory::default(), Direction::Up, 9), Vec::<Vec<u8>>::new());
    }
}
