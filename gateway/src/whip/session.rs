//! The task behind a WHIP or WHEP resource: joins, negotiates, follows the node's events and obeys requests.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    error::ErrorCode,
    grant::Grant,
    id::{Identity, ParticipantSid, RoomName, TrackSid},
    room::{LeaveReason, Participant, ParticipantState, RoomSettings},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Door,
    announce::{Sources, publication, sending},
    choose::{Slots, Viewer},
    negotiation::Negotiation,
    offer::{Offer, ice_of, restarted},
    refusal::{left, nothing_published, precondition_failed},
    sdpfrag::{Fragment, write_fragment},
    table::Seat,
};
use crate::{
    Shared,
    error::Error,
    node::{Answer, Call, Join, Joined, Message, Pc, PublishIntent, Request, SessionEvent},
};

/// Most tracks a viewer is remembered to have been refused.
const REFUSED_MAX: usize = 256;

/// What a client posted, checked.
pub(super) struct Wish {
    pub(super) door: Door,
    pub(super) resource: String,
    pub(super) room: RoomName,
    pub(super) identity: Identity,
    pub(super) whose: Option<Identity>,
    pub(super) grant: Grant,
    pub(super) create: Option<RoomSettings>,
    pub(super) offer: String,
    pub(super) parsed: Offer,
}

/// A session that is up.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) answer: String,
    pub(super) etag: String,
}

/// What a request wants of a session.
#[derive(Debug)]
pub(super) enum Command {
    Patch(Box<Patch>),
    End { reply: oneshot::Sender<()> },
}

/// A trickled fragment.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) fragment: Fragment,
    pub(super) if_match: Option<String>,
    pub(super) reply: oneshot::Sender<Result<Patched, Error>>,
}

/// What a fragment did.
#[derive(Debug)]
pub(super) enum Patched {
    Trickled,
    Restarted { fragment: String, etag: String },
}

/// A joined participant.
pub(super) struct Session {
    shared: Shared,
    room: RoomName,
    sid: ParticipantSid,
    events: mpsc::Receiver<SessionEvent>,
    negotiation: Negotiation,
    /// Announced tracks the node has not accepted yet.
    unaccepted: BTreeSet<String>,
    /// Tracks the node accepted.
    published: BTreeSet<TrackSid>,
    viewer: Option<Viewer>,
    roster: BTreeMap<ParticipantSid, Participant>,
    /// Nothing of it is left, so it should end.
    done: bool,
    /// The node ended it.
    over: bool,
}

