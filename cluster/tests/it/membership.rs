use bytes::Bytes;
use cluster::{ChangeError, Config, Link, Role, Start, link::channel::Channel};
use proto::id::NodeId;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Site, agree, check, run, write};

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_is_replaced_by_a_new_id_and_its_old_one_is_not_taken_back() {
    let site = Site::new();
    let mut nodes = site.cluster(3).await;
    let mut all = write(nodes[0].clone(), "before".into(), 30).await;
    nodes.pop().unwrap().kill().await;
    std::fs::remove_dir_all(site.path(3)).unwrap();
    nodes[1].handle.remove(NodeId(3)).await.unwrap();
    let again = nodes[1].handle.add(NodeId(3), site.member(3), Role::Voter).await;
    assert_eq!(again, Err(ChangeError::IdUsed(3)));
    nodes.push(site.run(4, Start::Join).await);
    nodes[1].handle.add(NodeId(4), site.member(4), Role::Voter).await.unwrap();
    all.extend(write(nodes[2].clone(), "after".into(), 30).await);
    check(&agree(&nodes.iter().collect::<Vec<_>>()).await, &all);
    assert_eq!(all.len(), 60);
    let known: Vec<_> = nodes[0].handle.status().nodes.into_keys().collect();
    assert_eq!(known, [NodeId(1), NodeId(2), NodeId(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_follows_and_becomes_a_voter() {
    let site = Site::new();
    let first = site.run(1, Start::Bootstrap).await;
    let all = write(first.clone(), "a".into(), 20).await;
    let learner = site.run(2, Start::Join).await;
    first.handle.add(NodeId(2), site.member(2), Role::Learner).await.unwrap();
    check(&agree(&[&first, &learner]).await, &all);
    let role = |node: &crate::harness::Node| node.handle.status().nodes[&NodeId(2)].1;
    assert_eq!(role(&first), Role::Learner);
    first.handle.add(NodeId(2), site.member(2), Role::Voter).await.unwrap();
    assert_eq!(role(&first), Role::Voter);
    assert_eq!(first.handle.remove(NodeId(7)).await, Err(ChangeError::NotMember(7)));
    learner.handle.remove(NodeId(2)).await.unwrap();
    assert_eq!(first.handle.remove(NodeId(1)).await, Err(ChangeError::LastVoter));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_hands_leadership_over() {
    let site = Site::new();
    let nodes = site.cluster(3).await;
    let leader = nodes[0].leader(|leader| leader.is_some()).await.unwrap();
    let node = nodes.iter().find(|node| node.handle.node() == leader).unwrap();
    node.handle.drain().await.unwrap();
    let next = node.leader(|next| next.is_some_and(|next| next != leader)).await;
    assert!(next.is_some());
    let all = write(node.clone(), "after".into(), 10).await;
    check(&agree(&nodes.iter().collect::<Vec<_>>()).await, &all);
    assert_eq!(all.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_authority_or_under_anothers_name_is_not_let_in() {
    let site = Site::new();
    let nodes = site.cluster(3).await;
    let stranger = Site::new();
    for (id, identity) in [(4, stranger.identity(4)), (6, site.identity(5))] {
        let config = site.config(id, Start::Join);
        let Link::Quic { listen, .. } = config.link else { panic!("no address") };
        let link = Link::Quic { listen, identity: Box::new(identity) };
        let joining = run(Config { link, ..config }).await;
        let added = nodes[0].handle.add(NodeId(id), site.member(id), Role::Learner);
        let added = timeout(std::time::Duration::from_secs(2), added).await;
        assert!(added.is_err(), "it cannot catch up: {added:?}");
        assert_eq!(joining.handle.status().applied, None);
        joining.kill().await;
    }
    assert_eq!(nodes[1].append("still here".into()).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_carry_messages_in_order_to_a_node_and_to_itself() {
    let site = Site::new();
    let nodes = site.cluster(2).await;
    for to in [0, 1] {
        let mut messages = nodes[to].handle.listen(Channel(7));
        for number in 0..100_u8 {
            let message = Bytes::from(vec![number]);
            nodes[0].handle.send(nodes[to].handle.node(), Channel(7), message).unwrap();
        }
        for number in 0..100_u8 {
            let (from, message) = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
            assert_eq!((from, &*message), (NodeId(1), &[number][..]));
        }
    }
}
