//! How a connection is set up: codecs, extensions, credentials, candidates.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use proto::{id::ShardId, media::Codec, unit::Bitrate};
use str0m::{Candidate, IceCreds, Rtc, config::DtlsCert, crypto::CryptoProvider, net::TcpType};

use super::extension;
use crate::{
    sdp::Credentials,
    ufrag::{self, Ufrag},
};

/// How often the library reports statistics of a connection.
const STATS_EVERY: Duration = Duration::from_secs(2);

/// Bytes of data messages in flight to one peer at most; more wait in our own bounded queue.
const SCTP_BUFFERED_MAX: usize = 256 * 1024;

/// H.264 as browsers offer it, packetization mode 1: payload types of the stream and its repair, profile and level.
const H264: [(u8, u8, u32); 4] =
    [(127, 121, 0x42_001f), (108, 109, 0x42_e01f), (123, 119, 0x4d_001f), (114, 115, 0x64_001f)];

/// What all connections of the process share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    crypto: Arc<CryptoProvider>,
    /// One certificate for all: making a key for each connection costs more than the handshake.
    certificate: DtlsCert,
}

impl Shared {
    /// Makes the process's certificate; `None` when the crypto library cannot.
    pub(crate) fn make() -> Option<Self> {
        let crypto = str0m::crypto::from_feature_flags();
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self { crypto: Arc::new(crypto), certificate })
    }
}

/// What all connections of a shard share.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) shard: ShardId,
    pub(crate) shared: Shared,
    pub(crate) udp: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) bwe_start: Option<Bitrate>,
}

impl Seat {
    /// The candidate that a packet came in on: the one it was addressed to, else the first of its family, because
    /// an announced address may be translated on the way.
    pub(crate) fn local(
        &self,
        tcp: bool,
        source: SocketAddr,
        local_ip: Option<IpAddr>,
    ) -> Option<SocketAddr> {
        let candidates = if tcp { &self.tcp } else { &self.udp };
        let exact = candidates.iter().find(|candidate| Some(candidate.ip()) == local_ip);
        let family = || candidates.iter().find(|c| c.is_ipv4() == source.is_ipv4());
        exact.or_else(family).copied()
    }

    /// Fresh ICE credentials for a connection of this shard.
    pub(super) fn credentials(&self, slot: usize, generation: u8) -> Credentials {
        let slot = u32::try_from(slot).unwrap_or(ufrag::SLOT_MAX);
        Credentials {
            ufrag: Ufrag::fresh(self.shard, slot, generation).encode(),
            password: ufrag::password(),
        }
    }

    /// Builds the library's object for a connection.
    pub(super) fn build(&self, codecs: &[Codec], credentials: &Credentials, now: Instant) -> Rtc {
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::clone(&self.shared.crypto))
            .set_dtls_cert(self.shared.certificate.clone())
            .set_local_ice_credentials(ice(credentials))
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_stats_interval(Some(STATS_EVERY))
            .set_sctp_max_buffered_amount(SCTP_BUFFERED_MAX)
            .set_extension_map(extension::map())
            .enable_bwe(self.bwe_start.map(|rate| str0m::bwe::Bitrate::bps(rate.as_bps())))
            .clear_codecs();
        for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1] {
            if !codecs.contains(&codec) {
                continue;
            }
            let codecs = config.codec_config();
            match codec {
                // Without redundancy: what browsers send depends on the answer's order, and a receiver without
                // RED must get plain Opus.
                Codec::Opus | Codec::OpusRed => codecs.enable_opus(true, false),
                Codec::Vp8 => codecs.enable_vp8(true),
                Codec::Vp9 => codecs.enable_vp9(true),
                Codec::Av1 => codecs.enable_av1(true),
                Codec::H264 => {
                    for (pt, rtx, profile) in H264 {
                        codecs.add_h264(pt.into(), Some(rtx.into()), true, profile);
                    }
                }
            }
        }
        let mut rtc = config.build(now);
        for addr in &self.udp {
            add(&mut rtc, Candidate::host(*addr, "udp").ok(), *addr);
        }
        for addr in &self.tcp {
            let candidate =
                Candidate::builder().tcp().host(*addr).tcptype(TcpType::Passive).build();
            add(&mut rtc, candidate.ok(), *addr);
        }
        rtc
    }
}

fn add(rtc: &mut Rtc, candidate: Option<Candidate>, addr: SocketAddr) {
    if candidate.and_then(|candidate| rtc.add_local_candidate(candidate).map(|_| ())).is_none() {
        tracing::warn!(%addr, "an announced address cannot be a candidate");
    }
}

/// Credentials in the library's form.
pub(super) fn ice(credentials: &Credentials) -> IceCreds {
    IceCreds { ufrag: credentials.ufrag.clone(), pass: credentials.password.clone() }
}
