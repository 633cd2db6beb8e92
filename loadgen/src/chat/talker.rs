//! One person who writes to another one, and reads what comes.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use tokio::{
    select,
    time::{Duration, Instant, sleep_until},
};

use crate::{
    clock,
    histogram::Histogram,
    socket::Socket,
    wire::{Ask, Told, pb, text},
};

/// After the time is over, messages that are on their way are awaited for this long; those of others half as long.
const DRAIN: Duration = Duration::from_secs(3);
const LINGER: Duration = Duration::from_millis(700);

/// When what happens counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Writing begins.
    pub(crate) begin: Instant,
    /// Measuring begins.
    pub(crate) from: Instant,
    /// Everything ends.
    pub(crate) to: Instant,
}

impl Window {
    fn holds(&self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }
}

/// How somebody writes.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    /// Only reads.
    Silent,
    /// As soon as less than so many are unanswered.
    Answered(usize),
    /// At fixed times: the first after `offset`, then every `period`.
    Timed { offset: Duration, period: Duration },
}

/// What one person saw. Latencies are of messages acknowledged, or delivered, within the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// From the moment a message was due to its `sent`.
    pub(crate) ack: Histogram,
    /// From the moment a message was due to its push at the other one.
    pub(crate) deliver: Histogram,
    /// How late messages left the generator.
    pub(crate) late: Histogram,
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    /// Over the whole run, to see whether each arrived.
    pub(crate) acked_ever: u64,
    pub(crate) delivered_ever: u64,
    pub(crate) unanswered: u64,
    pub(crate) hints: u64,
    pub(crate) sockets_lost: u64,
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.ack.merge(&other.ack);
        self.deliver.merge(&other.deliver);
        self.late.merge(&other.late);
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.acked_ever += other.acked_ever;
        self.delivered_ever += other.delivered_ever;
        self.unanswered += other.unanswered;
        self.hints += other.hints;
        self.sockets_lost += other.sockets_lost;
        for (name, count) in &other.errors {
            *self.errors.entry(name.clone()).or_default() += count;
        }
    }
}

/// A message on its way: its request, when it was due, its client id.
#[derive(Clone, Copy)]
struct Sending {
    rid: u32,
    due: Instant,
    number: u64,
}

pub(crate) struct Talker {
    pub(crate) socket: Socket,
    pub(crate) number: u64,
    pub(crate) me: String,
    pub(crate) peer: String,
    pub(crate) words: String,
    pub(crate) pace: Pace,
    tally: Tally,
    sending: VecDeque<Sending>,
    /// Refused for a while: sent again under the same client id.
    again: VecDeque<(Instant, Sending)>,
    sent: u64,
}

impl Talker {
    pub(crate) fn new(
        socket: Socket,
        number: u64,
        (me, peer): (&str, &str),
        words: &str,
        pace: Pace,
    ) -> Self {
        Self {
            socket,
            number,
            me: me.into(),
            peer: peer.into(),
            words: words.into(),
            pace,
            tally: Tally::default(),
            sending: VecDeque::new(),
            again: VecDeque::new(),
            sent: 0,
        }
    }

    /// Writes and reads until the window is over.
    pub(crate) async fn talk(mut self, window: Window) -> Tally {
        sleep_until(window.begin).await;
        if self.converse(window).await.is_err() {
            self.tally.sockets_lost += 1;
        }
        self.tally.unanswered += (self.sending.len() + self.again.len()) as u64;
        self.tally
    }

    async fn converse(&mut self, window: Window) -> Result<()> {
        let mut told = Vec::new();
        loop {
            let now = clock::now();
            let over = now >= window.to;
            if !over {
                self.write_what_is_due(window.begin, now).await?;
            }
            let waits = !self.sending.is_empty();
            let until = match (over, waits) {
                (false, _) => self.next_due(window.begin).unwrap_or(window.to).min(window.to),
                (true, true) => window.to + DRAIN,
                (true, false) => window.to + LINGER,
            };
            if over && now >= until {
                return Ok(());
            }
            select! {
                biased;
                read = self.socket.next(|rid, one| told.push((rid, one))) => {
                    read?;
                    let now = clock::now();
                    for (rid, one) in told.drain(..) {
                        self.take(window, now, rid, one);
                    }
                    self.socket.acknowledge().await?;
                }
                () = sleep_until(until) => {}
            }
        }
    }

