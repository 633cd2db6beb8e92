//! What is done by time: due connections, the core's deadline, quality, figures.

use std::time::Duration;

use proto::time::Instant;
use sfu_core::input::Input;

use super::state::Shard;
use crate::{api::Event, error::Error};

/// How often peers are looked over and figures are written.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A connection that was described must come up within this time. Clients give up after 15 s.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// Connections that are due are served in one turn at most, so that packets are not kept waiting.
const DUE_MAX: usize = 1024;

impl Shard {
    /// Serves connections whose deadline has come, and the core.
    pub(super) fn on_timers(&mut self) {
        self.tick();
        for _ in 0..DUE_MAX {
            let Some(slot) = self.timers.pop(self.now.std) else { break };
            let Some(connection) = self.connections.get(slot) else { continue };
            if connection.deadline() > self.now.std {
                self.timers.set(slot, connection.deadline());
                continue;
            }
            self.with(slot, |connection, sink| connection.flush(sink));
        }
        if self.media.due <= self.now.us {
            self.tell(Input::Timeout);
        }
    }

    /// Looks over all peers from time to time.
    pub(super) fn sweep(&mut self) {
        if self.now.us < self.work.sweep_at {
            return;
        }
        self.work.sweep_at = self.now.us + SWEEP_EVERY;
        let mut verdicts = Vec::new();
        let mut silent = Vec::new();
        let mut started = Vec::new();
        for (index, peer) in &mut self.peers {
            if peer.starts_until.is_some_and(|until| until <= self.now.us) && !peer.started {
                peer.started = true;
                started.push(index);
            }
            let mut heard_at = Instant::default();
            let mut described = false;
            for slot in peer.connections() {
                let Some(connection) = self.connections.get(slot) else { continue };
                heard_at = heard_at.max(connection.heard_at());
                let Some((up, since)) = connection.path() else { continue };
                described = true;
                if !up && self.now.us.since(since) > CONNECT_MAX {
                    silent.push(slot);
                }
            }
            if !described || self.now.us < peer.meter.due_at() {
                continue;
            }
            let verdict = peer.meter.judge(self.now.us, heard_at);
            verdicts.extend(verdict.map(|(quality, score)| (peer.id, quality, score)));
        }
        for (peer, quality, score) in verdicts {
            self.event(Event::Quality { peer, quality, score });
        }
        started.into_iter().for_each(|index| self.tell_estimate(index));
        for slot in silent {
            self.fail(slot, Error::Timeout);
        }
        let (user, system) = cpu_time();
        self.counters.cpu_user_us.set(user);
        self.counters.cpu_system_us.set(system);
    }

    /// Ends a turn: what was gathered goes out.
    pub(super) fn finish(&mut self) {
        if !self.work.speakers.is_empty() {
            let changes = std::mem::take(&mut self.work.speakers);
            self.event(Event::Speakers { changes });
        }
        self.tcp.flush();
        self.links.iter_mut().for_each(crate::link::Link::wake);
        self.events.flush();
    }
}

/// Microseconds this thread ran in user mode and in the kernel; the kernel counts in hundredths of a second.
fn cpu_time() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name may hold spaces and brackets: fields are counted from its end.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0));
    let mut next = || fields.next().unwrap_or(0u64) * 10_000;
    (next(), next())
}
