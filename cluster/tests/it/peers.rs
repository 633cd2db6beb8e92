use cluster::{Start, link::channel::Channel};
use proto::id::NodeId;
use tokio::time::timeout;

use crate::harness::{Node, PATIENCE, Site};

/// The nodes a node has a link to, when they are as many.
async fn linked(node: &Node, count: usize) -> Vec<u64> {
    let mut peers = node.handle.peers();
    let seen = timeout(PATIENCE, peers.wait_for(|peers| peers.len() == count)).await;
    seen.unwrap().unwrap().values().copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_linked_to_every_other_and_notices_when_one_goes_and_comes() {
    let site = Site::new();
    let mut nodes = site.cluster(3).await;
    for node in &nodes {
        linked(node, 2).await;
    }
    // Not the leader: nobody but the links would notice.
    nodes.pop().unwrap().kill().await;
    for node in &nodes {
        linked(node, 1).await;
    }
    nodes.push(site.run(3, Start::Join).await);
    for node in &nodes {
        linked(node, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_came_back_hears_what_is_sent_once_its_link_is_up() {
    let site = Site::new();
    let mut nodes = site.cluster(2).await;
    linked(&nodes[0], 1).await;
    nodes[0].handle.send(NodeId(2), Channel(9), "to nobody".into()).unwrap();
    nodes.pop().unwrap().kill().await;
    let back = site.run(2, Start::Join).await;
    let mut heard = back.handle.listen(Channel(9));
    let mut peers = nodes[0].handle.peers();
    loop {
        let up = timeout(PATIENCE, peers.wait_for(|peers| !peers.is_empty())).await;
        drop(up.unwrap().unwrap());
        // A link that is replaced while it is used may lose it: who sends is told of the next link.
        nodes[0].handle.send(NodeId(2), Channel(9), "welcome".into()).unwrap();
        tokio::select! {
            heard = heard.recv() => {
                assert_eq!(heard, Some((NodeId(1), "welcome".into())));
                return;
            }
            changed = timeout(PATIENCE, peers.changed()) => changed.unwrap().unwrap(),
        }
    }
}
