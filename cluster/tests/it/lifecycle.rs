use std::time::{Duration, Instant};

use cluster::{COMMAND_BYTES_MAX, Config, Refusal};
use proto::id::NodeId;

use crate::harness::{agree, check, run, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_is_ready_at_once_and_keeps_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let config = || Config::alone(NodeId(0), dir.path().to_owned());
    let mut all = Vec::new();
    for life in 0..3 {
        let begun = std::hint::black_box(Stopwatch::start());
        let node = run(config()).await;
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        all.extend(write(node.clone(), format!("life{life}"), 50).await);
        check(&node.list(), &all);
        assert_eq!(node.list().len(), 50 * (life + 1));
        // Once in order, once as if killed.
        if life == 0 { node.stop().await } else { node.kill().await }
    }
    let node = run(config()).await;
    check(&agree(&[&node]).await, &all);
    assert_eq!(all.len(), 150);
}

/// A clock for a test that is about time.
struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the test measures how long a start takes")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_share_entries_and_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let node = run(Config::alone(NodeId(0), dir.path().to_owned())).await;
    let writers: Vec<_> =
        (0..64).map(|writer| tokio::spawn(write(node.clone(), format!("w{writer}"), 20))).collect();
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.unwrap());
    }
    assert_eq!(all.len(), 64 * 20);
    check(&agree(&[&node]).await, &all);
    let figures = node.handle.status().log;
    assert!(figures.entries < 1280 && figures.syncs <= figures.entries, "{figures:?}");
    let seen = node.seen.lock().unwrap().clone();
    assert_eq!(seen, (0..1280).collect::<Vec<u64>>(), "events come in log order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_too_large_is_refused_and_the_largest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = run(Config::alone(NodeId(0), dir.path().to_owned())).await;
    let refused = node.append("x".repeat(COMMAND_BYTES_MAX + 1)).await;
    let (bytes, limit) = (COMMAND_BYTES_MAX + 1, COMMAND_BYTES_MAX);
    assert_eq!(refused, Err(Refusal::TooLarge { bytes, limit }));
    assert_eq!(node.append("y".repeat(COMMAND_BYTES_MAX)).await, Ok(0));
    node.handle.shutdown().await.unwrap();
    assert_eq!(node.append("z".into()).await, Err(Refusal::Stopping));
}
