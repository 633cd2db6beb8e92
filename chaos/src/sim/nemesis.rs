//! What goes wrong, one thing after the other.

use std::time::Duration;

use cluster::{ChangeError, Role, Start};
use proto::id::NodeId;
use tokio::time::{sleep, timeout};

use super::{Flaw, Shared, begin, folder, member, node::Node, run_node};
use crate::{dice::Dice, fault::Fault};

/// Between two things that go wrong.
const REST_MS: u64 = 1_200;
/// A change of the membership that takes longer is left to itself.
const CHANGE_WITHIN: Duration = Duration::from_secs(10);
const MEMBERS_MAX: usize = 5;
const MEMBERS_MIN: usize = 3;

pub(super) struct Nemesis {
    world: Shared,
    dice: Dice,
}

impl Nemesis {
    pub(super) const fn new(world: Shared, dice: Dice) -> Self {
        Self { world, dice }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(&mut self) -> Result<(), Fault> {
        loop {
            sleep(Duration::from_millis(100 + self.dice.below(REST_MS))).await;
            self.step().await?;
            let nodes: Vec<Node> = self.world.borrow().up.values().cloned().collect();
            nodes.iter().try_for_each(Node::check)?;
        }
    }

    async fn step(&mut self) -> Result<(), Fault> {
        match self.dice.weighed(&[10, 10, 18, 10, 10, 22, 6, 6, 4, 4, 4]) {
            0 => self.part(),
            1 => self.cut_one_way(),
            2 => self.heal_links(),
            3 => return self.kill().await,
            4 => return self.cut_power().await,
            5 => return self.start_again().await,
            6 => self.change_weather(),
            7 => self.compact().await,
            8 => self.drain().await,
            9 => return self.add().await,
            _ => self.remove().await,
        }
        Ok(())
    }

    fn saw(&self, what: &'static str) {
        *self.world.borrow_mut().seen.entry(what).or_default() += 1;
    }

    /// Everybody who belongs, running or not.
    fn members(&self) -> Vec<u16> {
        let world = self.world.borrow();
        world.up.keys().chain(&world.down).copied().collect()
    }

    fn any_up(&mut self) -> Option<(u16, Node)> {
        let up: Vec<(u16, Node)> =
            self.world.borrow().up.iter().map(|(id, node)| (*id, node.clone())).collect();
        self.dice.pick(&up).cloned()
    }

    /// The leader, mostly: it is what hurts.
    fn victim(&mut self) -> Option<(u16, Node)> {
        let (id, node) = self.any_up()?;
        let leader = node.handle.leader().filter(|_| self.dice.chance(60)).map(|leader| leader.0);
        let world = self.world.borrow();
        let leader = leader.and_then(|id| Some((id, world.up.get(&id)?.clone())));
        Some(leader.unwrap_or((id, node)))
    }

    /// Some nodes and the others do not reach each other.
    fn part(&mut self) {
        let members = self.members();
        let side: Vec<u16> = members.iter().copied().filter(|_| self.dice.chance(40)).collect();
        self.saw("parted");
        self.world.borrow().net.change(|weather| {
            for one in &members {
                for other in
                    members.iter().filter(|other| side.contains(one) != side.contains(other))
                {
                    weather.cut.insert((NodeId(*one), NodeId(*other)));
                }
            }
        });
    }

    /// A node is not heard by some others, or does not hear them.
    fn cut_one_way(&mut self) {
        let Some((victim, _)) = self.victim() else { return };
        let is_deaf = self.dice.chance(50);
        let others: Vec<u16> =
            self.members().into_iter().filter(|other| *other != victim).collect();
        let others: Vec<u16> = others.into_iter().filter(|_| self.dice.chance(70)).collect();
        self.saw("cut one way");
        self.world.borrow().net.change(|weather| {
            let ways = others.iter().map(|other| (NodeId(victim), NodeId(*other)));
            weather
                .cut
                .extend(ways.map(|(from, to)| if is_deaf { (to, from) } else { (from, to) }));
        });
    }

    fn heal_links(&self) {
        self.world.borrow().net.change(|weather| weather.cut.clear());
    }

    fn change_weather(&mut self) {
        let kinds = [(2, 0), (2, 0), (20, 5), (80, 50), (2, 200)];
        let (delay_ms, lost) = self.dice.pick(&kinds).copied().unwrap_or_default();
        self.saw("weather");
        self.world.borrow().net.change(|weather| {
            weather.delay_ms = delay_ms;
            weather.lost_permille = lost;
        });
    }

    fn take_down(&self, id: u16) {
        let mut world = self.world.borrow_mut();
        world.up.remove(&id);
        world.down.push(id);
    }

    async fn kill(&mut self) -> Result<(), Fault> {
        let Some((id, node)) = self.victim() else { return Ok(()) };
        self.saw("killed");
        self.take_down(id);
        node.kill().await;
        Ok(())
    }

    async fn cut_power(&mut self) -> Result<(), Fault> {
        let Some((id, node)) = self.victim() else { return Ok(()) };
        self.saw("power cut");
        self.take_down(id);
        let lies = self.world.borrow().flaw == Flaw::LyingDisks;
        node.cut_power(&folder(&self.world, id), &mut self.dice, lies).await
    }

    async fn start_again(&mut self) -> Result<(), Fault> {
        let down = self.world.borrow().down.clone();
        let Some(id) = self.dice.pick(&down).copied() else { return Ok(()) };
        self.saw("started again");
        run_node(&self.world, id, Start::Join).await?;
        self.world.borrow_mut().down.retain(|one| *one != id);
        Ok(())
    }

    async fn compact(&mut self) {
        let Some((_, node)) = self.any_up() else { return };
        self.saw("compacted");
        let forgotten = async {
            node.handle.compact().await;
            node.handle.forget_log().await;
        };
        let _late = timeout(CHANGE_WITHIN, forgotten).await;
    }

    async fn drain(&mut self) {
        let Some((_, node)) = self.victim() else { return };
        self.saw("drained");
        let _late = timeout(CHANGE_WITHIN, node.handle.drain()).await;
    }

    async fn add(&mut self) -> Result<(), Fault> {
        if self.members().len() >= MEMBERS_MAX {
            return Ok(());
        }
        let Some((_, asked)) = self.any_up() else { return Ok(()) };
        let id = begin(&self.world, Start::Join).await?;
        let added = asked.handle.add(NodeId(id), member(id), Role::Voter);
        let added = timeout(CHANGE_WITHIN, added).await;
        self.saw(if matches!(added, Ok(Ok(()))) { "added" } else { "not added" });
        Ok(())
    }

    async fn remove(&mut self) {
        let members = self.members();
        if members.len() <= MEMBERS_MIN {
            return;
        }
        let (Some(id), Some((_, asked))) = (self.dice.pick(&members).copied(), self.any_up())
        else {
            return;
        };
        let removed = timeout(CHANGE_WITHIN, asked.handle.remove(NodeId(id))).await;
        if !matches!(removed, Ok(Ok(()) | Err(ChangeError::NotMember(_)))) {
            self.saw("not removed");
            return;
        }
        self.saw("removed");
        self.forget(id).await;
    }

    /// A node that does not belong any more is stopped for good.
    async fn forget(&self, id: u16) {
        self.world.borrow_mut().down.retain(|one| *one != id);
        let node = self.world.borrow_mut().up.remove(&id);
        if let Some(node) = node {
            node.kill().await;
        }
    }

    /// Makes everything good: links, nodes that are down, nodes that were half added or half removed.
    pub(super) async fn heal(&mut self) -> Result<(), Fault> {
        self.world
            .borrow()
            .net
            .change(|weather| *weather = super::net::Weather { delay_ms: 2, ..Default::default() });
        while !self.world.borrow().down.is_empty() {
            self.start_again().await?;
        }
        let belonging = loop {
            let nodes: Vec<Node> = self.world.borrow().up.values().cloned().collect();
            let mut known = None;
            for node in &nodes {
                // Only a member that a majority confirms knows who belongs.
                if node.handle.linearizable().await.is_ok() {
                    known = Some(node.handle.status().nodes);
                    break;
                }
            }
            match known {
                Some(known) => break known,
                None => sleep(Duration::from_millis(100)).await,
            }
        };
        let strangers: Vec<u16> =
            self.members().into_iter().filter(|id| !belonging.contains_key(&NodeId(*id))).collect();
        for id in strangers {
            self.forget(id).await;
        }
        Ok(())
    }
}
