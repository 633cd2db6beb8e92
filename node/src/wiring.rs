//! Starting a node, and stopping it without dropping calls.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::Context;
use cluster::link::channel::Channel;
use gateway::{
    Clock, Gateway,
    auth::Keys,
    im::{self, Chat, Mint, Secret, mailbox::Close},
    webhook::Webhooks,
};
use proto::{id::ShardId, media::Codec, unit::Bitrate};
use sfu_shard::api::{Command, ShardConfig};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{
    admin, chat,
    config::Config,
    control::{Across, Census, Control, Parts},
    journal::{self, ChatNews},
    replica::Replicated,
    telemetry::Figures,
};

/// Requests of the doors that may wait for the control loop.
const REQUESTS_MAX: usize = 16_384;
/// Notices of the log that may wait for the doors; chat's news wait beyond.
const NOTICES_MAX: usize = 4_096;
/// Data messages that may wait on their way to other nodes.
const FRAMES_MAX: usize = 4_096;
/// The nodes' channel for data messages of calls.
const DATA: Channel = Channel(2);
/// Where bandwidth estimation starts: enough for a 360p picture at once, little enough for a phone.
const BWE_START: Bitrate = Bitrate::from_kbps(1_000);
/// Webhooks still under way when the node stops get this long.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(5);
/// Sockets that are still open after everybody was told to leave get this long.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Runs a node until it is told to stop.
///
/// # Errors
/// A port is taken, or the system refuses threads or sockets.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("creating the data directory {}", config.data.display()))?;
    let addresses = node_addresses(&config);
    let journal = journal::start(journal::config(&config)?).await.context("starting the log")?;
    let shards = start_shards(&config, &addresses)?;
    let (handles, threads) = (shards.handles.clone(), shards.threads);
    let (census_out, census) = watch::channel(Census::default());
    let figures = Figures::start(shards.handles.clone(), census.clone(), journal.log.clone())?;
    let clock = Clock::system();
    let doors = door_config(&config);
    let webhooks = Webhooks::new(
        doors.webhook.clone().unwrap_or_default(),
        doors.keys.clone(),
        clock.clone(),
    )?;
    let (stop_sessions, sessions_stopped) = watch::channel(false);
    let (requests_out, requests) = mpsc::channel(REQUESTS_MAX);
    let control = tokio::spawn(Control::run(Parts {
        replica: Replicated::follow(journal.log.clone(), journal.rooms)?,
        shards: shards.handles,
        shard_events: shards.events,
        requests,
        webhooks: webhooks.clone(),
        room_settings: config.room_settings(),
        auto_create: config.room.auto_create,
        census: census_out,
        across: across(&journal.log),
        stop: sessions_stopped,
    }));
    let gateway = Gateway::new(doors, requests_out, clock);
    let chat = start_chat(&config, &gateway, (&journal.log, journal.chat), &webhooks);
    let admin = admin::router(
        journal.log.clone(),
        config.data.clone(),
        config.keys.clone().into_iter().collect(),
    );
    let listener = TcpListener::bind(config.http())
        .await
        .with_context(|| format!("listening on {}", config.http()))?;
    announce(&config, &addresses, &figures);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn({
        let (gateway, chat_routes) = (gateway.clone(), chat.router());
        let metrics = axum::Router::new()
            .route("/metrics", axum::routing::get(move || async move { figures.render() }));
        let extra = metrics.merge(chat_routes).merge(admin);
        async move { gateway.serve(listener, extra, wait_for(stopped)).await }
    });
    until_stopped(&config, &gateway, census.clone(), &journal.log).await?;
    hand_over(&journal.log).await;
    chat.close_all(Close::Draining);
    stop_sessions.send_replace(true);
    let _ =
        tokio::time::timeout(CLOSE_WITHIN, census.clone().wait_for(|c| c.participants == 0)).await;
    stop.send_replace(true);
    drop(gateway);
    if tokio::time::timeout(CLOSE_WITHIN, serving).await.is_err() {
        tracing::warn!("some sockets did not close in time");
    }
    webhooks.drain(WEBHOOKS_WITHIN).await;
    control.abort();
    if let Err(error) = journal.log.shutdown().await {
        tracing::error!(%error, "the log did not close cleanly; the next start repairs it");
    }
    stop_shards(&handles);
    tokio::task::spawn_blocking(move || threads.join()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The control loop's way to those of the other nodes.
fn across(log: &cluster::Handle) -> Across {
    let (out, mut frames) = mpsc::channel(FRAMES_MAX);
    let handle = log.clone();
    tokio::spawn(async move {
        while let Some((node, frame)) = frames.recv().await {
            if handle.send(node, DATA, frame).is_err() {
                metrics::counter!("stoa_data_relays_lost_total").increment(1);
            }
        }
    });
    Across { peers: log.peers(), out, incoming: log.listen(DATA) }
}

/// Chat's doors, and the tasks between them and the log.
fn start_chat(
    config: &Config,
    gateway: &Gateway,
    (log, news): (&cluster::Handle, mpsc::Receiver<ChatNews>),
    webhooks: &Webhooks,
) -> Chat {
    let (requests_out, requests) = mpsc::channel(REQUESTS_MAX);
    let (notices_out, notices) = mpsc::channel(NOTICES_MAX);
    chat::start(log, requests, news, notices_out);
    let chat = Chat::new(gateway, chat_config(config, log), requests_out, Mint::system());
    tokio::spawn(chat.clone().run(notices));
    tokio::spawn(chat.clone().end_with_calls(webhooks.closed_rooms()));
    chat
}

fn chat_config(config: &Config, log: &cluster::Handle) -> im::Config {
    let secret = if config.chat.secret.is_empty() {
        // One configured key is one text; whatever it is, every node of the cluster has it.
        let keys: String =
            config.keys.iter().map(|(key, secret)| format!("{key}: {secret}\n")).collect();
        Secret::derived(keys.as_bytes())
    } else {
        Secret::from(config.chat.secret.as_bytes())
    };
    im::Config {
        sign_up: config.chat.sign_up || config.dev,
        live_in_calls: !config.chat.live_in_calls_disabled,
        node: log.node(),
        limits: config.chat.limits.over(im::Limits::default()),
        ..im::Config::new(secret)
    }
}

fn start_shards(config: &Config, addresses: &[IpAddr]) -> anyhow::Result<sfu_shard::Shards> {
    let shards = config.shards();
    let tcp = (!config.rtc.tcp_disabled).then(|| config.ice_tcp());
    let at = |port: u16| addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect::<Vec<_>>();
    let configs = (0..shards).map(|shard| ShardConfig {
        shard: ShardId(shard),
        shards,
        udp: config.udp(shard),
        announce: at(config.udp(shard).port()),
        announce_tcp: tcp.map(|tcp| at(tcp.port())).unwrap_or_default(),
        bwe_start: Some(BWE_START),
    });
    Ok(sfu_shard::start(configs.collect(), tcp)?)
}

fn door_config(config: &Config) -> gateway::Config {
    let all = [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1];
    let chosen: Vec<Codec> =
        config.rtc.codecs.iter().filter_map(|mime| Codec::from_mime(mime)).collect();
    let limits = gateway::limit::Limits {
        sockets_max: config.limit.sockets_max,
        joins_per_second: config.limit.joins_per_second,
        ..gateway::limit::Limits::default()
    };
    gateway::Config {
        keys: config.keys.clone().into_iter().collect::<Keys>(),
        dev: config.dev,
        ice_servers: config
            .rtc
            .ice_servers
            .iter()
            .map(|server| gateway::IceServer {
                urls: server.urls.clone(),
                username: server.username.clone(),
                credential: server.credential.clone(),
            })
            .collect(),
        enable_remote_unmute: config.room.enable_remote_unmute,
        webhook: (!config.webhook.urls.is_empty()).then(|| gateway::Webhook {
            api_key: config.webhook.api_key.clone(),
            urls: config.webhook.urls.clone(),
        }),
        codecs: if chosen.is_empty() { all.to_vec() } else { chosen },
        room_defaults: config.room_settings(),
        limits,
        ..gateway::Config::default()
    }
}

/// The addresses clients are told: those configured, else the bound one, else the machine's own.
fn node_addresses(config: &Config) -> Vec<IpAddr> {
    if !config.rtc.node_ips.is_empty() {
        return config.rtc.node_ips.clone();
    }
    let bind = config.media_bind();
    if !bind.is_unspecified() {
        return vec![bind];
    }
    let loopback = IpAddr::from([127, 0, 0, 1]);
    // Connecting a UDP socket sends nothing: it only asks the routing table which address would be used.
    let own = UdpSocket::bind((bind, 0))
        .and_then(|socket| socket.connect(("192.0.2.1", 9)).and_then(|()| socket.local_addr()));
    match own {
        // On a developer's machine the browser may sit on either side.
        Ok(own) if config.dev && own.ip() != loopback => vec![own.ip(), loopback],
        Ok(own) => vec![own.ip()],
        Err(error) => {
            tracing::warn!(%error, "cannot tell the machine's own address; set rtc.node_ips");
            vec![loopback]
        }
    }
}

fn announce(config: &Config, addresses: &[IpAddr], figures: &Figures) {
    let http = config.http();
    tracing::info!(%http, media = ?figures.media_addresses(), ?addresses, "serving");
    if config.dev {
        tracing::info!("development mode: API key devkey, secret secret; open http://{http}/");
    }
}

/// Waits for the signal to stop, then for the rooms to empty; a second signal ends the wait.
async fn drain(
    config: &Config,
    gateway: &Gateway,
    mut census: watch::Receiver<Census>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    gateway.begin_drain();
    let participants = census.borrow().participants;
    let wait = Duration::from_secs(config.drain_s);
    tracing::info!(participants, seconds = wait.as_secs(), "draining: nobody new comes in");
    let empty = census.wait_for(|census| census.participants == 0);
    tokio::select! {
        _ = tokio::time::timeout(wait, empty) => {}
        _ = terminate.recv() => tracing::info!("second signal: stopping now"),
        _ = interrupt.recv() => tracing::info!("second signal: stopping now"),
    }
    Ok(())
}

/// Waits until the node has drained.
///
/// # Errors
/// The log or its disk failed: what the disk holds is not known any more, and a fresh start reads it.
async fn until_stopped(
    config: &Config,
    gateway: &Gateway,
    census: watch::Receiver<Census>,
    log: &cluster::Handle,
) -> anyhow::Result<()> {
    let mut failed = log.failed();
    tokio::select! {
        drained = drain(config, gateway, census) => drained,
        _ = failed.wait_for(|failed| *failed) => {
            anyhow::bail!("the log or the disk under it has failed")
        }
    }
}

/// Has another node lead, so that nobody waits for an election when this one is gone.
async fn hand_over(log: &cluster::Handle) {
    if log.status().nodes.len() < 2 {
        return;
    }
    match log.drain().await {
        Ok(()) => tracing::info!("another node leads"),
        Err(error) => tracing::warn!(%error, "leadership was not handed over"),
    }
}

async fn wait_for(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Stops the media threads; they close their peers first.
fn stop_shards(shards: &[sfu_shard::ShardHandle]) {
    for shard in shards {
        if shard.send(Command::Stop).is_err() {
            tracing::warn!(shard = shard.shard.0, "media thread did not take the stop");
        }
    }
}
