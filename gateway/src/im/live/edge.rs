//! The audience of a room at this node: who is here, what waits for the holder, what it told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proto::{id::NodeId, im::live::Restraint};
use tokio::time::Instant;

use super::{
    ANSWER_AFTER_MAX, LiveError, SEEK_EVERY, Speaker, TAKE_AFTER, ring::Ring, waiter::Waiter,
};
use crate::{
    error::Error,
    im::{
        mailbox::{Close, Mailbox},
        op::output,
        outbox::{Item, Priority},
        wire::{
            Encoded,
            pb::{self, server_frame::Body},
        },
    },
};

/// Messages of one room that wait for its holder.
const PENDING_MAX: usize = 4_096;
/// Messages of the back end that wait until there is a holder.
const UNSAID_MAX: usize = 64;
/// Clients that wait to be let in.
const JOINING_MAX: usize = 20_000;
/// The holder is told the audience again this often, in case something was lost.
const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// A room that was taken over again and again rests: up to `TAKE_AFTER` times two to the power of this.
const TAKES_MAX: u32 = 6;
/// After this long without, the next take-over is quick again.
const TAKES_KEPT: Duration = Duration::from_mins(1);
/// What was missed is asked for again no sooner than this.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Waiting {
    who: Waiter,
    until: Instant,
}

#[derive(Debug)]
struct Member {
    mailbox: Arc<Mailbox>,
    speaker: Speaker,
}

/// How often the room was taken over here.
#[derive(Debug, Default)]
struct Takes {
    count: u32,
    at: Option<Instant>,
}

/// What people here were shown.
#[derive(Debug, Default)]
struct Shown {
    epoch: u64,
    likes: u64,
    audience: u64,
}

/// What the holder is told.
#[derive(Debug, Default)]
struct Totals {
    /// Of which totals; another one begins with 0.
    life: u64,
    likes: u64,
    came: u32,
    went: u32,
}

/// Whether the holder is asked what was missed, with the next attendance.
#[derive(Debug, Default)]
struct Missed {
    asks: bool,
    asked_at: Option<Instant>,
}

/// When the lease is asked for, and the epoch that is known to have ended.
pub(super) type Seek = (Instant, Option<u64>);

/// The audience of a room at this node.
#[derive(Debug)]
pub(super) struct Edge {
    /// Who orders the room, by which epoch.
    pub(super) holder: Option<(NodeId, u64)>,
    pub(super) seek: Option<Seek>,
    takes: Takes,
    /// The holder has told what there is, and is believed to be there.
    settled: bool,
    restrained: Vec<Restraint>,
    audience: BTreeMap<u128, Member>,
    joining: Vec<(Arc<Mailbox>, u32, Instant)>,
    pending: BTreeMap<u64, Waiting>,
    /// What the back end says, until there is a holder.
    unsaid: Vec<(pb::LiveMessage, Waiting)>,
    ring: Ring,
    have: u64,
    shown: Shown,
    totals: Totals,
    missed: Missed,
    refresh_at: Instant,
}

