//! A device that was away comes back: it syncs, and pulls what it missed of every conversation.
//!
//! The log's clock cannot be set back by any client, so the device is not away for real days: it misses as many messages as
//! somebody with this many conversations gets in thirty days. Nothing of syncing depends on the time in between as long as the change
//! log is kept.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Args, node::Nodes};
use crate::{
    chat::{open_all, people},
    clock,
    report::{self, ms},
    socket::{Person, Socket},
    wire::{Ask, Told, pb, text},
};

/// Conversations in which something came.
const CONVERSATIONS: usize = 50;
/// Messages of one writer that are not answered yet.
const IN_FLIGHT: usize = 16;
/// Messages in a page.
const PAGE: u32 = 100;
/// The time that the missed messages stand for.
const DAYS: usize = 30;

/// Where a device stands.
#[derive(Clone, Default)]
struct Position {
    user_seq: u64,
    heads: String,
    /// The last message it has, by conversation.
    have: BTreeMap<String, u64>,
}

/// What catching up took.
struct Caught {
    requests: usize,
    messages: usize,
    changes: usize,
    took: Duration,
}

/// Measures a device that comes back, and one that is new.
pub(super) async fn catch_up(args: &Args) -> Result<Value> {
    let nodes = Nodes::start(&args.stoa, &args.data, 1).await?;
    let urls = nodes.urls();
    let mut owner = people(&urls, &nodes.key, "traveller", 1).await?;
    let owner = owner.pop().context("nobody travels")?;
    let writers = people(&urls, &nodes.key, "correspondent", CONVERSATIONS).await?;
    let mut sockets = open_all(&writers).await?;
    // One message each before, so that the conversations exist when the device leaves.
    write(&mut sockets, &owner.user, 0, CONVERSATIONS).await?;
    let mut position = Position::default();
    let mut device = Socket::open(&owner).await?;
    come_back(&mut device, &mut position).await?;
    drop(device);
    write(&mut sockets, &owner.user, 1, args.missed).await?;
    drop(sockets);
    let back = measure(&owner, &mut position.clone(), args.missed).await?;
    let new = Person { device: "new".into(), ..owner };
    let fresh = measure(&new, &mut Position::default(), args.missed + CONVERSATIONS).await?;
    for (who, caught) in [("the device that was away", &back), ("a new device", &fresh)] {
        report::say(&format!(
            "{who}: {} messages of {CONVERSATIONS} conversations ({DAYS} days of {} a day) and {} changes in {} ms, {} requests",
            caught.messages,
            args.missed / DAYS,
            caught.changes,
            ms(caught.took.as_secs_f64() * 1e3),
            caught.requests
        ));
    }
    let told = |caught: &Caught| {
        json!({ "messages": caught.messages, "changes": caught.changes, "requests": caught.requests,
            "ms": caught.took.as_secs_f64() * 1e3 })
    };
    Ok(json!({ "conversations": CONVERSATIONS, "back": told(&back), "new": told(&fresh) }))
}

/// From opening the socket to having everything.
async fn measure(person: &Person, position: &mut Position, missed: usize) -> Result<Caught> {
    let began = clock::now();
    let mut socket = Socket::open(person).await?;
    let mut caught = come_back(&mut socket, position).await?;
    caught.took = clock::now() - began;
    if caught.messages != missed {
        bail!("{} messages were missed, {} came", missed, caught.messages);
    }
    Ok(caught)
}

async fn come_back(socket: &mut Socket, position: &mut Position) -> Result<Caught> {
    let mut caught = Caught { requests: 0, messages: 0, changes: 0, took: Duration::ZERO };
    let mut moved = BTreeMap::new();
    loop {
        let sync =
            pb::Sync { user_seq: position.user_seq, heads: position.heads.clone(), limit: PAGE };
        caught.requests += 1;
        let synced = match socket.ask(Ask::Sync(sync)).await? {
            Told::Synced(synced) => synced,
            other => bail!("sync was answered {other:?}"),
        };
        caught.changes += synced.changes.len();
        position.user_seq = synced.user_seq;
        position.heads = synced.heads;
        for conversation in synced.conversations {
            moved.insert(conversation.id, conversation.head);
        }
        if !synced.more {
            break;
        }
    }
    pull_all(socket, position, moved, &mut caught).await?;
    Ok(caught)
}

/// Pulls all conversations at once, a page of each at a time.
async fn pull_all(
    socket: &mut Socket,
    position: &mut Position,
    moved: BTreeMap<String, u64>,
    caught: &mut Caught,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next: Vec<(String, u64)> = Vec::new();
    for (id, head) in moved {
        let have = position.have.get(&id).copied().unwrap_or(0);
        if head > have {
            next.push((id, have + 1));
        }
    }
    let mut told = Vec::new();
    while !next.is_empty() || !waiting.is_empty() {
        while waiting.len() < IN_FLIGHT
            && let Some((conversation, from)) = next.pop()
        {
            let pull =
                pb::Pull { conversation: conversation.clone(), from, down: false, limit: PAGE };
            caught.requests += 1;
            waiting.insert(socket.send(Ask::Pull(pull)).await?, conversation);
        }
        socket.next(|rid, one| told.push((rid, one))).await?;
        for (rid, one) in told.drain(..) {
            let Some(conversation) = waiting.remove(&rid) else { continue };
            let Told::Messages(page) = one else { bail!("pull was answered {one:?}") };
            caught.messages += page.messages.len();
            if let Some(last) = page.messages.last() {
                position.have.insert(conversation.clone(), last.seq);
            }
            next.extend(page.next.map(|from| (conversation, from)));
        }
    }
    Ok(())
}

/// Has everybody write to one person, so many messages in all, as fast as they are stored.
async fn write(sockets: &mut [Socket], to: &str, round: u64, count: usize) -> Result<()> {
    let writers = sockets.len().max(1);
    let each = count.div_ceil(writers);
    let shares = sockets.iter_mut().enumerate().map(|(number, socket)| {
        let mine = each.min(count.saturating_sub(number * each));
        write_some(socket, to, (round, number as u64), mine)
    });
    futures_util::future::try_join_all(shares).await.map(|_| ())
}

async fn write_some(
    socket: &mut Socket,
    to: &str,
    (round, number): (u64, u64),
    count: usize,
) -> Result<()> {
    let (mut sent, mut done, mut waiting) = (0, 0, 0);
    while done < count {
        while sent < count && waiting < IN_FLIGHT {
            let mut cmid = [0; 16];
            let (front, back) = cmid.split_at_mut(8);
            front.copy_from_slice(&(round << 32 | number).to_be_bytes());
            back.copy_from_slice(&(sent as u64).to_be_bytes());
            let send = pb::Send {
                to: Some(pb::send::To::User(to.into())),
                cmid: cmid.to_vec().into(),
                content: Some(text(format!("message {sent} of those that come while one is away"))),
                options: None,
            };
            socket.send(Ask::Send(send)).await?;
            sent += 1;
            waiting += 1;
        }
        let mut refused = None;
        socket
            .next(|_, told| match told {
                Told::Sent(_) => {
                    done += 1;
                    waiting -= 1;
                }
                Told::Error(error) => refused = Some(error),
                _ => {}
            })
            .await?;
        if let Some(error) = refused {
            bail!("a message was refused: {error:?}");
        }
        socket.acknowledge().await?;
    }
    Ok(())
}
