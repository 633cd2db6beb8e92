//! Logs and figures.

use std::{fmt::Write as _, io::IsTerminal as _, net::SocketAddr};

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sfu_shard::{
    ShardHandle,
    counters::{Counters, Drop, LATENCY_BOUNDS_US},
};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::{config::Log, control::Census};

/// Starts the log on standard error.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start_log(log: &Log) -> anyhow::Result<()> {
    // Below `info` the ICE library prints the passwords of connections.
    let filter = EnvFilter::try_new(&log.level)?
        .add_directive("is::agent=info".parse()?)
        .add_directive("openraft=warn".parse()?);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if log.json {
        lines.json().init();
    } else {
        lines.init();
    }
    Ok(())
}

/// The node's figures in the Prometheus text format.
#[derive(Clone)]
pub(crate) struct Figures {
    recorder: PrometheusHandle,
    shards: Vec<ShardHandle>,
    census: watch::Receiver<Census>,
    log: cluster::Handle,
}

impl Figures {
    /// Starts recording.
    ///
    /// # Errors
    /// A recorder is already installed.
    pub(crate) fn start(
        shards: Vec<ShardHandle>,
        census: watch::Receiver<Census>,
        log: cluster::Handle,
    ) -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new().install_recorder()?;
        describe();
        Ok(Self { recorder, shards, census, log })
    }

    /// Renders every figure as it is now.
    #[must_use]
    pub(crate) fn render(&self) -> String {
        let census = *self.census.borrow();
        set("livekit_room_total", census.rooms);
        set("livekit_participant_total", census.participants);
        set("livekit_track_published_total", census.tracks);
        set("livekit_track_subscribed_total", census.subscriptions);
        for shard in &self.shards {
            record(shard.shard.0, &shard.counters);
        }
        record_log(&self.log);
        record_process();
        let mut text = self.recorder.render();
        for shard in &self.shards {
            // Writing to a string does not fail.
            let _ = render_latency(&mut text, shard.shard.0, &shard.counters);
        }
        text
    }

    /// Where the shards listen, for the start-up log.
    #[must_use]
    pub(crate) fn media_addresses(&self) -> Vec<SocketAddr> {
        self.shards.iter().map(|shard| shard.udp).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of a count")]
fn set(name: &'static str, value: usize) {
    gauge!(name).set(value as f64);
}

fn record_log(log: &cluster::Handle) {
    let status = log.status();
    counter!("stoa_log_entries_total").absolute(status.log.entries);
    counter!("stoa_log_syncs_total").absolute(status.log.syncs);
    counter!("stoa_log_bytes_total").absolute(status.log.bytes);
    counter!("stoa_log_applied").absolute(status.applied.unwrap_or(0));
}

/// The kernel counts CPU time in hundredths of a second and memory in pages.
fn record_process() {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let stat = read("/proc/self/stat");
    // The name may hold spaces and brackets: fields are counted from its end.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let used = fields.split_whitespace().skip(11).take(2);
    let used: u64 = used.map(|field| field.parse().unwrap_or(0)).sum();
    counter!("stoa_process_cpu_microseconds_total").absolute(used * 10_000);
    let status = read("/proc/self/status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok());
    gauge!("stoa_process_resident_bytes").set(f64::from(kib.unwrap_or(0)) * 1024.0);
}

fn describe() {
    describe_counter!("stoa_log_entries_total", "Entries of the log made durable here.");
    describe_counter!("stoa_log_syncs_total", "Syncs of the log to disk.");
    describe_counter!("stoa_log_bytes_total", "Bytes written to the log.");
    describe_counter!("stoa_log_applied", "The last entry of the log that is applied here.");
    describe_counter!("stoa_im_messages_total", "Chat messages applied here.");
    describe_counter!("stoa_process_cpu_microseconds_total", "CPU time of the whole process.");
    describe_gauge!("stoa_process_resident_bytes", "Memory of the process.");
    describe_gauge!("livekit_room_total", "Open rooms.");
    describe_gauge!("livekit_participant_total", "Participants on this node.");
    describe_gauge!("livekit_track_published_total", "Tracks published on this node.");
    describe_gauge!("livekit_track_subscribed_total", "Subscriptions served by this node.");
    describe_counter!("livekit_packet_total", "Datagrams by direction.");
    describe_counter!("livekit_packet_bytes", "Bytes of datagrams by direction.");
    describe_counter!("livekit_nack_total", "Negative acknowledgements by direction.");
    describe_counter!("livekit_pli_total", "Key frame requests by direction.");
    describe_counter!("stoa_rtp_received_total", "RTP packets of publishers.");
    describe_counter!("stoa_rtp_forwarded_total", "RTP packets written to subscribers.");
    describe_counter!("stoa_rtp_relayed_total", "RTP packets handed to other shards.");
    describe_counter!("stoa_rtp_lost_total", "RTP packets of publishers that never arrived.");
    describe_counter!("stoa_rtt_microseconds_sum", "Sum of measured round trip times.");
    describe_counter!("stoa_rtt_microseconds_count", "Number of measured round trip times.");
    describe_counter!("stoa_dropped_total", "What was thrown away, by reason.");
    describe_counter!("stoa_shard_cpu_microseconds_total", "CPU time of a media thread, by mode.");
    describe_counter!("stoa_peer_panics_total", "Peers lost to a fault in their protocol stack.");
    describe_gauge!("stoa_peers", "Transport endpoints of a media thread.");
    describe_counter!("stoa_sessions_too_slow_total", "Sessions ended for not draining events.");
    describe_counter!("stoa_shard_commands_refused_total", "Commands a media thread refused.");
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of a count")]
fn record(shard: u8, counters: &Counters) {
    let shard = shard.to_string();
    let set = |name: &'static str, label: &'static str, of: &'static str, value: u64| {
        counter!(name, "shard" => shard.clone(), label => of).absolute(value);
    };
    set("livekit_packet_total", "direction", "incoming", counters.received.packets.get());
    set("livekit_packet_total", "direction", "outgoing", counters.sent.packets.get());
    set("livekit_packet_bytes", "direction", "incoming", counters.received.bytes.get());
    set("livekit_packet_bytes", "direction", "outgoing", counters.sent.bytes.get());
    set("livekit_nack_total", "direction", "incoming", counters.feedback.nacks_in.get());
    set("livekit_nack_total", "direction", "outgoing", counters.feedback.nacks_out.get());
    set("livekit_pli_total", "direction", "incoming", counters.feedback.plis_in.get());
    set("livekit_pli_total", "direction", "outgoing", counters.feedback.plis_out.get());
    set("stoa_shard_cpu_microseconds_total", "mode", "user", counters.cpu_user_us.get());
    set("stoa_shard_cpu_microseconds_total", "mode", "system", counters.cpu_system_us.get());
    let plain = |name: &'static str, value: u64| {
        counter!(name, "shard" => shard.clone()).absolute(value);
    };
    plain("stoa_rtp_received_total", counters.rtp_in.packets.get());
    plain("stoa_rtp_forwarded_total", counters.forwarded.packets.get());
    plain("stoa_rtp_relayed_total", counters.relayed.packets.get());
    plain("stoa_rtp_lost_total", counters.feedback.lost.get());
    plain("stoa_rtt_microseconds_sum", counters.feedback.rtt_us_sum.get());
    plain("stoa_rtt_microseconds_count", counters.feedback.rtt_count.get());
    plain("stoa_peer_panics_total", counters.panics.get());
    for (reason, dropped) in Drop::ALL.iter().zip(&counters.dropped) {
        set("stoa_dropped_total", "reason", reason.label(), dropped.get());
    }
    gauge!("stoa_peers", "shard" => shard).set(counters.peers.get() as f64);
}

/// The shards count latencies in buckets of their own: recording each packet elsewhere would cost too much.
#[expect(clippy::cast_precision_loss, reason = "bounds of a few digits")]
fn render_latency(text: &mut String, shard: u8, counters: &Counters) -> std::fmt::Result {
    const NAME: &str = "stoa_forward_latency_seconds";
    if shard == 0 {
        writeln!(text, "# HELP {NAME} From the receiving to the sending system call.")?;
        writeln!(text, "# TYPE {NAME} histogram")?;
    }
    let mut total = 0;
    let bounds = LATENCY_BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string());
    for (bound, bucket) in bounds.chain(["+Inf".to_owned()]).zip(&counters.latency) {
        total += bucket.get();
        writeln!(text, "{NAME}_bucket{{shard=\"{shard}\",le=\"{bound}\"}} {total}")?;
    }
    let sum = counters.latency_us_sum.get() as f64 / 1e6;
    writeln!(text, "{NAME}_sum{{shard=\"{shard}\"}} {sum}")?;
    writeln!(text, "{NAME}_count{{shard=\"{shard}\"}} {total}")
}
