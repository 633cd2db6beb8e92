//! An audience of one live room, and those who speak in it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{figures::Figures, open_all, people};
use crate::{
    clock,
    histogram::Histogram,
    own,
    report::{float, ms, rate},
    socket::Socket,
    token::Key,
    wire::{Ask, Told, pb, text},
};

/// Messages a second that one person may say in a live room, by docs/im.md, less a little.
const PER_SPEAKER: f64 = 4.0;
/// Of these, in ten, so many are of high priority; the rest is normal. The room takes 40 and 30 a second.
const HIGH_IN_TEN: u64 = 5;
/// From the first message to the first that is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) urls: Vec<String>,
    pub(crate) key: Key,
    pub(crate) room: String,
    pub(crate) audience: usize,
    /// Messages a second in the room.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) audience: usize,
    /// Messages the room accepted, a second.
    pub(crate) said_per_s: f64,
    pub(crate) throttled: u64,
    /// Messages that arrived at somebody, a second.
    pub(crate) deliveries_per_s: f64,
    /// Frames that carried them, a second.
    pub(crate) frames_per_s: f64,
    /// Of what was said, what arrived.
    pub(crate) arrived: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) server_cores: f64,
    pub(crate) generator: own::Seen,
}

/// The columns of [`Outcome::row`].
pub(crate) const COLUMNS: [&str; 8] = [
    "audience",
    "said/s",
    "deliveries/s",
    "frames/s",
    "arrived",
    "delay p50, p99 ms",
    "servers",
    "generator",
];

/// What the audience counts together.
#[derive(Default)]
struct Heard {
    from: AtomicU64,
    to: AtomicU64,
    messages: AtomicU64,
    frames: AtomicU64,
    delay: Mutex<Histogram>,
}

