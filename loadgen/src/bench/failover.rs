//! The leader is killed while people write: how long until writes are acknowledged again, as clients of the other nodes see it.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Duration, Instant, sleep_until, timeout},
};

use super::{
    Args,
    node::{Nodes, until},
};
use crate::{
    chat::people,
    clock,
    histogram::Histogram,
    report::{self, ms},
    socket::{Person, Socket},
    wire::{Ask, Told, pb, text},
};

/// Writers on each node.
const WRITERS_EACH: usize = 4;
/// Before the kill, so that everything runs.
const BEFORE: Duration = Duration::from_millis(700);
/// Writers go on for this long after the kill; a longer gap fails the run.
const AFTER: Duration = Duration::from_secs(4);
/// A refused write is sent again after this long, whatever the refusal says: the gap is to be measured closely.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Kills leaders and tells percentiles.
pub(super) async fn failover(args: &Args) -> Result<Value> {
    let mut nodes = Nodes::start(&args.stoa, &args.data, 3).await?;
    let people = people(&nodes.urls(), &nodes.key, "prober", 3 * WRITERS_EACH).await?;
    let (mut resumed, mut all) = (Histogram::default(), Vec::new());
    for _ in 0..args.kills {
        let took = one(&mut nodes, &people).await?;
        resumed.record(took);
        all.push(took.as_secs_f64() * 1e3);
    }
    report::say(&format!(
        "leader killed (kill -9) {} times with {} writers: every surviving node acknowledges again after p50 {} ms, p99 {} ms, \
         at most {} ms",
        args.kills,
        2 * WRITERS_EACH,
        ms(resumed.ms(500)),
        ms(resumed.ms(990)),
        ms(resumed.max_ms())
    ));
    let each: Vec<String> = all.iter().map(|took| format!("{took:.0}")).collect();
    report::say(&format!("each, in ms: {}", each.join(" ")));
    Ok(
        json!({ "kills": args.kills, "p50": resumed.ms(500), "p99": resumed.ms(990), "max": resumed.max_ms(), "each": all }),
    )
}

/// From the kill to the end of the longest silence that a writer on a surviving node saw.
async fn one(nodes: &mut Nodes, people: &[Person]) -> Result<Duration> {
    let leader = nodes.leader().await?;
    let url = nodes.urls().get(leader).cloned().context("the leader is none of ours")?;
    let (end, ended) = watch::channel(false);
    let mut writers = JoinSet::new();
    for (number, person) in people.iter().enumerate().filter(|(_, person)| person.url != url) {
        let peer = people.get(number ^ 1).context("writers come in pairs")?.user.clone();
        let socket = Socket::open(person).await?;
        writers.spawn(write(socket, peer, ended.clone()));
    }
    sleep_until(clock::now() + BEFORE).await;
    let killed = clock::now();
    nodes.nodes.get_mut(leader).context("the leader is none of ours")?.kill()?;
    sleep_until(killed + AFTER).await;
    end.send_replace(true);
    let mut slowest = Duration::ZERO;
    for acks in writers.join_all().await {
        slowest = slowest.max(resumed_after(killed, &acks?)?);
    }
    let node = nodes.nodes.get_mut(leader).context("the leader is none of ours")?;
    node.spawn()?;
    node.ready().await?;
    caught_up(nodes).await?;
    Ok(slowest)
}

/// The end of the longest silence that was not over when the leader was killed.
fn resumed_after(killed: Instant, acks: &[Instant]) -> Result<Duration> {
    let silences = acks.iter().zip(acks.iter().skip(1)).filter(|(_, next)| **next > killed);
    let longest = silences.max_by_key(|(one, next)| **next - **one);
    match longest {
        Some((_, next)) => Ok(*next - killed),
        None => bail!("no write was acknowledged after the leader was killed"),
    }
}

async fn caught_up(nodes: &Nodes) -> Result<()> {
    until("all nodes to have the same log", || async {
        let mut last = Vec::new();
        for node in &nodes.nodes {
            match node.api.status().await {
                Ok(status) if status.leader.is_some() && status.applied == status.last => {
                    last.push(status.last);
                }
                _ => return false,
            }
        }
        last.windows(2).all(|pair| pair.first() == pair.last())
    })
    .await
}

/// Writes one message after the other and notes when each was acknowledged.
async fn write(
    mut socket: Socket,
    peer: String,
    ended: watch::Receiver<bool>,
) -> Result<Vec<Instant>> {
    let mut acks = Vec::new();
    let life = clock::stamp(clock::now());
    for count in 0_u64.. {
        let mut cmid = [0; 16];
        let (front, back) = cmid.split_at_mut(8);
        front.copy_from_slice(&life.to_be_bytes());
        back.copy_from_slice(&count.to_be_bytes());
        loop {
            if *ended.borrow() {
                return Ok(acks);
            }
            let send = pb::Send {
                to: Some(pb::send::To::User(peer.clone())),
                cmid: cmid.to_vec().into(),
                content: Some(text("probe".into())),
                options: None,
            };
            match timeout(AFTER, socket.ask(Ask::Send(send))).await {
                Ok(told) => match told? {
                    Told::Sent(_) => break,
                    _ => sleep_until(clock::now() + AGAIN_AFTER).await,
                },
                Err(_) => bail!("a write was not answered for {AFTER:?}"),
            }
        }
        acks.push(clock::now());
        socket.acknowledge().await?;
    }
    Ok(acks)
}
