use std::{
    env, fs, io,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
};

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Done, Entry, EntryId, EntryKind, Log, LogError, Options, Vote};

const SMALL: Options = Options { segment_bytes: 4096, recent_bytes: 512 };

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn done() -> (Done, Receiver<io::Result<()>>) {
    let (sender, receiver) = sync_channel(1);
    (Box::new(move |outcome| sender.send(outcome).unwrap()), receiver)
}

fn entry(term: u64, index: u64, size: usize) -> Entry {
    let id = EntryId { term, node: 1, index };
    let kind = if index == 0 { EntryKind::Membership } else { EntryKind::Normal };
    Entry { id, kind, payload: Bytes::from(vec![index.to_le_bytes()[0] | 1; size]) }
}

fn append(log: &Log, entries: Vec<Entry>) -> io::Result<()> {
    let (done, outcome) = done();
    block_on(log.append(entries, done))?;
    outcome.recv().unwrap()
}

fn close(log: &Log) {
    let (done, outcome) = done();
    block_on(log.close(done)).unwrap();
    outcome.recv().unwrap().unwrap();
}

fn all(log: &Log) -> Vec<Entry> {
    let (purged, last) = log.bounds();
    let from = purged.map_or(0, |id| id.index + 1);
    let to = last.map_or(0, |id| id.index + 1);
    let entries = log.read(from..to, usize::MAX).unwrap();
    assert_eq!(entries.len() as u64, to - from, "the log has a hole");
    entries
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    to
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths
}

/// What a log must hold after any sequence of steps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: Vec<Entry>,
    purged: Option<EntryId>,
    vote: Option<Vote>,
    committed: Option<EntryId>,
}

impl Model {
    fn next(&self) -> u64 {
        let base = self.purged.map_or(0, |id| id.index + 1);
        base + self.entries.len() as u64
    }

    fn of(log: &Log) -> Self {
        let (purged, _) = log.bounds();
        Self { entries: all(log), purged, vote: log.vote(), committed: log.committed() }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<usize>),
    Truncate(usize),
    Purge(usize),
    JumpAhead(u64),
    Vote(u64, bool),
    Committed,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(0_usize..700, 1..6).prop_map(Step::Append),
        2 => (0_usize..8).prop_map(Step::Truncate),
        2 => (1_usize..12).prop_map(Step::Purge),
        1 => (1_u64..20).prop_map(Step::JumpAhead),
        2 => (0_u64..9, any::<bool>()).prop_map(|(term, committed)| Step::Vote(term, committed)),
        2 => Just(Step::Committed),
        2 => Just(Step::Reopen),
    ]
}

fn run(log: &mut Log, model: &mut Model, dir: &Path, term: u64, step: Step) {
    let (done, outcome) = done();
    match step {
        Step::Append(sizes) => {
            let next = model.next();
            let entries: Vec<_> =
                sizes.iter().zip(next..).map(|(size, index)| entry(term, index, *size)).collect();
            model.entries.extend(entries.clone());
            block_on(log.append(entries, done)).unwrap();
        }
        Step::Truncate(count) => {
            let keep = model.entries.len().saturating_sub(count);
            model.entries.truncate(keep);
            let last = model.entries.last().map(|entry| entry.id);
            block_on(log.truncate(model.next(), last, done)).unwrap();
        }
        Step::Purge(count) => {
            let count = count.min(model.entries.len());
            let Some(upto) = model.entries.drain(..count).last() else { return };
            model.purged = Some(upto.id);
            block_on(log.purge(upto.id, done)).unwrap();
        }
        Step::JumpAhead(by) => {
            let upto = EntryId { term, node: 2, index: model.next() + by };
            model.entries.clear();
            model.purged = Some(upto);
            block_on(log.purge(upto, done)).unwrap();
        }
        Step::Vote(term, committed) => {
            let vote = Vote { term, node: 3, committed };
            model.vote = Some(vote);
            block_on(log.save_vote(vote, done)).unwrap();
        }
        Step::Committed => {
            let Some(last) = model.entries.last() else { return };
            model.committed = Some(last.id);
            log.save_committed(last.id);
            return;
        }
        Step::Reopen => {
            close(log);
            *log = Log::open(dir, SMALL).unwrap();
            return;
        }
    }
    outcome.recv().unwrap().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_log_holds_what_a_list_would_hold(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), SMALL).unwrap();
        let mut model = Model::default();
        for (term, step) in (1..).zip(steps) {
            run(&mut log, &mut model, dir.path(), term, step);
            prop_assert_eq!(&Model::of(&log), &model);
        }
        close(&log);
        let again = Log::open(dir.path(), SMALL).unwrap();
        prop_assert_eq!(&Model::of(&again), &model);
    }
}

