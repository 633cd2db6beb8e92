use std::{fs, io::Cursor, path::Path};

use proptest::prelude::*;
use proto::store::{Batch, Direction, Memory, Scan, View};

use super::{
    Options, Store,
    generation::{generation_path, redo_path, write_redo},
};

fn row(number: u8) -> Vec<u8> {
    vec![b'i', number]
}

fn batch(changes: &[(u8, Option<u16>)]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(row(*key), value.to_be_bytes().repeat(150)),
            None => batch.remove(row(*key)),
        }
    }
    batch
}

type Row = (Vec<u8>, Vec<u8>);

fn scan(view: &dyn View, from: &[u8], to: &[u8], direction: Direction) -> Vec<Row> {
    let mut rows = Vec::new();
    view.scan(from, to, direction, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        Scan::More
    });
    rows
}

fn rows(store: &Store) -> Vec<Row> {
    store.read(|view| scan(view, b"i", b"j", Direction::Up)).unwrap()
}

fn open(dir: &Path) -> Store {
    let (store, reason) = Store::open(dir, Options::default()).unwrap();
    assert!(reason.is_none(), "{reason:?}");
    store
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Option<u16>)>),
    Flush,
    Reopen,
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((0_u8..40, prop::option::weighted(0.7, any::<u16>())), 0..12)
            .prop_map(Step::Commit),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Copy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_shows_what_memory_would_show(
        steps in prop::collection::vec(step(), 1..30),
        from in 0_u8..40,
        to in 0_u8..44,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut model = Memory::default();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    store.commit(batch(&changes)).unwrap();
                    model.write(batch(&changes));
                }
                Step::Flush => store.flush().unwrap(),
                Step::Reopen => {
                    store.flush().unwrap();
                    store.close();
                    store = open(dir.path());
                }
                Step::Copy => {
                    let (bytes, header) = store.export(Vec::new(), |_| 7_u32).unwrap();
                    prop_assert_eq!(header, 7);
                    let twin = Store::memory(Options::default());
                    prop_assert_eq!(twin.import::<_, u32>(Cursor::new(bytes.clone())).unwrap(), 7);
                    prop_assert_eq!(rows(&twin), rows(&store));
                    store.import::<_, u32>(Cursor::new(bytes)).unwrap();
                }
            }
            for direction in [Direction::Up, Direction::Down] {
                let seen = store.read(|view| scan(view, &row(from), &row(to), direction)).unwrap();
                prop_assert_eq!(seen, scan(&model, &row(from), &row(to), direction));
            }
            for key in 0..40 {
                let seen = store.read(|view| view.get(&row(key))).unwrap();
                prop_assert_eq!(seen, model.get(&row(key)));
            }
        }
    }
}

#[test]
fn a_flush_that_was_cut_off_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(batch(&[(1, Some(1)), (2, Some(2))])).unwrap();
    store.flush().unwrap();
    drop(store);
    let rest = batch(&[(1, None), (2, Some(20)), (3, Some(30))]);
    write_redo(&redo_path(dir.path(), 0), &rest).unwrap();
    let store = open(dir.path());
    let mut model = Memory::default();
    model.write(batch(&[(2, Some(20)), (3, Some(30))]));
    assert_eq!(rows(&store), scan(&model, b"i", b"j", Direction::Up));
    assert!(!redo_path(dir.path(), 0).exists());
}

#[test]
fn damaged_rows_are_put_aside_and_the_store_begins_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(batch(&[(1, Some(1))])).unwrap();
    store.flush().unwrap();
    drop(store);
    let file = generation_path(dir.path(), 0).join("db");
    let length = fs::metadata(&file).unwrap().len();
    fs::write(&file, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    let (store, reason) = Store::open(dir.path(), Options::default()).unwrap();
    assert!(reason.is_some());
    assert_eq!(rows(&store), []);
    assert!(dir.path().join("damaged").exists());
    drop(store);
    fs::remove_dir_all(generation_path(dir.path(), 1)).unwrap();
    let (_store, reason) = Store::open(dir.path(), Options::default()).unwrap();
    assert!(reason.is_some(), "deleted rows are noticed");
}

#[test]
fn a_store_that_is_open_is_neither_opened_again_nor_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(batch(&[(1, Some(1))])).unwrap();
    assert!(Store::open(dir.path(), Options::default()).is_err());
    store.flush().unwrap();
    assert_eq!(rows(&store).len(), 1);
}

#[test]
fn a_snapshot_with_any_byte_changed_or_cut_is_refused() {
    let store = Store::memory(Options::default());
    store.commit(batch(&[(1, Some(1)), (2, Some(2)), (3, Some(3))])).unwrap();
    let (bytes, ()) = store.export(Vec::new(), |_| ()).unwrap();
    for at in 0..bytes.len() {
        let twin = Store::memory(Options::default());
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(twin.import::<_, ()>(Cursor::new(changed)).is_err(), "changed at {at}");
        assert!(twin.import::<_, ()>(Cursor::new(&bytes[..at])).is_err(), "cut at {at}");
        assert_eq!(rows(&twin), [], "nothing of a refused snapshot stays");
    }
}
