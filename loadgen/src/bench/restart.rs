//! A node with much in its log is killed and started again; then its rows are deleted, so that they are made again from snapshot and log.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Args, node::Nodes};
use crate::{
    chat::{figures::Figures, writes},
    clock,
    report::{self, float, ms},
};

/// Writers that fill the log, and what each has on its way.
const WRITERS: usize = 64;
const IN_FLIGHT: usize = 16;

/// Fills a log and measures both starts.
pub(super) async fn restart(args: &Args) -> Result<Value> {
    let mut nodes = Nodes::start(&args.stoa, &args.data, 1).await?;
    let plan = writes::Plan {
        urls: nodes.urls(),
        key: nodes.key.clone(),
        writers: WRITERS,
        in_flight: IN_FLIGHT,
        rate: None,
        bytes: args.bytes,
        warm_up: Duration::ZERO,
        time: Duration::from_secs(args.fill_seconds),
        shows_progress: false,
    };
    report::head(&writes::COLUMNS);
    let outcome = writes::run(&plan).await?;
    report::row(&outcome.row(&plan));
    let messages = Figures::read(&nodes.urls(), &nodes.key).await?.get("stoa_im_messages_total");
    let node = nodes.nodes.first_mut().context("no node")?;
    let status = node.api.status().await?;
    node.kill()?;
    let started = start(node).await?;
    node.kill()?;
    fs::remove_dir_all(node.data().join("cluster/store"))?;
    let rebuilt = start(node).await?;
    let log_mb = float(status.log_bytes) / 1e6;
    report::say(&format!(
        "{messages:.0} messages, log of {log_mb:.0} MB, rows of {:.0} MB: ready {} ms after kill -9, and {} ms with the rows deleted",
        float(status.store_bytes) / 1e6,
        ms(started.as_secs_f64() * 1e3),
        ms(rebuilt.as_secs_f64() * 1e3)
    ));
    Ok(json!({
        "messages": messages, "logBytes": status.log_bytes, "storeBytes": status.store_bytes,
        "startMs": started.as_secs_f64() * 1e3, "rebuildMs": rebuilt.as_secs_f64() * 1e3,
        "fillPerS": outcome.acked_per_s,
    }))
}

async fn start(node: &mut super::node::Node) -> Result<Duration> {
    let began = clock::now();
    node.spawn()?;
    node.ready().await?;
    Ok(clock::now() - began)
}