    /// When the next message must leave without anything coming in before.
    fn next_due(&self, begin: Instant) -> Option<Instant> {
        let again = self.again.front().map(|(at, _)| *at);
        let timed = match self.pace {
            Pace::Timed { offset, period } => Some(begin + offset + times(period, self.sent)),
            Pace::Silent | Pace::Answered(_) => None,
        };
        again.into_iter().chain(timed).min()
    }

    async fn write_what_is_due(&mut self, begin: Instant, now: Instant) -> Result<()> {
        while let Some((_, sending)) = self.again.pop_front_if(|(at, _)| *at <= now) {
            self.write(sending).await?;
        }
        loop {
            let due = match self.pace {
                Pace::Silent => return Ok(()),
                Pace::Answered(most) if self.sending.len() + self.again.len() < most => now,
                Pace::Answered(_) => return Ok(()),
                Pace::Timed { offset, period } => begin + offset + times(period, self.sent),
            };
            if due > now {
                return Ok(());
            }
            self.sent += 1;
            self.write(Sending { rid: 0, due, number: self.sent }).await?;
        }
    }

    async fn write(&mut self, sending: Sending) -> Result<()> {
        let mut cmid = [0; 16];
        let (due, own) = cmid.split_at_mut(8);
        due.copy_from_slice(&clock::stamp(sending.due).to_be_bytes());
        own.copy_from_slice(&(self.number << 40 | sending.number).to_be_bytes());
        let send = pb::Send {
            to: Some(pb::send::To::User(self.peer.clone())),
            cmid: cmid.to_vec().into(),
            content: Some(text(self.words.clone())),
            options: None,
        };
        self.tally.late.record(clock::now().saturating_duration_since(sending.due));
        let rid = self.socket.send(Ask::Send(send)).await?;
        self.sending.push_back(Sending { rid, ..sending });
        Ok(())
    }

    fn take(&mut self, window: Window, now: Instant, rid: u32, told: Told) {
        match told {
            Told::Sent(_) => {
                let Some(sending) = self.answered(rid) else { return };
                self.tally.acked_ever += 1;
                if window.holds(now) {
                    self.tally.acked += 1;
                    self.tally.ack.record(now.saturating_duration_since(sending.due));
                }
            }
            Told::Message(push) => {
                let Some(message) = push.message.filter(|message| message.sender != self.me) else {
                    return;
                };
                self.tally.delivered_ever += 1;
                let stamp = message.cmid.first_chunk().map(|stamp| u64::from_be_bytes(*stamp));
                if let Some(due) = stamp.map(clock::at)
                    && window.holds(now)
                {
                    self.tally.delivered += 1;
                    self.tally.deliver.record(now.saturating_duration_since(due));
                }
            }
            Told::Hint(_) => self.tally.hints += 1,
            Told::Error(error) => {
                *self.tally.errors.entry(error.name.clone()).or_default() += 1;
                let Some(sending) = self.answered(rid) else { return };
                if error.unknown || error.retry_after_ms.is_some() {
                    let after = Duration::from_millis(error.retry_after_ms.unwrap_or(50).into());
                    self.again.push_back((now + after, sending));
                }
            }
            _ => {}
        }
    }

    /// Answers come nearly in order: the search is short.
    fn answered(&mut self, rid: u32) -> Option<Sending> {
        let at = self.sending.iter().position(|sending| sending.rid == rid)?;
        self.sending.remove(at)
    }
}

fn times(period: Duration, count: u64) -> Duration {
    let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.saturating_mul(count))
}
