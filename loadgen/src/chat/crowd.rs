//! Connections that are only there, and answer pings.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{OPENING_MAX, people};
use crate::{
    clock,
    report::{self, float},
    socket::{Person, Socket},
    token::Key,
};

/// Progress is shown every so many.
const PROGRESS_EVERY: usize = 2_500;

/// People who are connected.
pub(crate) struct Crowd {
    tasks: JoinSet<()>,
    open: Arc<AtomicUsize>,
}

/// How opening went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Opened {
    pub(crate) opened: usize,
    pub(crate) failed: usize,
    pub(crate) per_second: f64,
    pub(crate) first_failure: Option<String>,
}

impl Opened {
    /// For people.
    pub(crate) fn line(&self) -> String {
        let failure = self.first_failure.as_deref().unwrap_or("none");
        let (opened, failed) = (self.opened, self.failed);
        format!(
            "{opened} connections at {:.0}/s, {failed} failed (first: {failure})",
            self.per_second
        )
    }
}

impl Crowd {
    /// Makes accounts and connects them.
    pub(crate) async fn open(
        urls: &[String],
        key: &Key,
        name: &str,
        count: usize,
    ) -> Result<(Self, Opened)> {
        let people = people(urls, key, name, count).await?;
        Ok(Self::connect(&people).await)
    }

    /// Connects people who have accounts.
    pub(crate) async fn connect(people: &[Person]) -> (Self, Opened) {
        let began = clock::now();
        let open = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let (mut failed, mut first_failure) = (0, None);
        let mut opening =
            stream::iter(people.iter().map(Socket::open)).buffer_unordered(OPENING_MAX);
        while let Some(opened) = opening.next().await {
            match opened {
                Ok(socket) => {
                    let count = open.fetch_add(1, Ordering::Relaxed) + 1;
                    if count.is_multiple_of(PROGRESS_EVERY) {
                        report::say(&format!("  {count} connections"));
                    }
                    tasks.spawn(stay(socket, Arc::clone(&open)));
                }
                Err(error) => {
                    failed += 1;
                    first_failure.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
        drop(opening);
        let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
        let opened = open.load(Ordering::Relaxed);
        let per_second = float(opened as u64) / seconds.max(0.001);
        (Self { tasks, open }, Opened { opened, failed, per_second, first_failure })
    }

    /// How many are connected now.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Disconnects all; returns how many still were connected.
    pub(crate) async fn close(mut self) -> usize {
        let count = self.count();
        self.tasks.shutdown().await;
        count
    }
}

/// Reads until the socket ends: reading is what answers pings.
async fn stay(mut socket: Socket, open: Arc<AtomicUsize>) {
    while socket.next(|_, _| ()).await.is_ok() {}
    open.fetch_sub(1, Ordering::Relaxed);
}