impl Edge {
    pub(super) fn new(now: Instant, life: u64) -> Self {
        Self {
            holder: None,
            seek: Some((now, None)),
            takes: Takes::default(),
            settled: false,
            restrained: Vec::new(),
            audience: BTreeMap::new(),
            joining: Vec::new(),
            pending: BTreeMap::new(),
            unsaid: Vec::new(),
            ring: Ring::default(),
            have: 0,
            shown: Shown::default(),
            totals: Totals { life, ..Totals::default() },
            missed: Missed::default(),
            refresh_at: now + REFRESH_EVERY,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.audience.is_empty() && self.pending.is_empty() && self.unsaid.is_empty()
    }

    pub(super) fn speaker(&self, session: u128) -> Option<&Speaker> {
        self.audience.get(&session).map(|member| &member.speaker)
    }

    pub(super) fn mailbox(&self, session: u128) -> Option<Arc<Mailbox>> {
        self.audience.get(&session).map(|member| Arc::clone(&member.mailbox))
    }

    /// Ends the sessions of everybody here.
    pub(super) fn close_all(&self, close: Close) {
        for member in self.audience.values() {
            member.mailbox.close(close);
        }
    }

    pub(super) fn sessions(&self) -> Vec<u128> {
        self.audience.keys().copied().collect()
    }

    /// What keeps somebody from writing at a time, if anything does.
    pub(super) fn restraint(&self, speaker: &Speaker, at_ms: u64) -> Option<&Restraint> {
        self.restrained.iter().find(|restraint| {
            (restraint.guest, &restraint.who) == (speaker.guest, &speaker.id)
                && restraint.until.0 > at_ms
        })
    }

    /// Others are restrained now. Answers who is to go; they were told.
    pub(super) fn restrain(&mut self, restrained: &[Restraint], room: &str) -> Vec<u128> {
        self.restrained = restrained.to_vec();
        let ended = Body::LiveEnded(pb::LiveEnded { room: room.to_owned(), removed: true });
        let mut frame = Encoded::new(ended);
        let mut gone = Vec::new();
        for (session, Member { mailbox, speaker }) in &self.audience {
            let restraint = self.restraint(speaker, speaker.at).filter(|restraint| restraint.out);
            let Some(restraint) = restraint else { continue };
            gone.push(*session);
            let waiting: Vec<u32> = self
                .joining
                .iter()
                .filter(|(waiting, ..)| waiting.id == *session)
                .map(|(_, rid, _)| *rid)
                .collect();
            if waiting.is_empty() {
                mailbox.push(Item::Live(frame.frame(mailbox.codec), Priority::High));
            }
            for rid in waiting {
                let error = Error::from(LiveError::Out(restraint.until.0));
                mailbox.answer(rid, Body::Error(output::error(&error)));
            }
        }
        gone
    }

    /// What was known of the room, for who orders it next.
    pub(super) const fn known(&self) -> (&Ring, u64) {
        (&self.ring, self.shown.likes)
    }

    fn state(&self, room: &str) -> pb::LiveBatch {
        pb::LiveBatch {
            room: room.to_owned(),
            epoch: self.shown.epoch,
            messages: self.ring.between(0, u64::MAX),
            likes: self.shown.likes,
            audience: self.shown.audience.max(self.audience.len() as u64),
            ..pb::LiveBatch::default()
        }
    }

    /// Somebody comes: answered at once, or when the holder has told what there is.
    pub(super) fn join(
        &mut self,
        now: Instant,
        (mailbox, rid): (Arc<Mailbox>, u32),
        speaker: Speaker,
        room: &str,
    ) -> Result<(), LiveError> {
        if self.joining.len() >= JOINING_MAX {
            return Err(LiveError::Unavailable);
        }
        let member = Member { mailbox: Arc::clone(&mailbox), speaker };
        if self.audience.insert(mailbox.id, member).is_none() {
            self.totals.came = self.totals.came.saturating_add(1);
        }
        if self.settled {
            mailbox.answer(rid, joined(self.state(room)));
        } else {
            self.joining.push((mailbox, rid, now + ANSWER_AFTER_MAX));
        }
        Ok(())
    }

    /// Somebody goes. True: it was here.
    pub(super) fn leave(&mut self, session: u128) -> bool {
        self.joining.retain(|(mailbox, ..)| mailbox.id != session);
        let was_here = self.audience.remove(&session).is_some();
        self.totals.went = self.totals.went.saturating_add(u32::from(was_here));
        was_here
    }

    pub(super) const fn like(&mut self, count: u32) {
        self.totals.likes = self.totals.likes.saturating_add(count as u64);
    }

    /// Who orders the room, if it can be asked.
    pub(super) fn ready(&self) -> Option<(NodeId, u64)> {
        self.holder.filter(|_| self.settled)
    }

    /// Keeps who waits for the holder's answer.
    pub(super) fn wait(&mut self, now: Instant, ticket: u64, who: Waiter) -> Result<(), Waiter> {
        if self.pending.len() >= PENDING_MAX {
            return Err(who);
        }
        self.pending.insert(ticket, Waiting { who, until: now + ANSWER_AFTER_MAX });
        Ok(())
    }

    pub(super) fn answered(&mut self, ticket: u64) -> Option<Waiter> {
        self.pending.remove(&ticket).map(|waiting| waiting.who)
    }

    /// Keeps what the back end says until there is a holder.
    pub(super) fn keep_unsaid(&mut self, now: Instant, message: pb::LiveMessage, who: Waiter) {
        if self.unsaid.len() >= UNSAID_MAX {
            return who.tell(Err(LiveError::Unavailable));
        }
        self.unsaid.push((message, Waiting { who, until: now + ANSWER_AFTER_MAX }));
    }

    pub(super) fn take_unsaid(&mut self) -> Vec<(pb::LiveMessage, Waiter)> {
        let unsaid = std::mem::take(&mut self.unsaid);
        unsaid.into_iter().map(|(message, waiting)| (message, waiting.who)).collect()
    }

    /// Somebody orders the room. What another had taken and not answered may or may not have been said.
    pub(super) fn follow(&mut self, now: Instant, lease: (NodeId, u64), is_up: bool, life: u64) {
        if self.holder != Some(lease) {
            self.unsettle();
            self.holder = Some(lease);
            (self.totals.life, self.totals.likes) = (life, 0);
        }
        self.seek = None;
        if !is_up {
            self.lose(now);
        }
    }

    /// The holder cannot be reached: another one is sought after a moment.
    pub(super) fn lose(&mut self, now: Instant) {
        self.unsettle();
        let Some((_, epoch)) = self.holder else { return };
        if self.takes.at.is_none_or(|at| at + TAKES_KEPT <= now) {
            self.takes.count = 0;
        }
        let rest = TAKE_AFTER * (1 << self.takes.count.min(TAKES_MAX));
        self.seek.get_or_insert((now + rest, Some(epoch)));
    }

    /// The holder is there again.
    pub(super) fn found(&mut self) {
        self.seek = None;
        self.missed.asks = true;
    }

    /// The lease was forgotten.
    pub(super) fn orphan(&mut self, now: Instant) {
        self.unsettle();
        self.holder = None;
        self.seek = Some((now, None));
    }

    pub(super) fn unsettle(&mut self) {
        self.settled = false;
        self.missed.asks = true;
        for (_, waiting) in std::mem::take(&mut self.pending) {
            waiting.who.tell(Err(LiveError::Unknown));
        }
    }

    /// The lease to ask for, if it is time; asked again after a while.
    pub(super) fn seek_due(&mut self, now: Instant, again_after: Duration) -> Option<Option<u64>> {
        let (at, instead_of) = self.seek?;
        if at > now {
            return None;
        }
        self.seek = Some((now + again_after, instead_of));
        if instead_of.is_some() {
            self.takes.count = self.takes.count.saturating_add(1);
            self.takes.at = Some(now);
        }
        Some(instead_of)
    }

    /// The totals for the holder.
    pub(super) fn attend(&mut self, now: Instant) -> pb::LiveAttend {
        self.refresh_at = now + if self.settled { REFRESH_EVERY } else { SEEK_EVERY };
        let asks = std::mem::take(&mut self.missed.asks) || !self.settled;
        let is_known = self.holder.is_some_and(|(_, epoch)| epoch == self.shown.epoch);
        if asks {
            self.missed.asked_at = Some(now);
        }
        pb::LiveAttend {
            life: self.totals.life,
            audience: self.audience.len() as u64,
            likes: self.totals.likes,
            came: std::mem::take(&mut self.totals.came),
            went: std::mem::take(&mut self.totals.went),
            have: asks.then_some(if is_known { self.have } else { 0 }),
        }
    }

    /// What the holder tells, passed on to everybody here. False: something was missed, and is to be asked for.
    pub(super) fn told(
        &mut self,
        now: Instant,
        epoch: u64,
        told: pb::LiveTold,
        room: &str,
    ) -> bool {
        let is_new = self.shown.epoch != epoch;
        if !told.whole && (is_new || !self.settled || told.from > self.have) {
            let asked = self.missed.asked_at.is_some_and(|at| at + ASK_AGAIN_AFTER > now);
            self.missed.asks |= !asked;
            return asked;
        }
        let was_shown = self.shown.epoch != 0;
        if is_new {
            (self.shown.epoch, self.have, self.ring) = (epoch, 0, Ring::default());
        }
        let mut fresh = Vec::new();
        for message in told.messages {
            if message.offset > self.have {
                self.have = message.offset;
                let message = Arc::new(message);
                self.ring.push(Arc::clone(&message));
                fresh.push(message);
            }
        }
        self.have = self.have.max(told.head);
        let corrects = (self.shown.likes, self.shown.audience) != (told.likes, told.audience);
        (self.shown.likes, self.shown.audience) = (told.likes, told.audience);
        let batch = pb::LiveBatch {
            room: room.to_owned(),
            epoch,
            messages: Vec::new(),
            likes: told.likes,
            audience: told.audience,
            came: told.came,
            went: told.went,
        };
        if !told.whole || (is_new && was_shown) || (!is_new && (corrects || !fresh.is_empty())) {
            self.push(&fresh, batch);
        }
        if told.whole {
            self.settled = true;
            for (mailbox, rid, _) in std::mem::take(&mut self.joining) {
                mailbox.answer(rid, joined(self.state(room)));
            }
        }
        true
    }

    /// One frame for each priority that something was said with, the counts in the first.
    fn push(&self, fresh: &[Arc<pb::LiveMessage>], counts: pb::LiveBatch) {
        let order = [
            (pb::Priority::High, Priority::High),
            (pb::Priority::Normal, Priority::Normal),
            (pb::Priority::Low, Priority::Low),
        ];
        let mut counts = Some(counts);
        let mut later = None;
        for (said, class) in order {
            let messages: Vec<_> = fresh
                .iter()
                .filter(|message| message.priority() == said)
                .map(|message| (**message).clone())
                .collect();
            let is_last = class == Priority::Low;
            if messages.is_empty() && !(is_last && counts.is_some()) {
                continue;
            }
            let Some(first) = counts.take().or_else(|| later.clone()) else { continue };
            later = Some(pb::LiveBatch { came: 0, went: 0, ..first.clone() });
            let mut frame = Encoded::new(Body::Live(pb::LiveBatch { messages, ..first }));
            for member in self.audience.values() {
                member.mailbox.push(Item::Live(frame.frame(member.mailbox.codec), class));
            }
        }
    }

    /// The room is over: everybody here is told.
    pub(super) fn close(self, room: &str) {
        let ended = Body::LiveEnded(pb::LiveEnded { room: room.to_owned(), removed: false });
        let mut frame = Encoded::new(ended);
        for member in self.audience.values() {
            member.mailbox.push(Item::Live(frame.frame(member.mailbox.codec), Priority::High));
        }
        let refused = || Body::Error(output::error(&Error::from(LiveError::NotJoined)));
        for (mailbox, rid, _) in self.joining {
            mailbox.answer(rid, refused());
        }
        let unsaid = self.unsaid.into_iter().map(|(_, waiting)| waiting);
        for waiting in self.pending.into_values().chain(unsaid) {
            waiting.who.tell(Err(LiveError::Unknown));
        }
    }

    /// Answers those who have waited too long. True: the holder is to be told the audience again.
    pub(super) fn expire(&mut self, now: Instant) -> (bool, Vec<u128>) {
        let mut refused = Vec::new();
        self.joining.retain(|(mailbox, rid, until)| {
            let waits = *until > now;
            if !waits {
                let error = Error::from(LiveError::Unavailable);
                mailbox.answer(*rid, Body::Error(output::error(&error)));
                refused.push(mailbox.id);
            }
            waits
        });
        while let Some(first) = self.pending.first_entry().filter(|first| first.get().until <= now)
        {
            first.remove().who.tell(Err(LiveError::Unknown));
        }
        let (over, unsaid) = std::mem::take(&mut self.unsaid)
            .into_iter()
            .partition(|(_, waiting): &(_, Waiting)| waiting.until <= now);
        self.unsaid = unsaid;
        for (_, waiting) in over {
            waiting.who.tell(Err(LiveError::Unavailable));
        }
        let refreshes = self.refresh_at <= now;
        if refreshes {
            self.refresh_at = now + SEEK_EVERY;
            self.missed.asks = true;
        }
        (refreshes, refused)
    }

    /// When something is due.
    pub(super) fn wake_at(&self) -> Instant {
        let joining = self.joining.first().map(|(.., until)| *until);
        let pending = self.pending.first_key_value().map(|(_, waiting)| waiting.until);
        let unsaid = self.unsaid.first().map(|(_, waiting)| waiting.until);
        let seek = self.seek.map(|(at, _)| at);
        let all = joining.into_iter().chain(pending).chain(unsaid).chain(seek);
        all.fold(self.refresh_at, Instant::min)
    }
}

fn joined(state: pb::LiveBatch) -> Body {
    Body::LiveJoined(pb::LiveJoined { state: Some(state) })
}
