//! Chat's way to the log and back: proposes what the doors ask, reads for them, and tells them what was applied.
//!
//! Decides nothing. Three tasks that wait for different things, so that none holds up another: requests, news of the log, and
//! housekeeping on the leader.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cluster::{
    Handle, Role,
    link::{Peers, channel::Channel},
};
use gateway::im::port::{Back, Notice, Refused, Relay, Request};
use proto::{
    id::NodeId,
    im::{Action, Actor, Answer, Ask, Command, Query, Reply, limit::EXPIRE_ROWS_MAX},
    time::LogTime,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    clock::log_time,
    journal::{self, ChatNews},
    machine,
};

/// The nodes' channel for soft state of chat.
const SOFT: Channel = Channel(1);
/// It is looked this often whether those who vote are others.
const QUORUM_EVERY: Duration = Duration::from_secs(1);
/// Questions that are being answered at once; more are refused, because each may hold a thread.
const READS_MAX: usize = 1_024;
/// Housekeeping looks this often whether something is due.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// Who waits for which command.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    next: u64,
    backs: BTreeMap<u64, Back<Reply>>,
}

impl Waiting {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, back: Back<Reply>) -> u64 {
        let mut ledger = self.ledger();
        let tag = ledger.next;
        ledger.next += 1;
        ledger.backs.insert(tag, back);
        tag
    }

    fn answer(&self, tag: u64, result: Result<Reply, Refused>) {
        let back = self.ledger().backs.remove(&tag);
        if let Some(back) = back {
            // Whoever asked may be gone.
            let _ = back.send(result);
        }
    }
}

/// Starts chat's tasks. They end when the doors close their queues and the log stops.
pub(crate) fn start(
    log: &Handle,
    requests: mpsc::Receiver<Request>,
    news: mpsc::Receiver<ChatNews>,
    notices: mpsc::Sender<Notice>,
) {
    let waiting = Waiting::default();
    tokio::spawn(ask(log.clone(), requests, waiting.clone()));
    tokio::spawn(tell(news, notices.clone(), waiting));
    tokio::spawn(pass_on(log.clone(), log.listen(SOFT), notices));
    tokio::spawn(keep_house(log.clone()));
}

async fn ask(log: Handle, mut requests: mpsc::Receiver<Request>, waiting: Waiting) {
    let reads = Arc::new(Semaphore::new(READS_MAX));
    while let Some(request) = requests.recv().await {
        match request {
            Request::Propose { command, back } => {
                let tag = waiting.enter(back);
                if let Err(refusal) = propose(&log, tag, *command) {
                    waiting.answer(tag, Err(refused(&refusal)));
                }
            }
            Request::Query { query, back } => match Arc::clone(&reads).try_acquire_owned() {
                Ok(permit) => read(log.clone(), *query, back, permit),
                Err(_) => {
                    metrics::counter!("stoa_chat_reads_refused_total").increment(1);
                    let _ = back.send(Err(refused(&cluster::Refusal::Overloaded)));
                }
            },
            Request::Relay(relay) => send(&log, relay),
        }
    }
}

fn propose(log: &Handle, tag: u64, command: Command) -> Result<(), cluster::Refusal> {
    // There is no command that cannot be written.
    let entry = machine::chat_entry(command).map_err(|_| cluster::Refusal::Stopping)?;
    log.try_propose(journal::chat_tag(tag), Bytes::from(entry))
}

fn refused(refusal: &cluster::Refusal) -> Refused {
    match refusal {
        cluster::Refusal::Unknown => Refused::Unknown,
        refusal => Refused::Refusal(journal::refusal(refusal)),
    }
}

/// Reading may wait for a disk: it happens beside the tasks that must not.
fn read(log: Handle, query: Query, back: Back<Box<Answer>>, permit: OwnedSemaphorePermit) {
    tokio::task::spawn_blocking(move || {
        let _held = permit;
        let answer = log.read(|view| im::query(view, log_time(), &query));
        let answer = match answer {
            Ok(answer) => answer.map(Box::new).map_err(Refused::from),
            Err(error) => {
                tracing::error!(%error, "chat's rows do not read");
                Err(refused(&cluster::Refusal::Stopping))
            }
        };
        // Whoever asked may be gone.
        let _ = back.send(answer);
    });
}

fn send(log: &Handle, relay: Relay) {
    let me = log.node();
    let to: Vec<NodeId> = match relay.to {
        Some(node) => vec![node],
        None => log.status().nodes.into_keys().filter(|node| *node != me).collect(),
    };
    for node in to {
        // Soft state: what a slow link loses is told again.
        if log.send(node, SOFT, relay.frame.clone()).is_err() {
            metrics::counter!("stoa_chat_relays_lost_total").increment(1);
        }
    }
}

