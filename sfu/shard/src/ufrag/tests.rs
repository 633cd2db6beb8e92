use super::*;

#[test]
fn a_fragment_reads_back_what_was_written() {
    for (shard, slot) in [(0, 0), (255, SLOT_MAX), (7, 0x0012_3456)] {
        let ufrag = Ufrag::fresh(ShardId(shard), slot, 9);
        let text = ufrag.encode();
        assert_eq!(text.len(), UFRAG_LEN);
        assert_eq!(parse(&text), Some(ufrag));
    }
}

#[test]
fn foreign_fragments_are_refused() {
    for text in
        ["", "abcd", "aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAA", "ääääääää"]
    {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn passwords_are_long_and_differ() {
    assert_eq!(password().len(), PASSWORD_LEN);
    assert_ne!(password(), password());
}
