//! What happens to rooms: leases, links, frames of other nodes, time.

use proto::{
    id::NodeId,
    im::live::{LiveAction, LiveLease, LiveRoom},
};
use tokio::time::Instant;

use super::{FRAMES_MAX, Hold, LeaseAsk, Live, LiveError, SEEK_EVERY, hold::HoldDue};
use crate::im::wire::pb::{self, live_frame::What};

impl Live {
    /// The log answered: the lease as it is, if there is one; `None`: it could not be asked.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        ask: &LeaseAsk,
        answer: Option<Option<LiveLease>>,
    ) {
        let room = &ask.room;
        self.leases.answered(room);
        match answer {
            // Who waits asks again.
            None => {
                if let Some(hold) = self.holds.get_mut(room) {
                    hold.renew_at = hold.renew_at.min(now + SEEK_EVERY);
                }
            }
            Some(None) => {
                self.holds.remove(room);
                if let Some(edge) = self.edges.get_mut(room) {
                    edge.orphan(now);
                }
            }
            Some(Some(lease)) => {
                self.handle_lease(now, room, &lease, false);
                let is_mine = lease.holder == self.me;
                let asked_whether = matches!(ask.action, LiveAction::Renew { .. });
                match self.holds.get_mut(room).filter(|hold| hold.epoch == lease.epoch) {
                    Some(hold) if is_mine && asked_whether => {
                        hold.confirmed = self.has_quorum;
                        self.mark_edge(now, room);
                        self.mark_hold(now, room);
                    }
                    // An earlier process of this node had it.
                    None if is_mine && asked_whether => self.take(room, Some(lease.epoch)),
                    Some(_) | None => {}
                }
            }
        }
        self.look(now, room);
    }

    /// The log says who orders a room from now on. Whoever is told of it in the log's order (`in_order`) and is the holder
    /// begins to order.
    pub fn handle_lease(
        &mut self,
        now: Instant,
        room: &LiveRoom,
        lease: &LiveLease,
        in_order: bool,
    ) {
        let known = self.edges.get(room).and_then(|edge| edge.holder).map(|(_, epoch)| epoch);
        let held = self.holds.get(room).map(|hold| hold.epoch);
        if known.max(held).is_some_and(|epoch| epoch > lease.epoch) {
            return;
        }
        if held != Some(lease.epoch) {
            self.holds.remove(room);
            if lease.holder == self.me && in_order {
                let edge = self.edges.get(room);
                let mut hold = Hold::new(now, lease.epoch, edge.map(super::Edge::known));
                hold.confirmed = self.has_quorum;
                self.holds.insert(room.clone(), hold);
            }
        }
        let is_up = lease.holder == self.me || self.up.contains(&lease.holder);
        let life = self.number();
        if let Some(edge) = self.edges.get_mut(room) {
            // An answer may be older than what the log said since.
            let is_newer = in_order || edge.holder != Some((lease.holder, lease.epoch));
            edge.follow(now, (lease.holder, lease.epoch), is_up, life);
            let gone =
                if is_newer { edge.restrain(&lease.restrained, room.as_str()) } else { Vec::new() };
            for session in gone {
                self.leave(now, session, room);
            }
            self.tell_attendance(now, room);
        }
        self.look(now, room);
    }

    /// The log says that a room's lease is gone; `closed`: the room is over for everybody.
    pub fn handle_end(&mut self, now: Instant, room: &LiveRoom, epoch: u64, closed: bool) {
        if self.holds.get(room).is_some_and(|hold| hold.epoch <= epoch) {
            self.holds.remove(room);
        }
        let is_its = |edge: &super::Edge| edge.holder.is_none_or(|(_, own)| own <= epoch);
        if closed && self.edges.get(room).is_some_and(is_its) {
            if let Some(edge) = self.edges.remove(room) {
                for session in edge.sessions() {
                    if let Some(joined) = self.joined.get_mut(&session) {
                        joined.retain(|other| other != room);
                    }
                }
                self.joined.retain(|_, joined| !joined.is_empty());
                edge.close(room.as_str());
            }
        } else if let Some(edge) = self.edges.get_mut(room)
            && edge.holder.is_some_and(|(_, own)| own <= epoch)
        {
            edge.orphan(now);
        }
        self.look(now, room);
    }

    /// Part of the log was skipped: everything is asked anew.
    pub fn lose_track(&mut self, now: Instant) {
        for (room, hold) in &mut self.holds {
            (hold.confirmed, hold.renew_at) = (false, now);
            self.wakes.set(room, Some(now));
        }
        for (room, edge) in &mut self.edges {
            edge.unsettle();
            edge.seek = Some((now, None));
            self.wakes.set(room, Some(now));
        }
    }

    /// A link to another node came up: it may have started anew.
    pub fn node_up(&mut self, now: Instant, node: NodeId) {
        self.up.insert(node);
        let its = self.edges.iter_mut().filter(|(_, edge)| is_of(edge, node));
        let rooms: Vec<LiveRoom> = its
            .map(|(room, edge)| {
                edge.found();
                room.clone()
            })
            .collect();
        for room in rooms {
            self.mark_edge(now, &room);
            self.look(now, &room);
        }
    }

    /// The links to another node broke: its audiences are gone, and rooms that it ordered are taken over soon.
    pub fn node_down(&mut self, now: Instant, node: NodeId) {
        self.up.remove(&node);
        self.post.forget(node);
        let its = self.edges.iter_mut().filter(|(_, edge)| is_of(edge, node));
        let lost: Vec<LiveRoom> = its
            .map(|(room, edge)| {
                edge.lose(now);
                room.clone()
            })
            .collect();
        for room in lost {
            self.look(now, &room);
        }
        let held = self.holds.iter_mut();
        let changed: Vec<LiveRoom> =
            held.filter_map(|(room, hold)| hold.lose(now, node).then(|| room.clone())).collect();
        for room in changed {
            self.mark_hold(now, &room);
            self.look(now, &room);
        }
    }

    /// Whether this node has links to a quorum. Without one it orders nothing: others may have taken its rooms over.
    pub fn set_quorum(&mut self, now: Instant, has_quorum: bool) {
        if self.has_quorum == has_quorum {
            return;
        }
        self.has_quorum = has_quorum;
        for (room, hold) in &mut self.holds {
            hold.confirmed = false;
            if has_quorum {
                hold.renew_at = now;
                self.wakes.set(room, Some(now));
            }
            if let Some(edge) = self.edges.get_mut(room) {
                edge.unsettle();
            }
        }
    }

    /// Frames of another node. What is of another lease than ours is void.
    pub fn handle_frames(&mut self, now: Instant, from: NodeId, frames: pb::LiveFrames) {
        for frame in frames.frames.into_iter().take(FRAMES_MAX) {
            let (Ok(room), Some(what)) = (LiveRoom::try_from(frame.room.as_str()), frame.what)
            else {
                metrics::counter!("stoa_im_relays_unreadable_total").increment(1);
                continue;
            };
            match what {
                What::Attend(attend) => self.on_attend(now, from, &room, frame.epoch, &attend),
                What::Ask(ask) => self.on_ask(now, from, &room, frame.epoch, ask),
                What::Answer(answer) => self.on_answer(from, &room, frame.epoch, answer),
                What::Told(told) => self.on_told(now, from, &room, frame.epoch, told),
            }
        }
    }

    fn on_attend(
        &mut self,
        now: Instant,
        from: NodeId,
        room: &LiveRoom,
        epoch: u64,
        attend: &pb::LiveAttend,
    ) {
        let Some(hold) = self.holds.get_mut(room).filter(|hold| hold.epoch >= epoch) else {
            // The lease may be on its way to us, or an earlier process of this node had it.
            let holder = self.me;
            return self.leases.ask(room, LiveAction::Renew { holder, epoch });
        };
        if hold.epoch != epoch || !hold.confirmed {
            return;
        }
        let (changed, told) = hold.attend(now, from, attend);
        if changed {
            self.mark_hold(now, room);
        }
        match told {
            Some(told) if from == self.me => self.on_told(now, from, room, epoch, told),
            Some(told) => {
                self.post(now, from, room, epoch, What::Told(told));
            }
            None => {}
        }
        self.look(now, room);
    }

    fn on_ask(
        &mut self,
        now: Instant,
        from: NodeId,
        room: &LiveRoom,
        epoch: u64,
        ask: pb::LiveAsk,
    ) {
        use pb::live_answer::What as Became;
        let hold = self.holds.get_mut(room).filter(|hold| hold.epoch == epoch);
        let said = match (hold, ask.message) {
            (Some(hold), Some(message)) => hold.say(now, message),
            (_, _) => Err(LiveError::Unavailable),
        };
        let what = match said {
            Ok(offset) => {
                self.mark_hold(now, room);
                Some(Became::Offset(offset))
            }
            Err(LiveError::Throttled(wait)) => {
                Some(Became::WaitMs(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
            }
            Err(_) => None,
        };
        let answer = pb::LiveAnswer { ticket: ask.ticket, what };
        self.post(now, from, room, epoch, What::Answer(answer));
    }

    fn on_answer(&mut self, from: NodeId, room: &LiveRoom, epoch: u64, answer: pb::LiveAnswer) {
        use pb::live_answer::What as Became;
        let edge = self.edges.get_mut(room).filter(|edge| edge.holder == Some((from, epoch)));
        let Some(who) = edge.and_then(|edge| edge.answered(answer.ticket)) else { return };
        who.tell(match answer.what {
            Some(Became::Offset(offset)) => Ok(pb::LiveSent { offset, epoch }),
            Some(Became::WaitMs(wait)) => {
                Err(LiveError::Throttled(std::time::Duration::from_millis(wait.min(60_000))))
            }
            None => Err(LiveError::Unavailable),
        });
    }

    fn on_told(
        &mut self,
        now: Instant,
        from: NodeId,
        room: &LiveRoom,
        epoch: u64,
        told: pb::LiveTold,
    ) {
        let edge = self.edges.get_mut(room).filter(|edge| edge.holder == Some((from, epoch)));
        let Some(edge) = edge else { return };
        if !edge.told(now, epoch, told, room.as_str()) {
            self.mark_edge(now, room);
        } else if edge.ready().is_some() {
            for (message, who) in edge.take_unsaid() {
                self.say(now, room, (from, epoch), message, who);
            }
        }
        self.look(now, room);
    }

    /// Tells the holder how many are here. An edge without people is forgotten once the holder was told.
    pub(super) fn tell_attendance(&mut self, now: Instant, room: &LiveRoom) {
        let Some(edge) = self.edges.get_mut(room) else { return };
        let is_idle = edge.is_idle();
        if let Some((node, epoch)) = edge.holder {
            let attend = edge.attend(now);
            if node == self.me {
                self.on_attend(now, node, room, epoch, &attend);
            } else if self.up.contains(&node) {
                self.post(now, node, room, epoch, What::Attend(attend));
            }
        }
        if is_idle {
            self.edges.remove(room);
        }
        self.look(now, room);
    }

    /// Tells every node with an audience what happened.
    pub(super) fn tell(&mut self, now: Instant, room: &LiveRoom) {
        let Some(hold) = self.holds.get_mut(room).filter(|hold| hold.confirmed) else { return };
        let epoch = hold.epoch;
        let (told, nodes) = hold.tell();
        for node in nodes {
            let told = told.clone();
            if node == self.me {
                self.on_told(now, node, room, epoch, told);
            } else {
                self.post(now, node, room, epoch, What::Told(told));
            }
        }
    }

    fn take(&mut self, room: &LiveRoom, instead_of: Option<u64>) {
        self.leases.ask(room, LiveAction::Take { holder: self.me, instead_of });
    }

    /// Does what is due in a room.
    pub(super) fn on_wake(&mut self, now: Instant, room: &LiveRoom) {
        if let Some(edge) = self.edges.get_mut(room) {
            let (refreshes, refused) = edge.expire(now);
            let seek = edge.seek_due(now, SEEK_EVERY);
            if let Some(instead_of) = seek {
                self.take(room, instead_of);
            }
            for session in refused {
                self.leave(now, session, room);
            }
            if refreshes {
                self.mark_edge(now, room);
            }
        }
        let Some(hold) = self.holds.get_mut(room) else { return };
        let epoch = hold.epoch;
        let changed = hold.expire(now);
        match hold.due(now) {
            HoldDue::Nothing => {}
            HoldDue::Renew => {
                let holder = self.me;
                self.leases.ask(room, LiveAction::Renew { holder, epoch });
            }
            HoldDue::End => {
                self.holds.remove(room);
                self.leases.ask(room, LiveAction::End { epoch: Some(epoch) });
            }
        }
        if changed {
            self.mark_hold(now, room);
        }
    }

    /// Sets when the room is looked at next.
    pub(super) fn look(&mut self, now: Instant, room: &LiveRoom) {
        let edge = self.edges.get(room).map(super::Edge::wake_at);
        let hold = self.holds.get(room).map(Hold::wake_at);
        // A lease that is asked for already is asked for again when that was answered.
        let at = edge.into_iter().chain(hold).min().map(|at| at.max(now));
        self.wakes.set(room, at);
    }
}

fn is_of(edge: &super::Edge, node: NodeId) -> bool {
    edge.holder.is_some_and(|(holder, _)| holder == node)
}
