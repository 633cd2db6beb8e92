//! Requests about soft state, which the log does not hear of: presence and live rooms.

use std::{collections::BTreeSet, sync::Arc};

use proto::im::{id::UserId, live::LiveRoom};
use tokio::time::Instant;

use super::{Body, Session, Told};
use crate::{
    error::Error,
    im::{
        hub::{
            SUBSCRIPTIONS_MAX,
            presence::{PresenceError, Wish},
        },
        live::Speaker,
        op,
        wire::pb,
    },
};

impl Session {
    pub(super) fn serve_presence(&self, body: Body) -> Result<Told, Error> {
        let name = &self.mailbox.owner.user;
        let refused = |error| match error {
            PresenceError::TextTooLong => Error::TooLarge { limit: 64 },
            PresenceError::Offline => Error::Malformed("status cannot be OFFLINE"),
            PresenceError::TooMany => Error::TooLarge { limit: SUBSCRIPTIONS_MAX },
        };
        match body {
            Body::PresenceSet(set) => {
                let wish = Wish { status: set.status(), text: set.text };
                let now = Instant::now();
                self.chat.hub(|hub| hub.set_presence(now, name, wish)).map_err(refused)?;
            }
            Body::PresenceSubscribe(watch) => {
                let others = users(&watch.users)?;
                let presences = self.chat.hub(|hub| hub.watch(name, others));
                return presences.map(Told::Presences).map_err(refused);
            }
            Body::PresenceUnsubscribe(watch) => {
                let others = users(&watch.users)?;
                self.chat.hub(|hub| hub.stop_watching(name, &others));
            }
            _ => return Err(Error::Unsupported("this request")),
        }
        Ok(Told::Done(pb::Done {}))
    }

    /// Answers may come later, through the mailbox.
    pub(super) fn serve_live(&self, rid: u32, body: Body) -> Result<Option<Told>, Error> {
        let (now, session) = (Instant::now(), self.mailbox.id);
        match body {
            Body::LiveJoin(join) => {
                let room = live_room(&join.room)?;
                let speaker = self.speaker(&room)?;
                let who = (Arc::clone(&self.mailbox), rid);
                self.chat.live(|live| live.join(now, who, &room, speaker))?;
            }
            Body::LiveLeave(leave) => {
                let room = live_room(&leave.room)?;
                self.chat.live(|live| live.leave(now, session, &room));
                return Ok(Some(Told::Done(pb::Done {})));
            }
            Body::LiveSend(send) => {
                let room = live_room(&send.room)?;
                let message = pb::LiveMessage {
                    at: self.chat.shared.clock.now().0,
                    priority: send.priority,
                    content: Some(op::live_content(send.content)?),
                    ..pb::LiveMessage::default()
                };
                self.chat.live(|live| live.send(now, (session, rid), &room, message))?;
            }
            Body::LiveLike(like) => {
                let room = live_room(&like.room)?;
                self.chat.live(|live| live.like(now, session, &room, like.count));
            }
            _ => return Err(Error::Unsupported("this request")),
        }
        Ok(None)
    }

    /// As whom it is in a live room.
    fn speaker(&self, room: &LiveRoom) -> Result<Speaker, Error> {
        let at = self.chat.shared.clock.now().0;
        match &self.guest {
            Some(guest) if guest.room == *room => Ok(Speaker { at, ..guest.speaker.clone() }),
            Some(_) => Err(Error::WrongRoom),
            None => Ok(Speaker {
                id: self.mailbox.owner.user.to_string(),
                may_speak: true,
                at,
                ..Speaker::default()
            }),
        }
    }
}

fn users(names: &[String]) -> Result<BTreeSet<UserId>, Error> {
    let parsed = names.iter().map(|name| name.parse());
    parsed.collect::<Result<_, _>>().map_err(|_| Error::Malformed("users holds what is no id"))
}

/// A live room may be named like a room of calls.
fn live_room(name: &str) -> Result<LiveRoom, Error> {
    LiveRoom::try_from(name).map_err(|_| Error::Malformed("room is not a name"))
}
