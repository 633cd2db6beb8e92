//! People who write to each other in pairs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep_until;

use super::{
    figures::Figures,
    open_all, people,
    talker::{Pace, Talker, Tally, Window},
};
use crate::{
    clock, own,
    report::{self, float, ms, rate},
    token::Key,
};

/// Between everybody being connected and the first message.
const LEAD: Duration = Duration::from_millis(200);
/// Progress is shown this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) urls: Vec<String>,
    pub(crate) key: Key,
    pub(crate) writers: usize,
    pub(crate) in_flight: usize,
    /// Messages a second of all together; `None`: as fast as they are answered.
    pub(crate) rate: Option<f64>,
    pub(crate) bytes: usize,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    pub(crate) shows_progress: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Acknowledged messages a second.
    pub(crate) acked_per_s: f64,
    pub(crate) delivered_per_s: f64,
    entries_per_sync: f64,
    messages_per_sync: f64,
    server_cores: f64,
    generator: own::Seen,
    load: f64,
}

/// The columns of [`Outcome::row`].
pub(crate) const COLUMNS: [&str; 11] = [
    "nodes",
    "writers",
    "offered/s",
    "messages/s",
    "ack p50 ms",
    "ack p99 ms",
    "deliver p50 ms",
    "deliver p99 ms",
    "entries, messages per sync",
    "servers",
    "generator",
];

/// Loads the nodes and measures.
///
/// # Errors
/// No node answers, or sockets do not open.
pub(crate) async fn run(plan: &Plan) -> Result<Outcome> {
    let load = report::load();
    let count = plan.writers.max(2).next_multiple_of(2);
    let people = people(&plan.urls, &plan.key, "writer", count).await?;
    let sockets = open_all(&people).await?;
    let words = "x".repeat(plan.bytes);
    let begin = clock::now() + LEAD;
    let from = begin + plan.warm_up;
    let window = Window { begin, from, to: from + plan.time };
    let mut tasks = Vec::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        let (Some(me), Some(peer)) = (people.get(number), people.get(number ^ 1)) else { continue };
        let pace = pace(plan, number);
        let names = (me.user.as_str(), peer.user.as_str());
        let talker = Talker::new(socket, number as u64, names, &words, pace);
        tasks.push(tokio::spawn(talker.talk(window)));
    }
    let over = Arc::new(AtomicBool::new(false));
    let progress =
        plan.shows_progress.then(|| tokio::spawn(progress(plan.clone(), Arc::clone(&over))));
    sleep_until(window.from).await;
    let before = Figures::read(&plan.urls, &plan.key).await?;
    let (watch, watched) = (own::Watch::begin(), clock::now());
    sleep_until(window.to).await;
    let seconds = clock::now().saturating_duration_since(watched).as_secs_f64();
    let generator = watch.end();
    let after = Figures::read(&plan.urls, &plan.key).await?;
    over.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    for task in tasks {
        tally.merge(&task.await?);
    }
    if let Some(progress) = progress {
        progress.abort();
    }
    let (entries_per_sync, messages_per_sync) = after.per_sync(&before);
    let time = plan.time.as_secs_f64();
    Ok(Outcome {
        acked_per_s: float(tally.acked) / time,
        delivered_per_s: float(tally.delivered) / time,
        entries_per_sync,
        messages_per_sync,
        server_cores: after.cpu_s(&before) / seconds,
        generator,
        load,
        tally,
    })
}

fn pace(plan: &Plan, number: usize) -> Pace {
    if number >= plan.writers {
        return Pace::Silent;
    }
    match plan.rate {
        None => Pace::Answered(plan.in_flight.max(1)),
        Some(rate) => {
            let period = Duration::from_secs_f64(float(plan.writers as u64) / rate.max(0.001));
            let share = float(number as u64) / float(plan.writers as u64);
            Pace::Timed { offset: period.mul_f64(share), period }
        }
    }
}

/// Says now and then what the nodes have applied.
async fn progress(plan: Plan, over: Arc<AtomicBool>) {
    let Ok(mut before) = Figures::read(&plan.urls, &plan.key).await else { return };
    let mut at = clock::now();
    while !over.load(Ordering::Relaxed) {
        sleep_until(at + PROGRESS_EVERY).await;
        let Ok(after) = Figures::read(&plan.urls, &plan.key).await else { return };
        let now = clock::now();
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        let messages = after.messages(&before) / seconds;
        let cores = after.cpu_s(&before) / seconds;
        report::say(&format!("  {messages:.0} messages/s, servers use {cores:.2} cores"));
        (before, at) = (after, now);
    }
}

impl Outcome {
    /// A row of a table with [`COLUMNS`].
    pub(crate) fn row(&self, plan: &Plan) -> Vec<String> {
        let Tally { ack, deliver, .. } = &self.tally;
        let offered = plan.rate.map_or_else(|| format!("{} each", plan.in_flight), rate);
        let per_message = self.server_cores * 1e6 / self.acked_per_s.max(1.0);
        vec![
            plan.urls.len().to_string(),
            plan.writers.to_string(),
            offered,
            rate(self.acked_per_s),
            ms(ack.ms(500)),
            ms(ack.ms(990)),
            ms(deliver.ms(500)),
            ms(deliver.ms(990)),
            format!("{:.1}, {:.1}", self.entries_per_sync, self.messages_per_sync),
            format!("{:.2} cores, {per_message:.0} us each", self.server_cores),
            self.generator.verdict(),
        ]
    }

    /// What was not as it should be.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let tally = &self.tally;
        let mut lines = Vec::new();
        if tally.acked_ever != tally.delivered_ever {
            lines.push(format!(
                "  {} messages acknowledged, {} delivered live ({} hints instead of messages)",
                tally.acked_ever, tally.delivered_ever, tally.hints
            ));
        }
        if tally.unanswered > 0 || tally.sockets_lost > 0 {
            let (unanswered, lost) = (tally.unanswered, tally.sockets_lost);
            lines.push(format!("  {unanswered} messages unanswered, {lost} sockets lost"));
        }
        for (name, count) in &tally.errors {
            lines.push(format!("  {count} times {name}"));
        }
        lines
    }

    /// Everything, for programs.
    pub(crate) fn json(&self, plan: &Plan) -> Value {
        let Tally { ack, deliver, late, .. } = &self.tally;
        let latency = |of: &crate::histogram::Histogram| json!({ "count": of.count(), "p50": of.ms(500), "p99": of.ms(990), "p999": of.ms(999), "max": of.max_ms() });
        json!({
            "nodes": plan.urls.len(), "writers": plan.writers, "inFlight": plan.in_flight, "offered": plan.rate,
            "messagesPerS": self.acked_per_s, "deliveredPerS": self.delivered_per_s,
            "ackMs": latency(ack), "deliverMs": latency(deliver), "lateMs": latency(late),
            "entriesPerSync": self.entries_per_sync, "messagesPerSync": self.messages_per_sync,
            "serverCores": self.server_cores, "generator": self.generator, "loadBefore": self.load,
            "acked": self.tally.acked_ever, "delivered": self.tally.delivered_ever, "hints": self.tally.hints,
            "unanswered": self.tally.unanswered, "socketsLost": self.tally.sockets_lost, "errors": self.tally.errors,
        })
    }
}