async fn tell(mut news: mpsc::Receiver<ChatNews>, notices: mpsc::Sender<Notice>, waiting: Waiting) {
    while let Some(news) = news.recv().await {
        match news {
            ChatNews::Applied { tag, result } => {
                let reply = match result {
                    Ok(outcome) => {
                        if !outcome.events.is_empty()
                            && notices.send(Notice::Applied(outcome.events)).await.is_err()
                        {
                            return;
                        }
                        Ok(outcome.reply)
                    }
                    Err(reject) => Err(Refused::from(reject)),
                };
                if let Some(tag) = tag {
                    waiting.answer(tag, reply);
                }
            }
            ChatNews::Refused { tag, refusal } => waiting.answer(tag, Err(refused(&refusal))),
            ChatNews::Restored => {
                if notices.send(Notice::Skipped).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Soft state of other nodes, and when they come and go.
async fn pass_on(
    log: Handle,
    mut frames: mpsc::Receiver<(NodeId, Bytes)>,
    notices: mpsc::Sender<Notice>,
) {
    let mut peers = log.peers();
    let mut known = Peers::new();
    let mut has_quorum = true;
    // Who votes changes as well, though seldom.
    let mut again = tokio::time::interval(QUORUM_EVERY);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let news = tokio::select! {
            // Links first: what a node says is worth nothing before it is there.
            biased;
            changed = peers.changed() => match changed {
                Ok(()) => {
                    let mut news = link_news(&mut known, peers.borrow_and_update().clone());
                    news.extend(quorum_news(&mut has_quorum, &log, &known));
                    news
                }
                Err(_) => return,
            },
            _ = again.tick() => quorum_news(&mut has_quorum, &log, &known).into_iter().collect(),
            frame = frames.recv() => match frame {
                Some((from, frame)) => vec![Notice::Relayed { from, frame }],
                None => return,
            },
        };
        for notice in news {
            if notices.send(notice).await.is_err() {
                return;
            }
        }
    }
}

fn quorum_news(known: &mut bool, log: &Handle, peers: &Peers) -> Option<Notice> {
    let nodes = log.status().nodes;
    let voters = nodes.iter().filter(|(_, (_, role))| *role == Role::Voter).map(|(node, _)| *node);
    let has_quorum = has_quorum(voters, log.node(), peers);
    let changed = *known != has_quorum;
    *known = has_quorum;
    changed.then_some(Notice::Quorum(has_quorum))
}

/// Whether a node and those it has links to are a majority of those who vote.
fn has_quorum(voters: impl Iterator<Item = NodeId>, me: NodeId, peers: &Peers) -> bool {
    let (mut all, mut reached) = (0, 0);
    for node in voters {
        all += 1;
        reached += u32::from(node == me || peers.contains_key(&node));
    }
    reached * 2 > all || all == 0
}

/// A node whose link is another one may have started anew: it is told everything again.
fn link_news(known: &mut Peers, seen: Peers) -> Vec<Notice> {
    let gone = known.keys().filter(|node| !seen.contains_key(node));
    let mut news: Vec<Notice> = gone.map(|node| Notice::NodeDown(*node)).collect();
    let came = seen.iter().filter(|(node, link)| known.get(node) != Some(link));
    news.extend(came.map(|(node, _)| Notice::NodeUp(*node)));
    *known = seen;
    news
}

/// Has the log do what is due, while this node leads.
async fn keep_house(log: Handle) {
    let mut every = tokio::time::interval(EXPIRE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failed = log.failed();
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = failed.wait_for(|failed| *failed) => return,
        }
        let leads = log.leader() == Some(log.node());
        if !leads || !is_due(&log, log_time()) {
            continue;
        }
        let actor = Actor::Backend { user: None };
        let rows = u32::try_from(EXPIRE_ROWS_MAX).unwrap_or(u32::MAX);
        let action = Action::Expire { rows };
        // Nobody waits under this tag; if it is refused, the next round asks again.
        let _ = propose(&log, HOUSEKEEPING, Command { actor, action });
    }
}

/// Never entered in the ledger.
const HOUSEKEEPING: u64 = u64::MAX >> 1;

fn is_due(log: &Handle, now: LogTime) -> bool {
    let query = Query { viewer: None, ask: Ask::NextDue };
    let answer = log.read(|view| im::query(view, now, &query));
    matches!(answer, Ok(Ok(Answer::NextDue(Some(due)))) if due <= now)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gateway::im::port::Notice::{NodeDown, NodeUp};
    use proto::id::NodeId;

    use super::{has_quorum, link_news};

    #[test]
    fn a_quorum_is_a_majority_of_those_who_vote() {
        let ids = |ids: &[u16]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>().into_iter();
        let linked = |to: &[u16]| ids(to).map(|node| (node, 1)).collect();
        assert!(has_quorum(ids(&[0]), NodeId(0), &linked(&[])));
        assert!(has_quorum(ids(&[1, 2, 3]), NodeId(1), &linked(&[3])));
        assert!(!has_quorum(ids(&[1, 2, 3]), NodeId(1), &linked(&[])));
        assert!(!has_quorum(ids(&[1, 2]), NodeId(1), &linked(&[])));
        // Who follows only counts others.
        assert!(has_quorum(ids(&[1, 2, 3]), NodeId(4), &linked(&[1, 2])));
        assert!(!has_quorum(ids(&[1, 2, 3]), NodeId(4), &linked(&[1, 5, 6])));
        // A node that waits to join does not know who votes.
        assert!(has_quorum(ids(&[]), NodeId(4), &linked(&[])));
    }

    #[test]
    fn a_node_whose_link_is_another_one_is_told_as_one_that_came() {
        let (one, two, three) = (NodeId(1), NodeId(2), NodeId(3));
        let mut known = BTreeMap::new();
        let news = link_news(&mut known, BTreeMap::from([(one, 1), (two, 2)]));
        assert_eq!(news, [NodeUp(one), NodeUp(two)]);
        let news = link_news(&mut known, BTreeMap::from([(two, 4), (three, 3)]));
        assert_eq!(news, [NodeDown(one), NodeUp(two), NodeUp(three)]);
        assert_eq!(link_news(&mut known, BTreeMap::from([(two, 4), (three, 3)])), []);
    }
}
