//! Gathers commands into batches and sees them to the leader, in order.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Event, Refusal, clock,
    link::{
        Lane, LinkError,
        wire::{FrameReceiver, FrameSender, Service},
    },
    links::Links,
    pending::{Leadership, Pending, Proposal},
    raft::Commands,
};

/// Commands in a batch, and their bytes.
const BATCH_COMMANDS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 256 << 10;
/// Batches with the leader. More would make batches smaller, not commits quicker.
const BATCHES_SENT_MAX: usize = 16;
/// How often waiting proposals are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Pause after a route failed or refused.
const ROUTE_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A leader that takes no bytes for this long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A command on its way into a batch.
pub(crate) struct Proposed {
    pub(crate) tag: u64,
    pub(crate) command: Bytes,
    pub(crate) weight: usize,
    pub(crate) until: Instant,
}

/// What the reading end of a route tells.
enum Notice {
    Refused { number: u64, route: u64 },
    Ended { route: u64 },
}

struct Route {
    number: u64,
    leadership: Leadership,
    /// `None` when the leader has refused something: the rest of its answers are awaited.
    sender: Option<FrameSender>,
    reader: JoinHandle<()>,
}

impl Drop for Route {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

pub(crate) struct Proposer<O> {
    pub(crate) queue: mpsc::Receiver<Proposed>,
    pub(crate) pending: Arc<Pending>,
    pub(crate) links: Arc<Links>,
    pub(crate) leader: watch::Receiver<Option<Leadership>>,
    pub(crate) events: mpsc::Sender<Vec<Event<O>>>,
}

struct State {
    next_batch: u64,
    routes: u64,
    route: Option<Route>,
    route_after: Instant,
    notices: mpsc::Sender<Notice>,
}

impl<O: Send + 'static> Proposer<O> {
    /// Runs until nobody can propose any more.
    pub(crate) async fn run(mut self) {
        let (notices, mut noticed) = mpsc::channel(64);
        let mut state =
            State { next_batch: 0, routes: 0, route: None, route_after: clock::instant(), notices };
        loop {
            self.expire().await;
            self.route(&mut state).await;
            self.send(&mut state).await;
            let has_room = !self.pending.is_full(BATCHES_SENT_MAX)
                || state.route.as_ref().is_none_or(|route| route.sender.is_none());
            tokio::select! {
                biased;
                Some(notice) = noticed.recv() => self.notice(&mut state, &notice),
                first = self.queue.recv(), if has_room => match first {
                    Some(first) => self.gather(&mut state, first),
                    None => return,
                },
                () = self.pending.changed.notified() => {}
                Ok(()) = self.leader.changed() => {}
                () = sleep_until(clock::instant() + TICK) => {}
            }
        }
    }

    /// Makes a batch of what is waiting.
    fn gather(&mut self, state: &mut State, first: Proposed) {
        let mut waiting = Some(first);
        while let Some(first) = waiting.take() {
            let until = first.until;
            let (mut tags, mut commands) = (vec![first.tag], vec![first.command]);
            let mut bytes = commands.iter().map(Bytes::len).sum::<usize>();
            let mut weight = first.weight;
            while tags.len() < BATCH_COMMANDS_MAX
                && let Ok(more) = self.queue.try_recv()
            {
                if bytes.saturating_add(more.command.len()) > BATCH_BYTES_MAX {
                    waiting = Some(more);
                    break;
                }
                bytes = bytes.saturating_add(more.command.len());
                weight = weight.saturating_add(more.weight);
                tags.push(more.tag);
                commands.push(more.command);
            }
            let number = state.next_batch;
            state.next_batch = number.saturating_add(1);
            let batch = Commands::encode(self.pending.origin(number), commands.iter());
            self.pending.insert(number, Proposal { tags, batch, weight, until, sent: None });
        }
    }

    /// Opens the way to the leader when there is one and it is not open.
    async fn route(&mut self, state: &mut State) {
        let leadership = *self.leader.borrow_and_update();
        let Some(leadership) = leadership else { return };
        if state.route.as_ref().is_some_and(|route| route.leadership == leadership)
            || clock::instant() < state.route_after
        {
            return;
        }
        state.route = None;
        state.routes = state.routes.saturating_add(1);
        let number = state.routes;
        match timeout(SEND_TIMEOUT, open(&self.links, leadership)).await {
            Ok(Ok((sender, receiver))) => {
                let pending = Arc::clone(&self.pending);
                let notices = state.notices.clone();
                let reader =
                    tokio::spawn(read_refusals(receiver, pending, leadership, number, notices));
                state.route = Some(Route { number, leadership, sender: Some(sender), reader });
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the leader cannot be reached");
                state.route_after = clock::instant() + ROUTE_AGAIN_AFTER;
            }
            Err(_) => state.route_after = clock::instant() + ROUTE_AGAIN_AFTER,
        }
    }

    async fn send(&self, state: &mut State) {
        let Some(route) = &mut state.route else { return };
        while let Some(sender) = &mut route.sender
            && let Some((_, batch)) = self.pending.next_for(route.leadership, BATCHES_SENT_MAX)
        {
            if !matches!(timeout(SEND_TIMEOUT, sender.send(&[&batch])).await, Ok(Ok(()))) {
                // What was sent has its outcome by the log, or none.
                state.route = None;
                state.route_after = clock::instant() + ROUTE_AGAIN_AFTER;
                return;
            }
        }
    }

    fn notice(&self, state: &mut State, notice: &Notice) {
        let current = state.route.as_ref().map(|route| route.number);
        match notice {
            Notice::Refused { number, route } => {
                tracing::debug!(number, "the leader refused a batch");
                if current == Some(*route)
                    && let Some(route) = &mut state.route
                    && let Some(sender) = route.sender.take()
                {
                    tokio::spawn(sender.finish());
                }
            }
            Notice::Ended { route } if current == Some(*route) => {
                state.route = None;
                state.route_after = clock::instant() + ROUTE_AGAIN_AFTER;
            }
            Notice::Ended { .. } => {}
        }
    }

    async fn expire(&self) {
        let expired = self.pending.expire(clock::instant());
        let refused: Vec<_> = expired
            .into_iter()
            .flat_map(|(tags, is_in_no_log)| {
                let refusal = if is_in_no_log { Refusal::NoLeader } else { Refusal::Unknown };
                tags.into_iter().map(move |tag| Event::Refused { tag, refusal })
            })
            .collect();
        if !refused.is_empty() {
            // Nobody listens any more: the node is stopping.
            let _gone = self.events.send(refused).await;
        }
    }
}

async fn open(
    links: &Links,
    leadership: Leadership,
) -> Result<(FrameSender, FrameReceiver), LinkError> {
    let (mut sender, receiver) = links.begin(leadership.node, Lane::Main, Service::Propose).await?;
    sender.send_value(&leadership).await?;
    Ok((sender, receiver))
}

async fn read_refusals(
    mut receiver: FrameReceiver,
    pending: Arc<Pending>,
    leadership: Leadership,
    route: u64,
    notices: mpsc::Sender<Notice>,
) {
    while let Ok(Some(number)) = receiver.receive_value::<u64>().await {
        pending.refused(number, leadership);
        if notices.send(Notice::Refused { number, route }).await.is_err() {
            return;
        }
    }
    let _gone = notices.send(Notice::Ended { route }).await;
}
