use super::*;

#[test]
fn left_out_numbers_close_up_and_lost_ones_do_not() {
    let mut map = Gapless::starting_at(100);
    map.rebase(50);
    assert_eq!(map.pass(50), Some(100));
    map.skip(51);
    map.skip(52);
    assert_eq!(map.pass(53), Some(101));
    assert_eq!(map.pass(56), Some(104));
    assert_eq!(map.pass(54), Some(102));
    map.skip(55);
    assert_eq!(map.pass(51), None);
    assert_eq!(map.pass(49), None);
}

#[test]
fn numbers_older_than_what_is_remembered_are_refused() {
    let mut map = Gapless::starting_at(1);
    map.rebase(1_000);
    for nth in 0..100 {
        map.skip(1_000 + 2 * nth);
        assert_eq!(map.pass(1_001 + 2 * nth), Some(1 + nth));
    }
    assert_eq!(map.pass(1_003), None);
    assert_eq!(map.pass(1_191), Some(96));
}

#[test]
fn picture_ids_go_on_over_a_change_of_source_and_keep_their_width() {
    let mut ids = PictureIds::new();
    assert_eq!(ids.pass(PictureId::Long(32_767)), Some(PictureId::Long(1)));
    assert_eq!(ids.pass(PictureId::Long(0)), Some(PictureId::Long(2)));
    ids.skip(PictureId::Long(1));
    ids.skip(PictureId::Long(1));
    assert_eq!(ids.pass(PictureId::Long(2)), Some(PictureId::Long(3)));
    ids.rebase();
    assert_eq!(ids.pass(PictureId::Short(99)), Some(PictureId::Short(4)));
    assert_eq!(ids.pass(PictureId::Short(100)), Some(PictureId::Short(5)));
    assert_eq!(ids.pass(PictureId::Short(99)), Some(PictureId::Short(4)));
}

#[test]
fn small_numbers_wrap_in_their_own_width() {
    let mut keys = Wrapping::new(0x1f);
    assert_eq!(keys.pass(31), 1);
    assert_eq!(keys.pass(0), 2);
    keys.rebase();
    assert_eq!(keys.pass(7), 3);
    for step in 0..40 {
        keys.pass((8 + step) & 0x1f);
    }
    assert_eq!(keys.pass(48 & 0x1f), (3 + 41) & 0x1f);
}