#[test]
fn a_truncation_reaches_back_over_a_segment_without_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path(), SMALL).unwrap();
    let mut model = Model::default();
    let mut steps: Vec<_> = (0..7).map(|_| Step::Append(vec![500])).collect();
    // Fills the segment, so that the truncations are the first records of the next one.
    steps.extend((0..8).map(|term| Step::Vote(term, true)));
    steps.extend([Step::Truncate(0), Step::Truncate(2), Step::Vote(9, true), Step::Reopen]);
    for step in steps {
        run(&mut log, &mut model, dir.path(), 1, step);
        assert_eq!(Model::of(&log), model);
    }
    assert_eq!((segments(dir.path()).len(), model.entries.len()), (2, 5));
}

/// A log of one segment with `groups` groups of two entries; returns where each group ends.
fn written(groups: u64) -> (TempDir, Vec<usize>) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), SMALL).unwrap();
    let mut ends = Vec::new();
    for group in 0..groups {
        append(&log, vec![entry(1, group * 2, 30), entry(1, group * 2 + 1, 50)]).unwrap();
        ends.push(usize::try_from(log.disk_bytes()).unwrap());
    }
    close(&log);
    (dir, ends)
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_group_before_the_cut() {
    let (dir, ends) = written(4);
    let path = &segments(dir.path())[0];
    let whole = fs::read(path).unwrap();
    for cut in 0..=ends[3] {
        let copy = copy(dir.path());
        let cut_path = &segments(copy.path())[0];
        fs::write(cut_path, &whole[..cut]).unwrap();
        let log = Log::open(copy.path(), SMALL).unwrap();
        let entries = all(&log);
        let groups = ends.iter().filter(|end| **end <= cut).count();
        assert!(entries.len() >= groups * 2, "cut at {cut}: {} entries", entries.len());
        append(&log, vec![entry(2, entries.len() as u64, 9)]).unwrap();
        close(&log);
        let again = Log::open(copy.path(), SMALL).unwrap();
        assert_eq!(all(&again).len(), entries.len() + 1, "cut at {cut}, appended, opened again");
    }
}

#[test]
fn a_torn_last_group_is_dropped_whatever_the_disk_left_of_it() {
    let (dir, ends) = written(4);
    let path = &segments(dir.path())[0];
    let whole = fs::read(path).unwrap();
    for filler in [0x00, 0xff] {
        for torn in ends[2]..ends[3] {
            let copy = copy(dir.path());
            let mut bytes = whole.clone();
            // Only one byte of the group is lost: a later record of it may be whole.
            bytes[torn] = if bytes[torn] == filler { filler ^ 0x55 } else { filler };
            fs::write(&segments(copy.path())[0], &bytes).unwrap();
            let log = Log::open(copy.path(), SMALL).unwrap();
            let count = all(&log).len();
            assert!((6..8).contains(&count), "torn at {torn}: {count} entries");
        }
    }
}

#[test]
fn a_flipped_bit_before_a_durable_place_refuses_to_open() {
    let (dir, ends) = written(4);
    let whole = fs::read(&segments(dir.path())[0]).unwrap();
    for at in 0..ends[2] {
        let copy = copy(dir.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&segments(copy.path())[0], &bytes).unwrap();
        let outcome = Log::open(copy.path(), SMALL).map(|_| ());
        assert!(
            matches!(outcome, Err(LogError::Damaged { .. } | LogError::Gap { .. })),
            "bit flipped at {at}: {outcome:?}"
        );
    }
}

#[test]
fn a_full_segment_that_lost_its_end_refuses_to_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), SMALL).unwrap();
    for index in 0..20 {
        append(&log, vec![entry(1, index, 500)]).unwrap();
    }
    close(&log);
    let paths = segments(dir.path());
    assert!(paths.len() > 2);
    let bytes = fs::read(&paths[1]).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in [used, used - 400, used - 541, used - 800] {
        fs::write(&paths[1], &bytes[..cut]).unwrap();
        let outcome = Log::open(dir.path(), SMALL).map(|_| ());
        assert!(matches!(outcome, Err(LogError::Damaged { .. } | LogError::Gap { .. })), "{cut}");
    }
    fs::remove_file(&paths[1]).unwrap();
    assert!(matches!(Log::open(dir.path(), SMALL).map(|_| ()), Err(LogError::Gap { .. })));
}

