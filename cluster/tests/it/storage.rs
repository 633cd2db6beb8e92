use std::{fs, io::Write};

use cluster::{Role, Start, StartError, log::LogError, restore, verify};
use proto::id::NodeId;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Site, agree, check, copy_dir, write};

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_deleted_or_damaged_are_made_again_from_snapshot_and_log() {
    let site = Site::new();
    let node = site.run(1, Start::Bootstrap).await;
    let mut all = write(node.clone(), "before".into(), 40).await;
    let snapshot = |node: &crate::harness::Node| node.handle.status().snapshot;
    let before = snapshot(&node);
    node.handle.compact().await;
    let mut metrics = node.handle.snapshots();
    metrics.wait_for(|index| *index != before).await.unwrap();
    all.extend(write(node.clone(), "behind".into(), 40).await);
    node.stop().await;
    let store = site.path(1).join("store");
    for damage in ["delete", "overwrite", "current"] {
        match damage {
            "delete" => fs::remove_dir_all(&store).unwrap(),
            "current" => fs::write(store.join("CURRENT"), "77").unwrap(),
            _ => {
                let current = fs::read_to_string(store.join("CURRENT")).unwrap();
                let file = store.join(format!("rows-{current}")).join("db");
                let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
                fs::write(&file, vec![0x5a; length]).unwrap();
            }
        }
        let node = site.run(1, Start::Bootstrap).await;
        check(&agree(&[&node]).await, &all);
        assert_eq!(node.list().len(), all.len(), "after {damage}");
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_far_behind_catches_up_by_snapshot() {
    let site = Site::new();
    let first = site.run(1, Start::Bootstrap).await;
    let all = write(first.clone(), "x".repeat(900), 300).await;
    let mut snapshots = first.handle.snapshots();
    let before = *snapshots.borrow_and_update();
    first.handle.compact().await;
    snapshots.wait_for(|index| *index != before).await.unwrap();
    first.handle.forget_log().await;
    let late = site.run(2, Start::Join).await;
    first.handle.add(NodeId(2), site.member(2), Role::Voter).await.unwrap();
    check(&agree(&[&first, &late]).await, &all);
    let mut restored = late.restored.clone();
    timeout(PATIENCE, restored.wait_for(|index| *index > 0)).await.unwrap().unwrap();
    let more = write(late.clone(), "late".into(), 10).await;
    late.kill().await;
    let late = site.run(2, Start::Join).await;
    let list = agree(&[&first, &late]).await;
    check(&list, &all);
    check(&list, &more);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_node_becomes_a_new_cluster() {
    let site = Site::new();
    let nodes = site.cluster(3).await;
    let mut all = write(nodes[1].clone(), "kept".into(), 50).await;
    let path = site.dir.path().join("backup");
    let mut file = fs::File::create(&path).unwrap();
    nodes[1].handle.linearizable().await.unwrap();
    nodes[1].handle.snapshot_to(&mut file).unwrap();
    file.flush().unwrap();
    assert!(verify(&path).unwrap().is_some());
    write(nodes[1].clone(), "not kept".into(), 5).await;
    let other = Site::new();
    let bytes = fs::read(&path).unwrap();
    let (path, member) = (other.path(9), other.member(9));
    let restored = move || {
        let cut = restore(&bytes[..bytes.len() - 5], &path, NodeId(9), member.clone());
        assert!(cut.is_err() && !path.exists());
        restore(&*bytes, &path, NodeId(9), member.clone()).unwrap();
        let twice = restore(&*bytes, &path, NodeId(9), member);
        assert!(matches!(twice, Err(StartError::NotEmpty(_))));
    };
    tokio::task::spawn_blocking(restored).await.unwrap();
    let node = other.run(9, Start::Bootstrap).await;
    assert_eq!(agree(&[&node]).await.len(), 50);
    let joined = other.run(10, Start::Join).await;
    node.handle.add(NodeId(10), other.member(10), Role::Voter).await.unwrap();
    all.extend(write(joined.clone(), "new".into(), 10).await);
    check(&agree(&[&node, &joined]).await, &all);
    assert_eq!(all.len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_damaged_in_the_middle_does_not_start() {
    let site = Site::new();
    let node = site.run(1, Start::Bootstrap).await;
    write(node.clone(), "w".into(), 20).await;
    node.stop().await;
    let kept = site.dir.path().join("kept");
    copy_dir(&site.path(1), &kept);
    let segment = site.path(1).join("log").join(format!("{:016x}.log", 0));
    let mut bytes = fs::read(&segment).unwrap();
    bytes[500] ^= 4;
    fs::write(&segment, bytes).unwrap();
    let config = site.config(1, Start::Bootstrap);
    let outcome = cluster::start(config, crate::harness::List::default()).await;
    let error = outcome.map(|_| ()).unwrap_err();
    assert!(matches!(error, StartError::Log(LogError::Damaged { .. })), "{error:?}");
}
