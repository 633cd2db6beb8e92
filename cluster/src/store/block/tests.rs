use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{BLOCK_BYTES_MAX, Reader, changed, find, pack};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows() -> impl Strategy<Value = Rows> {
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..400),
        1 => prop::collection::vec(any::<u8>(), 5_000..6_000),
    ];
    prop::collection::btree_map(prop::collection::vec(0_u8..6, 0..4), value, 0..60)
}

proptest! {
    #[test]
    fn packed_rows_read_back_in_order_and_blocks_stay_small(rows in rows()) {
        let flat: Vec<(&[u8], &[u8])> = rows.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        let blocks = pack(&flat);
        let mut back = Vec::new();
        for (first, block) in &blocks {
            let inside: Vec<_> = Reader::new(block).map(Result::unwrap).collect();
            prop_assert_eq!(inside[0].0, *first);
            prop_assert!(block.len() <= BLOCK_BYTES_MAX || inside.len() == 1);
            for (key, value) in &inside {
                prop_assert_eq!(find(block, key).unwrap(), Some(*value));
            }
            back.extend(inside);
        }
        prop_assert_eq!(back, flat);
    }

    #[test]
    fn changing_a_block_changes_what_is_named_and_nothing_else(before in rows(), to in rows(), gone in rows()) {
        let flat: Vec<(&[u8], &[u8])> = before.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        let mut block = Vec::new();
        flat.iter().for_each(|row| super::put(&mut block, *row));
        let mut changes: BTreeMap<&[u8], Option<&[u8]>> = gone.keys().map(|k| (&k[..], None)).collect();
        changes.extend(to.iter().map(|(k, v)| (&k[..], Some(&v[..]))));
        let list: Vec<_> = changes.iter().map(|(k, v)| (*k, *v)).collect();
        let mut after = before.clone();
        for (key, value) in &changes {
            match value {
                Some(value) => after.insert(key.to_vec(), value.to_vec()),
                None => after.remove(*key),
            };
        }
        let expected: Vec<(&[u8], &[u8])> = after.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        prop_assert_eq!(changed(&block, &list).unwrap(), expected);
    }
}

#[test]
fn a_cut_block_is_damage_and_ends() {
    let mut block = Vec::new();
    super::put(&mut block, (b"key", b"value"));
    for length in 1..block.len() {
        let read: Vec<_> = Reader::new(&block[..length]).collect();
        assert_eq!(read.len(), 1);
        assert!(read[0].is_err());
    }
}
