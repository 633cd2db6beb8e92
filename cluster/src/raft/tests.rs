use std::sync::Arc;

use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use proto::{
    store::{Batch, View},
    time::LogTime,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::{
    log_store::LogStore,
    machine::{self, MachineHost, Surroundings},
    snapshot::Snapshots,
    types::{Commands, Origin, Types},
};
use crate::{
    Machine,
    log::{self, Log},
    pending::Pending,
    store::{self, Store},
};

struct Nothing;

impl Machine for Nothing {
    type Outcome = ();

    fn restore(&mut self, _view: &dyn View) {}

    fn apply(&mut self, _view: &dyn View, _at: LogTime, _command: &[u8], _batch: &mut Batch) {}
}

struct RealStore;

impl StoreBuilder<Types, LogStore, MachineHost, TempDir> for RealStore {
    async fn build(&self) -> Result<(TempDir, LogStore, MachineHost), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let options = log::Options { segment_bytes: 16 << 10, recent_bytes: 1024 };
        let log = Log::open(&dir.path().join("log"), options).unwrap();
        let store = store::Options::default();
        let (store, _) = Store::open(&dir.path().join("store"), store).unwrap();
        let (events, _) = mpsc::channel(1);
        let surroundings = Surroundings {
            store,
            snapshots: Snapshots::open(&dir.path().join("snapshot")).unwrap(),
            pending: Arc::new(Pending::new(0, 0)),
            events,
            applied: watch::channel(None).0,
            live: Arc::default(),
        };
        let (host, _) = machine::start(Nothing, surroundings).unwrap();
        Ok((dir, LogStore::new(log), host))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_the_machine_do_what_openraft_expects() {
    Suite::test_all(RealStore).await.unwrap();
}

#[test]
fn a_batch_reads_back_and_a_cut_one_does_not() {
    let origin = Origin { node: 3, life: 5, batch: 7 };
    let commands = [vec![1; 9].into(), vec![].into(), vec![2; 300].into()];
    let batch = Commands::encode(origin, commands.iter());
    assert_eq!(Commands::decode(batch.clone()), Some((origin, commands.to_vec())));
    let whole = [18, 31, 35, batch.len()];
    for length in 0..batch.len() {
        let decoded = Commands::decode(batch.slice(..length));
        assert_eq!(decoded.is_some(), whole.contains(&length), "cut to {length}");
    }
}
