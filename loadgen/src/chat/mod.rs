//! `stoa-loadgen chat`: writers, idle connections and audiences of live rooms, against nodes that run somewhere.
//!
//! - [`writes`]: people who write to each other, in pairs, as fast as they are answered or at a rate
//! - [`crowd`]: connections that are only there
//! - [`live`]: an audience of a live room, and who speaks in it

pub(crate) mod crowd;
pub(crate) mod figures;
pub(crate) mod live;
pub(crate) mod talker;
pub(crate) mod writes;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    api::Api,
    report,
    socket::{Person, Socket},
    token::Key,
};

/// Sockets that are opened at once.
const OPENING_MAX: usize = 64;

/// Flags of `stoa-loadgen chat`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A node, such as http://127.0.0.1:7880; once for each.
    #[arg(long, default_value = "http://127.0.0.1:7880")]
    url: Vec<String>,
    /// An API key of the nodes.
    #[arg(long, default_value = "devkey", env = "STOA_LOADGEN_KEY")]
    key: String,
    /// Its secret.
    #[arg(long, default_value = "secret", env = "STOA_LOADGEN_SECRET", hide_env_values = true)]
    secret: String,
    /// People who write.
    #[arg(long, default_value_t = 64)]
    writers: usize,
    /// Messages of one writer that wait for their answer.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Messages a second of all writers together, whether they are answered or not; 0: as fast as they are answered.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Bytes of text in a message.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// How long is measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long the load runs before.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Connections that do nothing, beside the writers.
    #[arg(long, default_value_t = 0)]
    connections: usize,
    /// Connections in one live room, after the writers are done.
    #[arg(long, default_value_t = 0)]
    live_audience: usize,
    /// Messages a second in the live room.
    #[arg(long, default_value_t = 60.0)]
    live_rate: f64,
    /// Where the results are written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// No node answers, accounts are refused, or sockets do not open.
pub(crate) async fn command(args: Args) -> Result<()> {
    let key = Key { name: args.key, secret: args.secret };
    let mut results = serde_json::Map::new();
    let mut crowd = None;
    if args.connections > 0 {
        let (came, opened) = crowd::Crowd::open(&args.url, &key, "idle", args.connections).await?;
        report::say(&opened.line());
        results.insert("connections".into(), json!(opened));
        crowd = Some(came);
    }
    if args.writers > 0 {
        let plan = writes::Plan {
            urls: args.url.clone(),
            key: key.clone(),
            writers: args.writers,
            in_flight: args.in_flight,
            rate: (args.rate > 0.0).then_some(args.rate),
            bytes: args.bytes,
            warm_up: Duration::from_secs(args.warm_up),
            time: Duration::from_secs(args.seconds),
            shows_progress: true,
        };
        let outcome = writes::run(&plan).await?;
        report::head(&writes::COLUMNS);
        report::row(&outcome.row(&plan));
        outcome.complaints().iter().for_each(|line| report::say(line));
        results.insert("writes".into(), outcome.json(&plan));
    }
    if args.live_audience > 0 {
        let plan = live::Plan {
            urls: args.url.clone(),
            key: key.clone(),
            room: "loadgen".into(),
            audience: args.live_audience,
            rate: args.live_rate,
            time: Duration::from_secs(args.seconds),
        };
        let outcome = live::run(&plan).await?;
        report::head(&live::COLUMNS);
        report::row(&outcome.row());
        results.insert("live".into(), json!(outcome));
    }
    if let Some(crowd) = crowd {
        report::say(&format!("{} idle connections are still open", crowd.close().await));
    }
    write_json(args.json.as_deref(), &Value::Object(results))
}

/// Writes results where they were asked for.
pub(crate) fn write_json(path: Option<&std::path::Path>, results: &Value) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(results)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// People of one name with numbers, spread over the nodes. Their accounts are made where they are missing.
pub(crate) async fn people(
    urls: &[String],
    key: &Key,
    name: &str,
    count: usize,
) -> Result<Vec<Person>> {
    let Some(first) = urls.first() else { bail!("no node was named") };
    let person = |(number, url): (usize, &String)| Person {
        user: format!("{name}-{number}"),
        device: "loadgen".into(),
        url: url.trim_end_matches('/').to_owned(),
        key: key.clone(),
    };
    let people: Vec<Person> = (0..count).zip(urls.iter().cycle()).map(person).collect();
    let names: Vec<String> = people.iter().map(|person| person.user.clone()).collect();
    Api::new(first, key)?.import(&names).await?;
    Ok(people)
}

/// Opens a socket for each, in order.
pub(crate) async fn open_all(people: &[Person]) -> Result<Vec<Socket>> {
    stream::iter(people.iter().map(Socket::open)).buffered(OPENING_MAX).try_collect().await
}
