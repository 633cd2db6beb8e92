//! How tired the generator itself is: its CPU time, and how late its timers ring.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    task::JoinHandle,
    time::{Duration, Instant, sleep_until},
};

use crate::{clock, histogram::Histogram, report::float};

/// A timer rings this often to see how late it is.
const EVERY: Duration = Duration::from_millis(10);
/// Later than this at the 99th percentile, latencies are the generator's as much as the server's.
const LATE_MS: f64 = 20.0;
/// Of the machine's processors, the share from which on the generator may be what limits.
const BUSY: f64 = 0.9;

/// Watches the generator while it works.
pub(crate) struct Watch {
    late: Arc<Mutex<Histogram>>,
    task: JoinHandle<()>,
    began: Instant,
    cpu_s: f64,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Seen {
    /// Processors' worth of time it used.
    pub(crate) cores: f64,
    /// How late its timers rang.
    pub(crate) late_p99_ms: f64,
}

impl Watch {
    /// Begins.
    pub(crate) fn begin() -> Self {
        let late = Arc::new(Mutex::new(Histogram::default()));
        let sees = Arc::clone(&late);
        let task = tokio::spawn(async move {
            loop {
                let due = clock::now() + EVERY;
                sleep_until(due).await;
                let lateness = clock::now().saturating_duration_since(due);
                sees.lock().unwrap_or_else(PoisonError::into_inner).record(lateness);
            }
        });
        Self { late, task, began: clock::now(), cpu_s: cpu_s("self") }
    }

    /// Ends, and says what was seen.
    pub(crate) fn end(self) -> Seen {
        self.task.abort();
        let seconds = clock::now().saturating_duration_since(self.began).as_secs_f64();
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        Seen { cores: (cpu_s("self") - self.cpu_s) / seconds.max(0.001), late_p99_ms: late.ms(990) }
    }
}

impl Seen {
    /// One word for a table: `ok`, or why latencies may be the generator's own.
    pub(crate) fn verdict(&self) -> String {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let all = float(processors as u64);
        let state = if self.cores > BUSY * all {
            "busy"
        } else if self.late_p99_ms > LATE_MS {
            "late"
        } else {
            "ok"
        };
        format!("{state}, {:.2} cores, late {:.1} ms", self.cores, self.late_p99_ms)
    }
}

/// CPU seconds of a process so far; the kernel counts hundredths.
pub(crate) fn cpu_s(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let used = fields.split_whitespace().skip(11).take(2);
    float(used.map(|field| field.parse().unwrap_or(0)).sum::<u64>()) / 100.0
}
