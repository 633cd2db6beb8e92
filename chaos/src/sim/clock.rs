//! Time of a simulation: it goes on when the threads that tokio does not know (those that write logs and rows) have had a
//! moment to do what was asked of them.

use std::{thread, time::Duration};

use tokio::{
    task::{self, AbortHandle},
    time,
};

/// What simulated time goes on by.
const STEP: Duration = Duration::from_millis(1);
/// How long the threads have for it. Less is quicker; they are then slower disks.
const REAL_STEP: Duration = Duration::from_micros(120);

/// Lets time go on until it is dropped. Needs a runtime of one thread, whose time is paused.
pub(super) struct Clock(AbortHandle);

impl Clock {
    pub(super) fn start() -> Self {
        Self(tokio::spawn(run()).abort_handle())
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run() {
    loop {
        // While a blocking task runs, paused time does not jump to the next timer by itself.
        let _moment = task::spawn_blocking(moment).await;
        time::advance(STEP).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what couples simulated to real time")]
fn moment() {
    thread::sleep(REAL_STEP);
}
