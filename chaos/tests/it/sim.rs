use chaos::sim::{Flaw, Report, simulate};

/// Simulated.
const SECONDS: u64 = 20;

fn run(seed: u64) -> Report {
    let report = simulate(seed, SECONDS, Flaw::Nothing);
    report.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"))
}

#[test]
fn a_cluster_loses_nothing_and_repeats_nothing_whatever_breaks() {
    for seed in 0..3 {
        let report = run(seed);
        assert!(report.acknowledged > 50 && report.read > 20, "seed {seed}: {report:?}");
        assert!(report.seen.values().sum::<u64>() > 10, "seed {seed}: {report:?}");
    }
}

/// Whether a flaw is found in one of a few runs.
fn assert_found(flaw: Flaw, words: &str) {
    let faults: Vec<String> = (0..4)
        .filter_map(|seed| simulate(seed, SECONDS, flaw).err().map(|fault| fault.0))
        .inspect(|fault| println!("{flaw:?}: {fault}"))
        .take(1)
        .collect();
    assert!(faults.iter().any(|fault| fault.contains(words)), "{flaw:?}: {faults:?}");
}

#[test]
fn reads_that_ask_nobody_are_found_to_be_stale() {
    assert_found(Flaw::LocalReads, "a read was told");
}

#[test]
fn a_client_that_is_sure_too_early_is_found() {
    assert_found(Flaw::SureClients, "was refused and is at");
}

#[test]
fn disks_that_lose_what_they_synced_are_found() {
    assert_found(Flaw::LyingDisks, "");
}
