use std::time::Duration;

use cluster::{Config, Refusal, Start};
use proto::id::NodeId;

use crate::harness::{Site, agree, check, run, write};

#[tokio::test(flavor = "multi_thread")]
async fn every_node_takes_commands_and_all_have_them_once_in_one_order() {
    let site = Site::new();
    let nodes = site.cluster(3).await;
    let writers: Vec<_> = nodes
        .iter()
        .flat_map(|node| (0..8).map(move |writer| (node.clone(), writer)))
        .map(|(node, writer)| {
            let name = format!("n{}w{writer}", node.handle.node().0);
            tokio::spawn(write(node, name, 25))
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.unwrap());
    }
    assert_eq!(all.len(), 3 * 8 * 25);
    check(&agree(&nodes.iter().collect::<Vec<_>>()).await, &all);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linearizable_read_on_any_node_sees_what_another_was_told() {
    let site = Site::new();
    let nodes = site.cluster(3).await;
    for round in 0..30 {
        let (writer, reader) = (&nodes[round % 3], &nodes[(round + 1) % 3]);
        let command = format!("round-{round}");
        writer.append(command.clone()).await.unwrap();
        reader.handle.linearizable().await.unwrap();
        assert_eq!(reader.list().last(), Some(&command));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_loses_nothing_that_was_acknowledged_and_comes_back() {
    let site = Site::new();
    let mut nodes = site.cluster(3).await;
    let leader = nodes[0].leader(|leader| leader.is_some()).await.unwrap();
    let at = nodes.iter().position(|node| node.handle.node() == leader).unwrap();
    let killed = nodes.remove(at);
    let writers: Vec<_> = nodes
        .iter()
        .flat_map(|node| (0..4).map(move |writer| (node.clone(), writer)))
        .map(|(node, writer)| {
            let name = format!("n{}w{writer}", node.handle.node().0);
            tokio::spawn(write(node, name, 60))
        })
        .collect();
    let doomed = tokio::spawn(write(killed.clone(), "doomed".into(), 40));
    // In the middle of it all.
    nodes[0].append("middle".into()).await.unwrap();
    killed.kill().await;
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.unwrap());
    }
    assert_eq!(all.len(), 2 * 4 * 60, "the others' commands have certain outcomes");
    all.extend(doomed.await.unwrap());
    let survivors: Vec<_> = nodes.iter().collect();
    check(&agree(&survivors).await, &all);
    let back = site.run(leader.0, Start::Join).await;
    all.extend(write(back.clone(), "back".into(), 10).await);
    check(&agree(&[&nodes[0], &nodes[1], &back]).await, &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_killed_and_started_again_go_on() {
    let site = Site::new();
    let mut all = Vec::new();
    let nodes = site.cluster(3).await;
    for node in &nodes {
        all.extend(write(node.clone(), format!("n{}", node.handle.node().0), 30).await);
    }
    for node in nodes {
        node.kill().await;
    }
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(site.run(id, Start::Join).await);
    }
    all.extend(write(nodes[2].clone(), "again".into(), 30).await);
    assert_eq!(all.len(), 120);
    check(&agree(&nodes.iter().collect::<Vec<_>>()).await, &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_commands_end_and_none_is_acknowledged() {
    let site = Site::new();
    let mut nodes = site.cluster(3).await;
    let last = nodes.pop().unwrap();
    nodes.pop().unwrap().kill().await;
    nodes.pop().unwrap().kill().await;
    let refused = last.append("lost".into()).await;
    assert!(matches!(refused, Err(Refusal::NoLeader | Refusal::Unknown)), "{refused:?}");
    assert_eq!(last.handle.linearizable().await, Err(Refusal::NoLeader));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_to_join_refuses_for_certain() {
    let site = Site::new();
    let config =
        Config { propose_timeout: Duration::from_millis(200), ..site.config(9, Start::Join) };
    let node = run(config).await;
    assert_eq!(node.append("early".into()).await, Err(Refusal::NoLeader));
    assert_eq!(node.handle.leader(), None);
    assert_eq!(node.handle.node(), NodeId(9));
}