impl Session {
    /// Runs a session from its first offer to its end. Tells through `reply` whether it came up.
    pub(super) async fn run(
        shared: Shared,
        wish: Wish,
        seat: Seat,
        mut commands: mpsc::Receiver<Command>,
        reply: oneshot::Sender<Result<Opened, Error>>,
    ) {
        let mut session = match Self::join(shared, &wish).await {
            Ok(session) => session,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        tracing::info!(room = %wish.room, identity = %wish.identity, participant = %session.sid, door = ?wish.door, "session of a standard client opened");
        let opened = session.establish(&wish).await;
        let good = opened.is_ok();
        // A client that hung up meanwhile will not come back for its session.
        if reply.send(opened).is_ok() && good {
            session.serve(&mut commands).await;
        }
        drop(seat);
        session.leave().await;
    }

    async fn join(shared: Shared, wish: &Wish) -> Result<Self, Error> {
        let slots = Slots::of(&wish.parsed);
        let viewer = (wish.door == Door::Whep).then(|| Viewer {
            identity: wish.identity.clone(),
            whose: wish.whose.clone(),
            slots,
            chosen: BTreeSet::new(),
            refused: BTreeSet::new(),
        });
        if let Some(viewer) = &viewer {
            something_to_watch(&shared, &wish.room, viewer).await?;
        }
        let (sender, events) = mpsc::channel(shared.config.limits.events_max);
        let join = Box::new(Join {
            room: wish.room.clone(),
            identity: wish.identity.clone(),
            grant: wish.grant.clone(),
            single_pc: true,
            auto_subscribe: false,
            client_protocol: 0,
            capabilities: Vec::new(),
            codecs: shared.config.codecs.clone(),
            create: wish.create.clone(),
            events: sender,
        });
        let joined = shared.ask(|reply| Request::Join { join, reply }).await?;
        let Joined { participant, others, .. } = joined;
        let negotiation = Negotiation {
            offer: wish.offer.clone(),
            ufrag: wish.parsed.ufrag.clone(),
            sending: match wish.door {
                Door::Whip => sending(&wish.parsed),
                Door::Whep => Vec::new(),
            },
            request: 0,
            generation: 1,
            again_at: None,
            waits: 0,
        };
        Ok(Self {
            shared,
            room: wish.room.clone(),
            sid: participant.sid,
            events,
            negotiation,
            unaccepted: BTreeSet::new(),
            published: BTreeSet::new(),
            viewer,
            roster: others.into_iter().map(|other| (other.sid.clone(), other)).collect(),
            done: false,
            over: false,
        })
    }

    async fn establish(&mut self, wish: &Wish) -> Result<Opened, Error> {
        match wish.door {
            Door::Whip => self.announce(&wish.parsed).await?,
            Door::Whep => {
                if !self.follow().await? {
                    return Err(nothing_published());
                }
            }
        }
        let answer = self.negotiate().await?;
        Ok(Opened { answer, etag: self.etag() })
    }

    /// Announces what the offer sends.
    async fn announce(&mut self, offer: &Offer) -> Result<(), Error> {
        let mut sources = Sources::default();
        let sections = offer.sections.iter().filter(|section| section.direction.sends());
        let tracks: Vec<_> =
            self.negotiation.sending.iter().map(|(_, cid, _)| cid.clone()).collect();
        for (section, cid) in sections.zip(tracks) {
            self.unaccepted.insert(cid.clone());
            let publication = publication(section, sources.next(section.kind));
            let intent = PublishIntent { cid, publication, backup_of: None };
            self.tell(Message::Publish(Box::new(intent))).await?;
        }
        Ok(())
    }

    /// Sends the offer and waits for its answer.
    async fn negotiate(&mut self) -> Result<String, Error> {
        self.negotiation.again_at = None;
        self.negotiation.request += 1;
        let request = self.negotiation.request;
        let message = Message::Offer {
            request,
            sdp: self.negotiation.offer.clone(),
            sending: self.negotiation.sending.clone(),
        };
        self.tell(message).await?;
        let until = Instant::now() + self.shared.config.limits.answer_after_max;
        let mut answered = None;
        loop {
            let event = timeout_at(until, self.events.recv()).await;
            match event.map_err(|_| Error::Overloaded)? {
                None => {
                    self.over = true;
                    return Err(Error::Draining);
                }
                Some(SessionEvent::Answer { request: to, sdp, .. }) if to == request => {
                    answered = Some(sdp);
                }
                Some(SessionEvent::NegotiationRefused { request: Some(to), refusal })
                    if to == request =>
                {
                    return Err(refusal.into());
                }
                Some(SessionEvent::PublishRefused { refusal, .. }) => return Err(refusal.into()),
                Some(SessionEvent::Leave(leave)) => {
                    self.over = true;
                    return Err(left(&leave));
                }
                Some(event) => self.on_event(event),
            }
            if self.unaccepted.is_empty()
                && let Some(answer) = answered.take()
            {
                return Ok(answer);
            }
        }
    }

    /// Follows events and requests until either ends the session.
    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) {
        while !self.over && !self.done {
            let again_at = self.negotiation.again_at;
            tokio::select! {
                () = sleep_until(again_at.unwrap_or_else(Instant::now)), if again_at.is_some() => {
                    self.keep_up().await;
                }
                event = self.events.recv() => match event {
                    None => self.over = true,
                    Some(event) => {
                        self.on_event(event);
                        self.keep_up().await;
                    }
                },
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Patch(patch)) => {
                        let Patch { fragment, if_match, reply } = *patch;
                        let patched = self.patch(fragment, if_match.as_deref()).await;
                        let _ = reply.send(patched);
                    }
                    Some(Command::End { reply }) => {
                        self.leave().await;
                        let _ = reply.send(());
                    }
                },
            }
        }
    }

    fn on_event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Published { cid, publication } => {
                self.unaccepted.remove(&cid);
                self.published.insert(publication.sid);
            }
            SessionEvent::Unpublished { track } => {
                self.published.remove(&track);
                // The dialect cannot say that a track ended, only that everything did.
                self.done |= self.published.is_empty() && self.viewer.is_none();
            }
            SessionEvent::PublishRefused { cid, refusal } => {
                tracing::info!(participant = %self.sid, cid, code = %refusal.code, "track refused");
                self.unaccepted.remove(&cid);
            }
            SessionEvent::SectionsNeeded { audio, video } => {
                self.negotiation.on_sections_needed(audio, video);
            }
            SessionEvent::Participants(changed) => {
                for participant in changed {
                    if participant.state == ParticipantState::Disconnected {
                        self.roster.remove(&participant.sid);
                    } else if participant.sid != self.sid {
                        self.roster.insert(participant.sid.clone(), participant);
                    }
                }
            }
            SessionEvent::SubscriptionRefused { track, refusal } => {
                tracing::info!(participant = %self.sid, %track, code = %refusal.code, "track cannot be watched");
                if let Some(viewer) = &mut self.viewer
                    && viewer.refused.len() < REFUSED_MAX
                {
                    viewer.refused.insert(track);
                }
            }
            SessionEvent::Moved(moved) => {
                self.room = moved.room.name;
                self.sid = moved.participant.sid;
                self.roster = moved.others.into_iter().map(|p| (p.sid.clone(), p)).collect();
            }
            SessionEvent::Leave(leave) => {
                tracing::info!(participant = %self.sid, reason = ?leave.reason, "session of a standard client ended by the node");
                self.over = true;
            }
            // Neither dialect has words for the rest.
            SessionEvent::Answer { .. }
            | SessionEvent::Offer { .. }
            | SessionEvent::NegotiationRefused { .. }
            | SessionEvent::Muted { .. }
            | SessionEvent::Room(_)
            | SessionEvent::Permission(_)
            | SessionEvent::Speakers(_)
            | SessionEvent::Quality(_)
            | SessionEvent::StreamState(_)
            | SessionEvent::FirstSubscriber { .. }
            | SessionEvent::Wanted { .. }
            | SessionEvent::Access { .. }
            | SessionEvent::Updated { .. }
            | SessionEvent::DataFromClient { .. } => {}
        }
    }

    /// After events: watches what should be watched now, and offers again where the node wants it.
    async fn keep_up(&mut self) {
        if self.over {
            return;
        }
        if let Err(error) = self.follow().await {
            tracing::debug!(participant = %self.sid, %error, "subscriptions could not be changed");
        }
        if self.negotiation.again_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        tracing::debug!(participant = %self.sid, "offering again");
        // The client knows nothing of this: its sections stay as they are, only their content changes.
        if let Err(error) = self.negotiate().await {
            tracing::debug!(participant = %self.sid, %error, "an offer made again was refused");
        }
    }

    /// Makes a viewer's subscriptions what they should be. Tells whether it receives anything.
    async fn follow(&mut self) -> Result<bool, Error> {
        let Some(viewer) = &self.viewer else { return Ok(true) };
        let wanted = viewer.choose(&self.roster);
        let gone: BTreeSet<TrackSid> = viewer.chosen.difference(&wanted).cloned().collect();
        let new: BTreeSet<TrackSid> = wanted.difference(&viewer.chosen).cloned().collect();
        let (identity, any) = (viewer.identity.clone(), !wanted.is_empty());
        let published =
            |sid: &TrackSid| self.roster.values().any(|p| p.publications.contains_key(sid));
        let gone: BTreeSet<TrackSid> = gone.into_iter().filter(published).collect();
        for (tracks, subscribed) in [(gone, false), (new, true)] {
            if tracks.is_empty() {
                continue;
            }
            tracing::debug!(participant = %self.sid, ?tracks, subscribed, "viewer's choice changes");
            // As a call, because it is answered when it is done: the offer must come after it.
            let (room, identity) = (self.room.clone(), identity.clone());
            let call = Call::UpdateSubscriptions { room, identity, tracks, subscribed };
            self.shared.call(call).await?;
        }
        if let Some(viewer) = &mut self.viewer
            && viewer.chosen != wanted
        {
            viewer.chosen = wanted;
            self.negotiation.waits = 0;
        }
        Ok(any)
    }

    async fn patch(
        &mut self,
        fragment: Fragment,
        if_match: Option<&str>,
    ) -> Result<Patched, Error> {
        let restart = fragment.restarts(self.negotiation.ufrag.as_deref());
        match if_match {
            Some("*") => {}
            None if restart => return Err(Error::PreconditionMissing),
            None => {}
            Some(tags) => {
                let etag = self.etag();
                if !tags.split(',').any(|tag| tag.trim() == etag) {
                    return Err(precondition_failed());
                }
            }
        }
        match (fragment.ufrag, fragment.pwd) {
            (Some(ufrag), Some(pwd)) if restart => {
                self.restart(&ufrag, &pwd, fragment.candidates).await
            }
            // Candidates of an ICE session that is over, or of one that was never announced.
            (Some(ufrag), _) if self.negotiation.ufrag.as_ref().is_some_and(|u| *u != ufrag) => {
                Err(precondition_failed())
            }
            _ => self.trickle(fragment.candidates).await.map(|()| Patched::Trickled),
        }
    }

    async fn restart(
        &mut self,
        ufrag: &str,
        pwd: &str,
        candidates: Vec<String>,
    ) -> Result<Patched, Error> {
        let offer = restarted(&self.negotiation.offer, ufrag, pwd);
        let before = std::mem::replace(&mut self.negotiation.offer, offer);
        let answer = match self.negotiate().await {
            Ok(answer) => answer,
            Err(error) => {
                self.negotiation.offer = before;
                return Err(error);
            }
        };
        self.negotiation.ufrag = Some(ufrag.to_owned());
        self.negotiation.generation += 1;
        self.trickle(candidates).await?;
        Ok(Patched::Restarted { fragment: write_fragment(&ice_of(&answer)), etag: self.etag() })
    }

    async fn trickle(&self, candidates: Vec<String>) -> Result<(), Error> {
        for candidate in candidates {
            self.tell(Message::Candidate { pc: Pc::Publisher, candidate }).await?;
        }
        Ok(())
    }

    async fn leave(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let reason = LeaveReason::ClientInitiated;
        if let Err(error) = self.tell(Message::Leave { reason }).await {
            tracing::debug!(participant = %self.sid, %error, "the node did not hear the good-bye");
        }
    }

    async fn tell(&self, message: Message) -> Result<(), Error> {
        let request = Request::Session { session: self.sid.clone(), message };
        let patience = self.shared.config.limits.answer_after_max;
        let sent = self.shared.requests.send_timeout(request, patience).await;
        sent.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::Overloaded,
            mpsc::error::SendTimeoutError::Closed(_) => Error::Draining,
        })
    }

    /// The entity tag of the ICE session (RFC 9725 4.3.1).
    fn etag(&self) -> String {
        format!("\"ice-{}\"", self.negotiation.generation)
    }
}

/// Refuses a viewer before it joins when nothing could be shown to it: joining might open the room.
async fn something_to_watch(
    shared: &Shared,
    room: &RoomName,
    viewer: &Viewer,
) -> Result<(), Error> {
    let listed = shared.call(Call::ListParticipants { room: room.clone() }).await;
    let roster = match listed {
        Ok(Answer::Participants(all)) => all,
        Err(refusal) if refusal.code == ErrorCode::RoomNotFound => Vec::new(),
        Err(refusal) => return Err(refusal.into()),
        Ok(_) => return Err(Error::Internal),
    };
    let roster = roster.into_iter().map(|p| (p.sid.clone(), p)).collect();
    if viewer.choose(&roster).is_empty() { Err(nothing_published()) } else { Ok(()) }
}