#[test]
fn a_segment_that_was_being_born_is_removed() {
    let (dir, _) = written(2);
    for bytes in [vec![], vec![0; 4096], vec![7; 50]] {
        let copy = copy(dir.path());
        fs::write(copy.path().join(format!("{:016x}.log", 1)), &bytes).unwrap();
        let log = Log::open(copy.path(), SMALL).unwrap();
        assert_eq!(all(&log).len(), 4);
        assert_eq!(segments(copy.path()).len(), 1);
    }
}

#[test]
fn purging_unlinks_whole_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), SMALL).unwrap();
    for index in 0..40 {
        append(&log, vec![entry(1, index, 500)]).unwrap();
    }
    let before = segments(dir.path()).len();
    let (done, outcome) = done();
    block_on(log.purge(entry(1, 30, 0).id, done)).unwrap();
    outcome.recv().unwrap().unwrap();
    close(&log);
    let after = segments(dir.path()).len();
    assert!(before > 5 && after <= 3, "{before} segments, then {after}");
    let again = Log::open(dir.path(), SMALL).unwrap();
    assert_eq!(all(&again).first().unwrap().id.index, 31);
}

#[test]
fn callbacks_come_in_the_order_of_the_requests_and_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), Options::default()).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (last, outcome) = done();
    block_on(async {
        for index in 0..500 {
            let order = Arc::clone(&order);
            let done: Done = Box::new(move |outcome| {
                outcome.unwrap();
                order.lock().unwrap().push(index);
            });
            log.append(vec![entry(1, index, 100)], done).await.unwrap();
        }
        log.save_vote(Vote { term: 1, node: 1, committed: true }, last).await.unwrap();
    });
    outcome.recv().unwrap().unwrap();
    assert_eq!(*order.lock().unwrap(), (0..500).collect::<Vec<u64>>());
    let figures = log.figures();
    assert_eq!(figures.entries, 500);
    assert!(figures.syncs < 400, "{figures:?}");
}

#[test]
fn a_log_that_is_open_is_not_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let _log = Log::open(dir.path(), SMALL).unwrap();
    assert!(matches!(Log::open(dir.path(), SMALL).map(|_| ()), Err(LogError::InUse { .. })));
}

const FULL: &str = "STOA_TEST_FULL_DISK";

/// Runs in a process of its own whose files may not be written past 150 KiB.
#[test]
fn a_full_disk_fails_writes_and_loses_nothing_that_was_acknowledged() {
    let options = Options { segment_bytes: 256 << 10, recent_bytes: 4096 };
    if let Ok(dir) = env::var(FULL) {
        return fill(Path::new(&dir), options);
    }
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), options).unwrap();
    append(&log, vec![entry(1, 0, 10)]).unwrap();
    close(&log);
    let name = "log::tests::a_full_disk_fails_writes_and_loses_nothing_that_was_acknowledged";
    let output = Command::new("sh")
        .arg("-c")
        // An ignored signal stays ignored over exec: the write fails instead of killing the process.
        .arg("trap '' XFSZ; ulimit -f 300; exec \"$@\"")
        .arg("sh")
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FULL, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: u64 =
        text.lines().find_map(|line| line.split("acknowledged ").nth(1)).unwrap().parse().unwrap();
    let again = Log::open(dir.path(), options).unwrap();
    let held = all(&again).len() as u64;
    assert!(acknowledged > 2 && held >= acknowledged, "{acknowledged} acknowledged, {held} held");
    append(&again, vec![entry(3, held, 10)]).unwrap();
}

fn fill(dir: &Path, options: Options) {
    let log = Log::open(dir, options).unwrap();
    let mut acknowledged = 1;
    while append(&log, vec![entry(2, acknowledged, 1000)]).is_ok() {
        acknowledged += 1;
    }
    println!("acknowledged {acknowledged}");
    let refused = append(&log, vec![entry(2, acknowledged, 10)]);
    assert!(refused.is_err(), "a log that failed once takes no more");
}