/// Fills the room, speaks in it and measures.
///
/// # Errors
/// Sockets do not open or do not get into the room.
pub(crate) async fn run(plan: &Plan) -> Result<Outcome> {
    let listeners = people(&plan.urls, &plan.key, "listener", plan.audience).await?;
    let heard = Arc::new(Heard::default());
    let mut audience = JoinSet::new();
    for (number, mut socket) in open_all(&listeners).await?.into_iter().enumerate() {
        join(&mut socket, &plan.room).await?;
        audience.spawn(listen(socket, Arc::clone(&heard), number % 64 == 0));
    }
    let speakers = speakers(plan);
    let mut stage = open_all(&people(&plan.urls, &plan.key, "speaker", speakers).await?).await?;
    for socket in &mut stage {
        join(socket, &plan.room).await?;
    }
    let begin = clock::now() + Duration::from_millis(200);
    let (from, to) = (begin + WARM_UP, begin + WARM_UP + plan.time);
    heard.from.store(clock::stamp(from), Ordering::Relaxed);
    heard.to.store(clock::stamp(to), Ordering::Relaxed);
    let period = Duration::from_secs_f64(float(speakers as u64) / plan.rate.max(0.001));
    let mut talks = JoinSet::new();
    for (number, socket) in stage.into_iter().enumerate() {
        let offset = period.mul_f64(float(number as u64) / float(speakers as u64));
        talks.spawn(speak(socket, plan.room.clone(), (begin + offset, period), (from, to)));
    }
    sleep_until(from).await;
    let (before, watch) = (Figures::read(&plan.urls, &plan.key).await?, own::Watch::begin());
    sleep_until(to).await;
    let (generator, after) = (watch.end(), Figures::read(&plan.urls, &plan.key).await?);
    let (mut said, mut throttled) = (0, 0);
    for (accepted, refused) in talks.join_all().await {
        said += accepted;
        throttled += refused;
    }
    let time = plan.time.as_secs_f64();
    let messages = heard.messages.load(Ordering::Relaxed);
    let frames = heard.frames.load(Ordering::Relaxed);
    audience.shutdown().await;
    let delay = heard.delay.lock().unwrap_or_else(PoisonError::into_inner);
    // Speakers hear themselves and each other, but are not counted.
    let offered = float(said) * float(plan.audience as u64);
    Ok(Outcome {
        audience: plan.audience,
        said_per_s: float(said) / time,
        throttled,
        deliveries_per_s: float(messages) / time,
        frames_per_s: float(frames) / time,
        arrived: float(messages) / offered.max(1.0),
        p50_ms: delay.ms(500),
        p99_ms: delay.ms(990),
        server_cores: after.cpu_s(&before) / time,
        generator,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn speakers(plan: &Plan) -> usize {
    (plan.rate / PER_SPEAKER).ceil().max(1.0) as usize
}

async fn join(socket: &mut Socket, room: &str) -> Result<()> {
    match socket.ask(Ask::LiveJoin(pb::LiveJoin { room: room.into() })).await? {
        Told::LiveJoined(_) => Ok(()),
        other => bail!("joining the live room was answered {other:?}"),
    }
}

/// Counts what comes; one in 64 also looks when it was said.
async fn listen(mut socket: Socket, heard: Arc<Heard>, looks: bool) {
    let mut batches = Vec::new();
    loop {
        let read = socket.next(|_, told| {
            if let Told::Live(batch) = told {
                batches.push(batch);
            }
        });
        if read.await.is_err() {
            return;
        }
        let stamp = clock::stamp(clock::now());
        let within = |stamp: u64| {
            heard.from.load(Ordering::Relaxed) <= stamp && stamp < heard.to.load(Ordering::Relaxed)
        };
        for batch in batches.drain(..) {
            // What was said within the window counts, whenever it arrives.
            let said = batch.messages.iter().filter_map(said_at).filter(|said| within(*said));
            let count = if looks {
                let mut delay = heard.delay.lock().unwrap_or_else(PoisonError::into_inner);
                let late = |said: u64| Duration::from_nanos(stamp.saturating_sub(said));
                said.inspect(|said| delay.record(late(*said))).count()
            } else {
                said.count()
            };
            if count > 0 {
                heard.messages.fetch_add(count as u64, Ordering::Relaxed);
                heard.frames.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn said_at(message: &pb::LiveMessage) -> Option<u64> {
    match &message.content.as_ref()?.kind {
        Some(pb::content::Kind::Text(text)) => u64::from_str_radix(&text.text, 16).ok(),
        _ => None,
    }
}

/// Speaks at fixed times; returns how much of what was said within the window was accepted, and how much refused.
async fn speak(
    mut socket: Socket,
    room: String,
    (mut due, period): (Instant, Duration),
    (from, to): (Instant, Instant),
) -> (u64, u64) {
    let (mut accepted, mut refused) = (0, 0);
    let mut count = 0_u64;
    while due < to {
        // Reading meanwhile, so that the server need not leave anything out.
        loop {
            tokio::select! {
                biased;
                () = sleep_until(due) => break,
                read = socket.next(|_, _| ()) => if read.is_err() { return (accepted, refused) },
            }
        }
        count += 1;
        let high = count % 10 < HIGH_IN_TEN;
        let priority = if high { pb::Priority::High } else { pb::Priority::Normal };
        let now = clock::now();
        let content = Some(text(format!("{:016x}", clock::stamp(now))));
        let said = pb::LiveSend { room: room.clone(), content, priority: priority.into() };
        let counts = u64::from(from <= now && now < to);
        match socket.ask(Ask::LiveSend(said)).await {
            Ok(Told::LiveSent(_)) => accepted += counts,
            Ok(_) => refused += counts,
            Err(_) => break,
        }
        due += period;
    }
    // What was said last is still on its way.
    let linger = to + Duration::from_millis(500);
    let _over =
        tokio::time::timeout_at(linger, async { while socket.next(|_, _| ()).await.is_ok() {} })
            .await;
    (accepted, refused)
}

impl Outcome {
    /// A row of a table with [`COLUMNS`].
    pub(crate) fn row(&self) -> Vec<String> {
        let each = self.server_cores * 1e6 / self.deliveries_per_s.max(1.0);
        vec![
            self.audience.to_string(),
            rate(self.said_per_s),
            rate(self.deliveries_per_s),
            rate(self.frames_per_s),
            format!("{:.1} %", self.arrived * 100.0),
            format!("{}, {}", ms(self.p50_ms), ms(self.p99_ms)),
            format!("{:.2} cores, {each:.2} us each", self.server_cores),
            self.generator.verdict(),
        ]
    }
}
