//! The parts that put a load on nodes that keep running.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::{Args, node::Nodes};
use crate::{
    chat::{crowd::Crowd, figures::Figures, live, people, writes},
    report::{self, float},
};

/// The load runs this long before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// Rows that were written reach the disk, which happens every 5 s, and memory that was used for it is free again.
const SETTLE: Duration = Duration::from_secs(12);
/// A writer alone shows a round trip; more of them share the log.
const IN_FLIGHT: usize = 1;
/// What `half` halves.
const RATED_WRITERS: usize = 1024;

fn plan(args: &Args, nodes: &Nodes, writers: usize, rate: Option<f64>) -> writes::Plan {
    writes::Plan {
        urls: nodes.urls(),
        key: nodes.key.clone(),
        writers,
        in_flight: IN_FLIGHT,
        rate,
        bytes: args.bytes,
        warm_up: WARM_UP,
        time: Duration::from_secs(args.seconds),
        shows_progress: false,
    }
}

async fn measure(plan: &writes::Plan) -> Result<(f64, Value)> {
    let outcome = writes::run(plan).await?;
    report::row(&outcome.row(plan));
    let complaints = outcome.complaints();
    let mut json = outcome.json(plan);
    if let Some(json) = json.as_object_mut() {
        json.insert("complaints".into(), json!(complaints));
    }
    Ok((outcome.acked_per_s, json))
}

fn complain(rows: &[Value]) {
    for row in rows {
        let nodes = row.get("nodes").cloned().unwrap_or_default();
        let writers = row.get("writers").cloned().unwrap_or_default();
        let lines = row.get("complaints").and_then(Value::as_array).into_iter().flatten();
        for line in lines.filter_map(Value::as_str) {
            report::say(&format!("{nodes} nodes, {writers} writers: {}", line.trim()));
        }
    }
}

/// One node and three, few writers and many.
pub(super) async fn writes(args: &Args) -> Result<Value> {
    report::head(&writes::COLUMNS);
    let mut rows = Vec::new();
    for count in &args.nodes {
        let nodes = Nodes::start(&args.stoa, &args.data, *count).await?;
        for writers in &args.writers {
            rows.push(measure(&plan(args, &nodes, *writers, None)).await?.1);
        }
    }
    complain(&rows);
    Ok(Value::Array(rows))
}

/// At half of the rate that many writers reached, at fixed times: what people see who do not fill the cluster.
pub(super) async fn half(args: &Args, results: &Map<String, Value>) -> Result<Value> {
    let rated = |count: u16| {
        let rows = results.get("writes").and_then(Value::as_array)?;
        let of = |name: &'static str| move |row: &Value| row.get(name).and_then(Value::as_u64);
        let row = rows.iter().find(|row| {
            of("nodes")(row) == Some(count.into())
                && of("writers")(row) == Some(RATED_WRITERS as u64)
        })?;
        row.get("messagesPerS").and_then(Value::as_f64)
    };
    report::head(&writes::COLUMNS);
    let mut rows = Vec::new();
    for count in &args.nodes {
        let nodes = Nodes::start(&args.stoa, &args.data, *count).await?;
        let rate = match (args.half_rate > 0.0, rated(*count)) {
            (true, _) => args.half_rate,
            (false, Some(rated)) => rated / 2.0,
            (false, None) => measure(&plan(args, &nodes, RATED_WRITERS, None)).await?.0 / 2.0,
        };
        rows.push(measure(&plan(args, &nodes, RATED_WRITERS, Some(rate))).await?.1);
    }
    complain(&rows);
    Ok(Value::Array(rows))
}

/// What a connection costs that does nothing: the growth of the node's resident memory.
pub(super) async fn idle(args: &Args) -> Result<Value> {
    let nodes = Nodes::start(&args.stoa, &args.data, 1).await?;
    let urls = nodes.urls();
    let people = people(&urls, &nodes.key, "idle", args.connections).await?;
    sleep(SETTLE).await;
    let before = Figures::read(&urls, &nodes.key).await?.resident();
    let (crowd, opened) = Crowd::connect(&people).await;
    sleep(SETTLE).await;
    let after = Figures::read(&urls, &nodes.key).await?.resident();
    let open = crowd.count();
    let each = (after - before) / float(open.max(1) as u64);
    report::say(&opened.line());
    report::say(&format!(
        "{open} idle authenticated connections: resident memory {:.1} MB before, {:.1} MB after: {:.2} kB each",
        before / 1e6,
        after / 1e6,
        each / 1e3
    ));
    crowd.close().await;
    Ok(
        json!({ "connections": open, "before": before, "after": after, "bytesEach": each, "opening": opened }),
    )
}

/// How many deliveries a second one live room gives.
pub(super) async fn live(args: &Args) -> Result<Value> {
    let nodes = Nodes::start(&args.stoa, &args.data, 1).await?;
    report::head(&live::COLUMNS);
    let mut rows = Vec::new();
    for audience in &args.audience {
        let plan = live::Plan {
            urls: nodes.urls(),
            key: nodes.key.clone(),
            room: format!("hall-{audience}"),
            audience: *audience,
            rate: 60.0,
            time: Duration::from_secs(args.seconds),
        };
        let outcome = live::run(&plan).await?;
        report::row(&outcome.row());
        rows.push(json!(outcome));
    }
    Ok(Value::Array(rows))
}
