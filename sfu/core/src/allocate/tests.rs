use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn wish(slot: u32, class: u64, kbps: &[u64], held: Held, ready: bool) -> Wish {
    let mut rungs = Rungs::default();
    for (nth, kbps) in kbps.iter().enumerate() {
        let quality = Quality::ALL[nth.min(2)];
        rungs.push(Rung { quality, temporal: 7, rate: Bitrate::from_kbps(*kbps) });
    }
    let desired = Bitrate::ZERO;
    Wish {
        slot,
        class,
        pixels: 0,
        rungs,
        held,
        ready,
        patient: false,
        desired,
        rung: None,
        climbing: false,
        short: false,
    }
}

const LADDER: [u64; 3] = [100, 300, 900];

fn check(budget_kbps: u64, wishes: &[Wish], expect: &[Option<usize>]) {
    let mut wishes = wishes.to_vec();
    share(Some(Bitrate::from_kbps(budget_kbps)), &mut wishes);
    wishes.sort_by_key(|wish| wish.slot);
    let rungs: Vec<_> = wishes.iter().map(|wish| wish.rung).collect();
    assert_eq!(rungs, expect);
}

#[test]
fn everybody_gets_the_smallest_before_anybody_gets_more() {
    let wishes = [0, 1, 2].map(|slot| wish(slot, 0, &LADDER, Held::Fresh, false));
    check(320, &wishes, &[Some(0), Some(0), Some(0)]);
    check(600, &wishes, &[Some(1), Some(0), Some(0)]);
    check(1_100, &wishes, &[Some(1), Some(1), Some(1)]);
}

#[test]
fn the_lowest_class_is_paused_first() {
    let wishes = [0, 1].map(|slot| wish(slot, u64::from(slot), &LADDER, Held::At(1), false));
    check(150, &wishes, &[None, Some(0)]);
}

#[test]
fn a_large_wish_that_does_not_fit_pauses_lower_classes_but_not_its_own() {
    let large = wish(0, 1, &[500], Held::Fresh, false);
    let equal = wish(1, 1, &LADDER, Held::At(0), false);
    let lower = wish(2, 0, &LADDER, Held::At(0), false);
    check(250, &[large, equal, lower], &[None, Some(0), None]);
}

#[test]
fn the_smallest_is_kept_for_a_while_although_it_does_not_fit() {
    let impatient = wish(0, 0, &[500], Held::At(0), false);
    let patient = Wish { patient: true, ..impatient };
    check(250, &[patient], &[Some(0)]);
    check(250, &[impatient], &[None]);
    check(250, &[Wish { held: Held::Starved, ..patient }], &[None]);
}

#[test]
fn what_is_held_stays_while_it_fits_and_more_waits_for_headroom() {
    let held = |ready| [wish(0, 0, &LADDER, Held::At(1), ready)];
    check(301, &held(false), &[Some(1)]);
    check(299, &held(false), &[Some(0)]);
    check(950, &held(true), &[Some(1)]);
    check(1_010, &held(false), &[Some(1)]);
    check(1_010, &held(true), &[Some(2)]);
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let held = prop_oneof![Just(Held::Fresh), Just(Held::Starved), (0..3_usize).prop_map(Held::At)];
    (0..3_u64, prop::collection::vec(1..2_000_u64, 1..6), held, any::<bool>())
        .prop_map(|(class, kbps, held, ready)| wish(0, class, &kbps, held, ready))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_sum_never_exceeds_the_budget_and_no_class_flows_over_a_paused_higher_one(
        budget in 0..5_000_u64, mut wishes in prop::collection::vec(any_wish(), 0..12),
    ) {
        for (slot, wish) in (0..).zip(&mut wishes) {
            wish.slot = slot;
        }
        let budget = Bitrate::from_kbps(budget);
        share(Some(budget), &mut wishes);
        let sum: Bitrate = wishes.iter().map(Wish::granted).sum();
        prop_assert!(sum <= budget);
        let paused = wishes.iter().filter(|wish| wish.rung.is_none()).map(|wish| wish.class).max();
        if let Some(class) = paused {
            prop_assert!(wishes.iter().all(|wish| wish.rung.is_none() || wish.class >= class));
        }
    }
}
