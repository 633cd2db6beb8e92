//! People who come with the token of a call: they have no account, and may use the live room of the call's name only.

use std::sync::Arc;

use proto::im::{LiveRoom, id::DeviceId};
use serde_json::Value;

use crate::{
    error::Error,
    im::{
        chat::Chat,
        live::Speaker,
        mailbox::{Mailbox, Owner},
        wire::Codec,
    },
};

/// What stands in the place of an account; nothing that needs an account is done with it.
const NOBODY: &str = "guest";
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Somebody with a token of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) room: LiveRoom,
    pub(super) speaker: Speaker,
    pub(super) expires_at_s: u64,
}

impl Guest {
    /// Who a token of a call lets in; `None`: it is another kind of token.
    pub(super) fn read(chat: &Chat, token: &str) -> Option<Result<Self, Error>> {
        let claims = chat.shared.config.keys.verify(token, chat.now_s()).ok()?;
        let flag = |name: &str| claims.token.other.get(name).and_then(Value::as_bool);
        let is_for_chat = flag("im") == Some(true) || flag("imAdmin") == Some(true);
        if is_for_chat || !claims.grant.room_join || !chat.config.live_in_calls {
            return None;
        }
        let room = claims.grant.room.as_ref().map(|room| LiveRoom::try_from(room.as_str()));
        Some(match (room, claims.identity) {
            (None, _) => Err(Error::RoomMissing),
            (Some(Err(_)), _) => Err(Error::Malformed("room is not a name")),
            (_, None) => Err(Error::IdentityMissing),
            (Some(Ok(room)), Some(identity)) => Ok(Self {
                room,
                speaker: Speaker {
                    id: identity.to_string(),
                    name: claims.grant.name.chars().take(NAME_CHARS_MAX).collect(),
                    guest: true,
                    may_speak: claims.grant.permission.can_publish_data,
                    at: 0,
                },
                expires_at_s: claims.expires_at_s,
            }),
        })
    }

    /// A mailbox for it. It cannot be resumed: what live rooms told is not kept.
    pub(super) fn mailbox(chat: &Chat, codec: Codec) -> Result<Arc<Mailbox>, Error> {
        let user = NOBODY.parse().map_err(|_| Error::Internal)?;
        let device = DeviceId::try_from(NOBODY).map_err(|_| Error::Internal)?;
        let owner = Owner { user, device, login: None, epoch: None };
        let id = u128::from_be_bytes(chat.mint.bytes());
        Ok(Arc::new(Mailbox::new(id, owner, codec)))
    }

    /// Whether a newer token is of the same person in the same call.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.room == other.room && self.speaker.id == other.speaker.id
    }
}
