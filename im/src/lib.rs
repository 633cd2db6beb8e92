//! The replicated state of chat: accounts and their log-ins, relations, groups, conversations with their messages,
//! cursors, and a change log for every user. Commands go in with the log's time, a reply and events or a refusal
//! come out, and every replica ends with the same rows.
//!
//! It is *not* a server: it opens no sockets, reads no clock, draws no random numbers, hashes no passwords, logs
//! nothing and does not know that it is replicated. It has no std, so it could not if it wanted to. Typing, presence
//! and live rooms do not pass through here.
//!
//! # The loop
//! 1. A door turns a wish into a [`Command`], minting and hashing whatever is in it, and proposes it to the log.
//! 2. Each replica passes the committed command, with the leader's time stamp, to [`apply`], and writes the batch.
//! 3. Nodes hand the events to the sockets they hold; doors answer with the reply, and read with [`query()`].
//! 4. When [`Ask::NextDue`](proto::im::Ask::NextDue) is due, the leader proposes `Action::Expire`.
//!
//! ```
//! use proto::im::{account::Profile, command::*, *};
//! use proto::store::{Batch, Memory};
//! use proto::time::LogTime;
//!
//! let mut rows = Memory::default();
//! let mut ask = |command: Command| {
//!     let mut batch = Batch::new();
//!     let outcome = im::apply(&rows, LogTime(1_000), &command, &mut batch)?;
//!     rows.write(batch);
//!     Ok::<_, Reject>(outcome)
//! };
//! let (ada, bob): (UserId, UserId) = ("ada".parse().unwrap(), "bob".parse().unwrap());
//! for user in [&ada, &bob] {
//!     let action = AccountAction::Create {
//!         key: ClientKey([0; 16]),
//!         credential: Credential::External,
//!         profile: Box::default(),
//!         rules: account::ContactRules::default(),
//!     };
//!     let action = Action::Account { user: user.clone(), action };
//!     ask(Command { actor: Actor::Backend { user: None }, action })?;
//! }
//! let conversation = ConversationId::between(&ada, &bob).unwrap();
//! let content = Content::Text { text: "hello".into() };
//! let send = Send { conversation, key: ClientKey([1; 16]), content, options: Default::default() };
//! let actor = Actor::User { user: ada, session: None, epoch: None };
//! let outcome = ask(Command { actor, action: Action::Send(Box::new(send)) })?;
//! assert!(matches!(outcome.reply, Reply::Sent { seq: Sequence(1), duplicate: false, .. }));
//! # Ok::<(), Reject>(())
//! ```
//!
//! # What holds
//! - `apply` is total and deterministic, and bounded in time and memory: what could be long is left to `Expire`.
//!   A refusal changed nothing.
//! - Sequences are dense from 1; a client's key is known for at least a week, so that a repeated send is one message.
//! - Both sides of a relation are written by one command and agree; so are the two indexes of a membership.
//! - Nothing is written per member when a message comes: unread is derived (`head.counted` less what the reader's
//!   cursor has counted), devices find moved conversations by their heads. Sending counts as reading.
//! - A user's change log has one row for each thing that changed, and a floor under what was forgotten.
//!
//! # Rows
//! Every key begins with `space::IM`, a table and its owner: an account or a conversation. `key` lists them. A send
//! reads the account, two buckets of keys, the head and the member (in private also the other's account and
//! block), and writes message, head, member and key.
//!
//! Codemap: `account`, `session`, `profile` who one is; `relation` whom one knows; `group` and its
//! modules; `message` sending, and what was sent elsewhere; `content` what is sent; `revise` what becomes of it; `conversation` cursors and
//! settings; `keyed` client keys; `wheel` what is due and housekeeping; `query` reading; `asker` who asks; `key`, `tx`
//! rows; `invariant` what must hold.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod account;
mod asker;
mod check;
mod content;
mod conversation;
mod group;
mod invariant;
mod key;
mod keyed;
mod live;
mod message;
mod profile;
mod query;
mod relation;
mod revise;
mod session;
mod tx;
mod wheel;

use alloc::vec::Vec;

use proto::{
    im::{Action, Command, Event, Outcome, Reject, Reply, account::Settings},
    store::{Batch, View},
    time::LogTime,
};

use crate::{asker::Asker, tx::Tx};
pub use crate::{
    invariant::{Broken, Rule, check_invariants},
    query::query,
};

/// Applies a committed command. `view` shows the rows before it, with or without what `batch` holds already; its
/// own changes are added to `batch`. `at` is the log's time and must not go back.
///
/// # Errors
/// A [`Reject`] says why the command was refused; `batch` is as it was.
///
/// # Panics
/// When a row cannot be read: the replica is damaged and must not go on.
pub fn apply(
    view: &dyn View,
    at: LogTime,
    command: &Command,
    batch: &mut Batch,
) -> Result<Outcome, Reject> {
    let mut tx = Tx::new(view, batch, at);
    let reply = dispatch(&mut tx, command)?;
    let (own, events): (Batch, Vec<Event>) = tx.finish();
    batch.merge(own);
    Ok(Outcome { reply, events })
}

fn dispatch(tx: &mut Tx<'_>, command: &Command) -> Result<Reply, Reject> {
    let asker = Asker::new(tx, &command.actor)?;
    match &command.action {
        Action::Account { user, action } => account::act(tx, &asker, user, action),
        Action::ImportAccounts { accounts } => account::import(tx, &asker, accounts),
        Action::Relation { peer, action } => relation::act(tx, &asker, peer, action),
        Action::FriendGroup(action) => relation::friend_group::act(tx, &asker, action),
        Action::Group { group, action } => group::act(tx, &asker, group, action),
        Action::Send(send) => message::send(tx, &asker, send),
        Action::Message { conversation, seq, action } => {
            revise::act(tx, &asker, conversation, *seq, action)
        }
        Action::Conversation { conversation, action } => {
            conversation::act(tx, &asker, conversation, action)
        }
        Action::Configure(settings) => configure(tx, &asker, settings),
        Action::Live { room, action } => live::act(tx, &asker, room, action),
        Action::Expire { rows } => wheel::expire(tx, &asker, *rows),
        Action::ImportFriends { friends } => message::import::friends(tx, &asker, friends),
        Action::ImportGroups { groups } => message::import::groups(tx, &asker, groups),
        Action::ImportMessages { conversation, messages } => {
            message::import::messages(tx, &asker, conversation, messages)
        }
    }
}

fn configure(tx: &mut Tx<'_>, asker: &Asker, settings: &Settings) -> Result<Reply, Reject> {
    asker.backend_only()?;
    if tx::settings(tx).retention != settings.retention {
        wheel::begin_retention_change(tx);
    }
    tx.put(key::settings(), settings);
    tx.tell(Event::Configured);
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests;
