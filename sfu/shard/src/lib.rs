//! One media thread per core: UDP and ICE-TCP sockets, str0m, the driver loop and the links between shards.
//!
//! A shard owns its peers and their connections alone; nothing is shared but the payloads of packets, which
//! are immutable. It holds no decision about who gets which packet (`sfu-core` does), and knows no rooms.
//!
//! The loop of a thread, in `driver.rs`: receive what came -> hand it to its connection -> let the core decide
//! for the burst -> subscriber by subscriber: write, drain, seal, send as one run -> sleep until the next deadline.
//!
//! ```no_run
//! # fn main() -> Result<(), sfu_shard::Error> {
//! use sfu_shard::api::{Command, ShardConfig};
//! let config = ShardConfig {
//!     shard: proto::id::ShardId(0),
//!     shards: 1,
//!     udp: ([127, 0, 0, 1], 0).into(),
//!     announce: Vec::new(),
//!     announce_tcp: Vec::new(),
//!     bwe_start: None,
//! };
//! let shards = sfu_shard::start(vec![config], None)?;
//! shards.handles.iter().for_each(|shard| { let _ = shard.send(Command::Stop); });
//! # Ok(()) }
//! ```
//!
//! Invariants: no lock and no blocking call on the media path; every queue and map has a named maximum and a
//! counter; after every mutation of a connection it is drained; the only clock is read in `clock.rs`.
//!
//! Codemap: [`api`] what the node says and hears; `handle` starting threads; `driver` the loop, by what it does:
//! `ingest` packets in, `forward` packets out, `commands`, `settle` descriptions and subscriptions, `happenings`,
//! `sweep` by time; `peer` one client and its connections, the only place that knows the connection library; `link`
//! between shards; `udp`, `tcp`, `demux`, `timers`, `events` the thread's surroundings; [`ufrag`], [`stun`],
//! [`framing`], [`packet`], [`sdp`] readers of outside bytes, pure and bounded; [`counters`] figures;
//! [`wire`] datagrams through memory, for benchmarks and tests.

pub mod api;
mod clock;
pub mod counters;
mod demux;
mod driver;
mod error;
mod events;
pub mod framing;
mod handle;
mod link;
pub mod packet;
mod peer;
pub mod sdp;
pub mod stun;
mod tcp;
mod timers;
mod udp;
pub mod ufrag;
pub mod wire;

pub use error::Error;
pub use handle::{
    COMMANDS_MAX, EVENTS_MAX, Events, Overloaded, ShardHandle, Shards, Threads, start,
    start_on_wire,
};
