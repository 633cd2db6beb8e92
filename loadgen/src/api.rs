//! What a back end and an operator ask of a node by HTTP.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::token::Key;

/// Accounts in one request.
const IMPORT_MAX: usize = 500;
/// A request is given up after this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node, by HTTP.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    pub(crate) url: String,
    key: Key,
}

/// What an operator sees of the cluster.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) leader: Option<u16>,
    pub(crate) last: Option<u64>,
    pub(crate) applied: Option<u64>,
    #[serde(rename = "logBytes")]
    pub(crate) log_bytes: u64,
    #[serde(rename = "storeBytes")]
    pub(crate) store_bytes: u64,
}

impl Api {
    /// The node at a URL such as `http://127.0.0.1:7880`.
    pub(crate) fn new(url: &str, key: &Key) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, key: key.clone() })
    }

    /// Makes accounts that back ends sign tokens for. Those that exist are left as they are.
    pub(crate) async fn import(&self, users: &[String]) -> Result<()> {
        for some in users.chunks(IMPORT_MAX) {
            let accounts: Vec<Value> = some.iter().map(|user| json!({ "user": user })).collect();
            let done = self.post("/v1/accounts/import", &json!({ "accounts": accounts })).await?;
            let refused = done.get("accounts").and_then(Value::as_array).and_then(|accounts| {
                let is_refused =
                    |one: &&Value| one.get("outcome").and_then(Value::as_str) == Some("refused");
                accounts.iter().find(is_refused)
            });
            if let Some(refused) = refused {
                bail!("an account was refused: {refused}");
            }
        }
        Ok(())
    }

    /// Takes a node into the cluster.
    pub(crate) async fn add(&self, node: u16, address: &str) -> Result<()> {
        self.post("/v1/nodes", &json!({ "node": node, "address": address })).await.map(|_| ())
    }

    /// How the cluster is, as this node sees it.
    pub(crate) async fn status(&self) -> Result<Status> {
        let request = self.client.get(format!("{}/v1/nodes", self.url));
        let answer = request.bearer_auth(self.key.backend()?).send().await?;
        Ok(serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?)
    }

    /// Whether a page answers with success.
    pub(crate) async fn is_ok(&self, path: &str) -> bool {
        let request = self.client.get(format!("{}{path}", self.url)).timeout(PATIENCE / 10);
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// The node's figures that have no labels.
    pub(crate) async fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let answer = self.client.get(format!("{}/metrics", self.url)).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let figure = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            (!name.contains('{')).then_some(())?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter(|line| !line.starts_with('#')).filter_map(figure).collect())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(self.key.backend()?);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("POST {path}: {status} {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("POST {path} answered {text}"))
    }
}
