//! Reads requests: messages and conversations here, people and groups in their own modules.

use proto::{
    im::{
        command::{Action, ConversationAction, MessageAction, Send, SettingsChange},
        id::{ConversationId, Sequence},
        message::Gone,
        query::{Ask, SyncFrom},
    },
    store::Direction,
    time::LogTime,
};

use super::{Asked, Asker, Read, content, group, people, text};
use crate::{
    error::Error,
    im::wire::pb::{self, client_frame::Body},
};

/// Reads a request that the node answers. Requests about the socket itself, presence, typing and live rooms are not for
/// the node: `None`.
///
/// # Errors
/// [`Error::Malformed`] when a field holds what it cannot.
pub fn read(body: Body, asker: &Asker<'_>) -> Result<Option<Asked>, Error> {
    let asked = match body {
        Body::Connect(_)
        | Body::Batch(_)
        | Body::Ack(_)
        | Body::Renew(_)
        | Body::Ping(_)
        | Body::Typing(_)
        | Body::PresenceSet(_)
        | Body::PresenceSubscribe(_)
        | Body::PresenceUnsubscribe(_)
        | Body::LiveJoin(_)
        | Body::LiveLeave(_)
        | Body::LiveSend(_)
        | Body::LiveLike(_) => return Ok(None),
        Body::Send(_)
        | Body::Pull(_)
        | Body::Edit(_)
        | Body::Withdraw(_)
        | Body::React(_)
        | Body::PinMessage(_)
        | Body::RevisionsGet(_)
        | Body::ReceiptsGet(_)
        | Body::CursorsGet(_)
        | Body::ReactionsGet(_)
        | Body::PinsGet(_)
        | Body::EditsGet(_) => message(body, asker),
        Body::Sync(_)
        | Body::Read(_)
        | Body::Delivered(_)
        | Body::HideMessages(_)
        | Body::MentionsGet(_)
        | Body::ConversationList(_)
        | Body::ConversationGet(_)
        | Body::ConversationSet(_)
        | Body::ConversationHide(_)
        | Body::UnreadGet(_)
        | Body::Search(_) => conversation(body, asker),
        Body::FriendRequest(_)
        | Body::FriendAnswer(_)
        | Body::FriendRemove(_)
        | Body::FriendUpdate(_)
        | Body::FriendList(_)
        | Body::FriendRequestList(_)
        | Body::Block(_)
        | Body::BlockList(_)
        | Body::Follow(_)
        | Body::FollowList(_)
        | Body::FriendGroupList(_)
        | Body::FriendGroupSet(_)
        | Body::RelationGet(_) => people::relation(body, asker),
        Body::ProfileGet(_)
        | Body::ProfileSet(_)
        | Body::DeviceList(_)
        | Body::DeviceRemove(_)
        | Body::AccountGet(_)
        | Body::ContactRulesSet(_) => people::account(body, asker),
        other => group::read(other, asker),
    };
    asked.map(Some)
}

fn message(body: Body, asker: &Asker<'_>) -> Read {
    Ok(match body {
        Body::Send(send) => return read_send(send, asker),
        Body::Pull(pull) => Asked::question(Ask::History {
            conversation: text::conversation(&pull.conversation)?,
            from: Sequence(pull.from),
            direction: if pull.down { Direction::Down } else { Direction::Up },
            limit: text::limit(pull.limit),
        })
        .about(pull.conversation),
        Body::Edit(edit) => {
            let content = Box::new(content::read(edit.content)?);
            on_message(&edit.conversation, edit.seq, MessageAction::Edit { content })?
        }
        Body::Withdraw(withdraw) => {
            let how = match withdraw.how() {
                pb::GoneHow::Unspecified | pb::GoneHow::Recalled => Gone::Recalled,
                pb::GoneHow::Deleted => Gone::Deleted,
                pb::GoneHow::Expired => {
                    return Err(Error::Malformed("how must be RECALLED or DELETED"));
                }
            };
            let action = MessageAction::Withdraw { how };
            on_message(&withdraw.conversation, withdraw.seq, action)?
        }
        Body::React(react) => {
            let action = MessageAction::React { reaction: react.reaction, on: !react.remove };
            on_message(&react.conversation, react.seq, action)?
        }
        Body::PinMessage(pin) => {
            let action = MessageAction::Pin { on: !pin.unpin };
            on_message(&pin.conversation, pin.seq, action)?
        }
        other => return message_question(other),
    })
}

