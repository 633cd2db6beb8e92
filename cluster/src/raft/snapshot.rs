//! Snapshots as files: built beside the running machine, sent as they are, and the source from which rows are made again.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, IntoInnerError},
    path::{Path, PathBuf},
};

use openraft::{RaftSnapshotBuilder, Snapshot};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    machine,
    types::{LogId, SnapshotMeta, StoredMembership, Types},
};
use crate::{
    file::rename_durably,
    member::Member,
    store::{Store, StoreError, frame::FrameReader},
};

/// What stands at the front of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: StoredMembership,
    /// The last log time, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

impl Header {
    pub(crate) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last, last_membership: self.membership.clone() }
    }
}

/// A snapshot on disk.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
}

/// The folder of snapshots. It holds one, and what is being built or received.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
    /// What the snapshot there is reaches to.
    kept: watch::Sender<Option<u64>>,
}

const CURRENT: &str = "current.snapshot";

impl Snapshots {
    /// Opens the folder and removes what was left half done.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        for file in fs::read_dir(dir)? {
            let file = file?;
            if file.file_name() != CURRENT {
                fs::remove_file(file.path())?;
            }
        }
        let snapshots = Self { dir: dir.to_owned(), kept: watch::channel(None).0 };
        let current = snapshots.current()?;
        snapshots
            .kept
            .send_replace(current.and_then(|current| current.meta.last_log_id).map(index));
        Ok(snapshots)
    }

    /// Changes with the snapshot there is.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<u64>> {
        self.kept.subscribe()
    }

    /// A name for a snapshot that is being made; unique by `what`.
    pub(crate) fn unfinished(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{what}.tmp"))
    }

    /// The snapshot there is.
    pub(crate) fn current(
        &self,
    ) -> io::Result<Option<Snapshot<CommittedLeader, u64, Member, SnapshotFile>>> {
        let path = self.dir.join(CURRENT);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (_, header) = FrameReader::begin::<Header>(BufReader::new(file))?;
        Ok(Some(Snapshot { meta: header.meta(), snapshot: SnapshotFile { path } }))
    }

    /// Makes a whole, synced file the snapshot there is.
    pub(crate) fn keep(&self, from: &Path, last: Option<LogId>) -> io::Result<SnapshotFile> {
        let path = self.dir.join(CURRENT);
        if from != path {
            rename_durably(from, &path)?;
        }
        self.kept.send_replace(last.map(index));
        Ok(SnapshotFile { path })
    }

    /// Builds a snapshot of the store and keeps it.
    pub(crate) fn build(&self, store: &Store) -> Result<(SnapshotMeta, SnapshotFile), StoreError> {
        let path = self.unfinished("building");
        let file = BufWriter::new(File::create(&path)?);
        let (file, header) = store.export(file, machine::header)?;
        file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()?;
        Ok((header.meta(), self.keep(&path, header.last)?))
    }
}

type CommittedLeader = openraft::type_config::alias::CommittedLeaderIdOf<Types>;

const fn index(id: LogId) -> u64 {
    id.index
}

/// Builds snapshots for openraft.
pub(crate) struct Builder {
    pub(crate) store: Store,
    pub(crate) snapshots: Snapshots,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(
        &mut self,
    ) -> Result<Snapshot<CommittedLeader, u64, Member, SnapshotFile>, io::Error> {
        let (store, snapshots) = (self.store.clone(), self.snapshots.clone());
        let built = tokio::task::spawn_blocking(move || snapshots.build(&store));
        let (meta, snapshot) = built.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(Snapshot { meta, snapshot })
    }
}
