use super::Filter;

#[test]
fn what_was_added_is_never_called_absent_and_most_else_is() {
    let filter = Filter::new(true);
    let key = |number: u32| number.to_be_bytes().repeat(5);
    (0..20_000).for_each(|number| filter.add(&key(number)));
    assert!((0..20_000).all(|number| !filter.is_absent(&key(number))));
    let wrong = (20_000..40_000).filter(|number| !filter.is_absent(&key(*number))).count();
    assert!(wrong < 40, "{wrong} of 20000 absent keys were not known as such");
}

#[test]
fn a_filter_that_has_not_seen_everything_says_nothing() {
    let filter = Filter::new(false);
    assert!(!filter.is_absent(b"anything"));
    filter.complete();
    assert!(filter.is_absent(b"anything"));
}