fn read_send(send: pb::Send, asker: &Asker<'_>) -> Read {
    let conversation = match send.to {
        Some(pb::send::To::Conversation(id)) => text::conversation(&id)?,
        Some(pb::send::To::User(peer)) => ConversationId::between(asker.user, &text::user(&peer)?)
            .map_err(|_| Error::Malformed("a private conversation has two different users"))?,
        None => return Err(Error::Malformed("neither conversation nor user is given")),
    };
    if send.cmid.is_empty() {
        return Err(Error::Malformed("cmid is missing"));
    }
    let about = conversation.to_string();
    let send = Send {
        conversation,
        key: text::key(&send.cmid, asker.key)?,
        content: content::read(send.content)?,
        options: content::read_options(send.options)?,
    };
    Ok(Asked::change(Action::Send(Box::new(send))).about(about))
}

fn on_message(conversation: &str, seq: u64, action: MessageAction) -> Read {
    let conversation = text::conversation(conversation)?;
    Ok(Asked::change(Action::Message { conversation, seq: Sequence(seq), action }))
}

fn message_question(body: Body) -> Read {
    let ask = match body {
        Body::RevisionsGet(get) => Ask::Revisions {
            conversation: text::conversation(&get.conversation)?,
            after: get.after,
            limit: text::limit(get.limit),
        },
        Body::ReceiptsGet(get) => {
            Ask::Receipts(text::conversation(&get.conversation)?, Sequence(get.seq))
        }
        Body::CursorsGet(get) => {
            let page = text::page(&get.after, get.limit)?;
            Ask::Cursors(text::conversation(&get.conversation)?, page)
        }
        Body::ReactionsGet(get) => {
            let page = text::page(&get.after, get.limit)?;
            let conversation = text::conversation(&get.conversation)?;
            Ask::Reactions(conversation, Sequence(get.seq), get.reaction, page)
        }
        Body::PinsGet(get) => Ask::Pins(text::conversation(&get.conversation)?),
        Body::EditsGet(get) => {
            Ask::Edits(text::conversation(&get.conversation)?, Sequence(get.seq))
        }
        _ => return Err(Error::Unsupported("this request")),
    };
    Ok(Asked::question(ask))
}

fn conversation(body: Body, asker: &Asker<'_>) -> Read {
    let user = asker.user.clone();
    Ok(match body {
        Body::Sync(sync) => Asked::question(Ask::Sync(Box::new(SyncFrom {
            user,
            after: proto::im::id::UserSeq(sync.user_seq),
            heads: text::heads(&sync.heads)?,
            limit: text::limit(sync.limit),
        }))),
        Body::Read(read) => {
            let action = ConversationAction::Read { seq: Sequence(read.seq) };
            on_conversation(&read.conversation, action)?
        }
        Body::Delivered(delivered) => {
            let action = ConversationAction::Delivered { seq: Sequence(delivered.seq) };
            on_conversation(&delivered.conversation, action)?
        }
        Body::HideMessages(hide) => {
            let seqs = text::sequences(&hide.seqs);
            on_conversation(&hide.conversation, ConversationAction::HideMessages { seqs })?
        }
        Body::MentionsGet(get) => {
            Asked::question(Ask::Mentions(user, text::conversation(&get.conversation)?))
        }
        Body::ConversationList(list) => {
            Asked::question(Ask::Conversations(user, text::place(&list.after, list.limit)?))
        }
        Body::ConversationGet(get) => {
            Asked::question(Ask::Conversation(user, text::conversation(&get.conversation)?))
        }
        Body::ConversationSet(set) => {
            let change = SettingsChange {
                pinned: set.pinned,
                muted_until: set.muted_until.map(LogTime),
                marks: set.marks,
                draft: set.draft,
                folders: set.folders.map(|folders| folders.names.into_iter().collect()),
            };
            on_conversation(&set.conversation, ConversationAction::Update(Box::new(change)))?
        }
        Body::ConversationHide(hide) => {
            let action = if hide.clear && hide.keep_listed {
                ConversationAction::Clear
            } else {
                ConversationAction::Hide { clear: hide.clear }
            };
            on_conversation(&hide.conversation, action)?
        }
        Body::UnreadGet(_) => Asked::question(Ask::Unread(user)),
        Body::Search(search) => Asked::question(Ask::Search(Box::new(text::search(user, search)?))),
        _ => return Err(Error::Unsupported("this request")),
    })
}

fn on_conversation(conversation: &str, action: ConversationAction) -> Read {
    let conversation = text::conversation(conversation)?;
    Ok(Asked::change(Action::Conversation { conversation, action }))
}
