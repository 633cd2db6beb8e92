//! openraft behind our own types: everything that names it is in this folder.

pub(crate) mod log_store;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod serve;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod types;

use std::{sync::Arc, time::Duration};

pub(crate) use self::types::{Commands, Origin, Types};

/// The consensus of this node.
pub(crate) type Raft = openraft::Raft<Types, machine::MachineHost>;

/// How often the leader is heard, and how long its silence is borne. A dead leader is replaced in about twice the last.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The leader says that it lives this often.
    pub heartbeat: Duration,
    /// Shortest and longest wait before somebody stands for election.
    pub election: (Duration, Duration),
}

impl Default for Timing {
    /// For nodes in one region; 250, 1000 and 2000 ms suit several regions. Half of it would be quicker still, and take a node
    /// that is short of processors for a dead one.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { heartbeat: ms(70), election: (ms(200), ms(400)) }
    }
}

/// Entries kept behind a snapshot for followers that are a little late.
const ENTRIES_KEPT: u64 = 10_000;

pub(crate) fn config(timing: Timing) -> Result<Arc<openraft::Config>, openraft::ConfigError> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = openraft::Config {
        cluster_name: "stoa".into(),
        heartbeat_interval: ms(timing.heartbeat),
        election_timeout_min: ms(timing.election.0),
        election_timeout_max: ms(timing.election.1),
        enable_pre_vote: Some(true),
        // A leader sends entries while it syncs them. One that died before the sync must not lead on in the same term: it would
        // give the names of entries that followers hold to others.
        enable_leader_restore: Some(false),
        // Snapshots are asked for by size of the log, see `keeper`.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        // A snapshot of any size gets through; its stream has its own, shorter patience.
        install_snapshot_timeout: 3_600_000,
        max_payload_entries: 64,
        replication_lag_threshold: 2 * ENTRIES_KEPT,
        ..openraft::Config::default()
    };
    config.validate().map(Arc::new)
}
