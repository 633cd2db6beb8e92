//! What the nodes themselves say of a stretch of time.

use std::collections::BTreeMap;

use anyhow::Result;
use futures_util::future::try_join_all;

use crate::{api::Api, report::float, token::Key};

/// The figures of all nodes at one moment, added up.
pub(crate) struct Figures(BTreeMap<String, f64>, usize);

impl Figures {
    /// Asks every node.
    pub(crate) async fn read(urls: &[String], key: &Key) -> Result<Self> {
        let apis = urls.iter().map(|url| Api::new(url, key)).collect::<Result<Vec<_>>>()?;
        let mut sums = BTreeMap::new();
        for figures in try_join_all(apis.iter().map(Api::metrics)).await? {
            for (name, value) in figures {
                *sums.entry(name).or_insert(0.0) += value;
            }
        }
        Ok(Self(sums, urls.len()))
    }

    /// One figure.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// How much a figure has grown.
    pub(crate) fn grown(&self, before: &Self, name: &str) -> f64 {
        self.get(name) - before.get(name)
    }

    /// Chat messages applied, by the average node.
    pub(crate) fn messages(&self, before: &Self) -> f64 {
        self.grown(before, "stoa_im_messages_total") / float(self.1.max(1) as u64)
    }

    /// Entries of the log, and chat messages, for one sync of a disk.
    pub(crate) fn per_sync(&self, before: &Self) -> (f64, f64) {
        let syncs = self.grown(before, "stoa_log_syncs_total").max(1.0);
        let entries = self.grown(before, "stoa_log_entries_total");
        (entries / syncs, self.grown(before, "stoa_im_messages_total") / syncs)
    }

    /// CPU seconds of all nodes.
    pub(crate) fn cpu_s(&self, before: &Self) -> f64 {
        self.grown(before, "stoa_process_cpu_microseconds_total") / 1e6
    }

    /// Resident bytes of all nodes.
    pub(crate) fn resident(&self) -> f64 {
        self.get("stoa_process_resident_bytes")
    }
}
