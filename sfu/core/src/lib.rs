//! The forwarding core: decides who gets which packet, in which encoding, and under which numbers. It serves one shard
//! and holds no payload.
//!
//! It is not a transport: it knows no socket, no cipher, no clock and no retransmission. It has no std, so that time and
//! randomness cannot leak in: the same inputs give the same outputs.
//!
//! The loop: hand in up to [`BURST_MAX`] packets ([`Input::Rtp`]; each takes the next burst index, from 0) or one other
//! input, then drain [`Core::poll_output`] until [`Output::Timeout`]. The forwards come subscriber by subscriber, each
//! subscriber's in burst order, then relays, then everything else. After the drain the burst is empty.
//!
//! ```
//! use proto::{id::TrackKey, media::{MediaKind, Source}, time::Instant};
//! use sfu_core::{Config, Core, Input, Output, SlotId, SubscriberId, Track};
//! let mut core = Core::new(Config::default());
//! let (track, subscriber) = (TrackKey(1), SubscriberId(0));
//! let spec =
//!     Track { kind: MediaKind::Video, source: Source::Camera, encodings: [None; 3], muted: false, home: true };
//! for input in [
//!     Input::AddTrack { track, spec },
//!     Input::AddSubscriber { subscriber },
//!     Input::Subscribe { subscriber, slot: SlotId(0), track },
//! ] {
//!     core.handle_input(Instant(0), input);
//!     while !matches!(core.poll_output(), Output::Timeout(..)) {}
//! }
//! ```
//!
//! Invariants: a subscriber never gets two packets with one sequence number on a slot; a gap in its sequence is a packet the
//! network lost or reordered, never one that came in order and was left out by choice; what it gets starts with a key frame and changes encoding only at one;
//! the rates granted to a subscriber never exceed its budget.
//!
//! Codemap: [`input`] and [`output`] the contract; `engine` the inputs one by one and the order of outputs; `fanout` from a
//! burst to the packets of each subscriber; `switcher` the state of a slot; `rewrite` numbers towards a subscriber; `allocate` a subscriber's bandwidth; `settle` what follows from a change;
//! `keyframe` asking for key frames; `speaker` loudness; `rate` measuring; `track`, `slot` and `table` what is remembered.
#![no_std]
extern crate alloc;

mod allocate;
mod engine;
mod fanout;
pub mod input;
mod keyframe;
mod knock;
pub mod output;
mod rate;
mod rewrite;
mod settle;
mod slot;
mod speaker;
mod switcher;
mod table;
mod track;

pub use engine::{Config, Core, Stats};
pub use input::{
    Input, LinkId, Packet, Picture, PictureId, SenderClock, SlotId, SubscriberId, Track, Vp8, Vp9,
};
pub use output::{Forward, Output, Reason, Rewrite};
pub use switcher::SWITCH_AFTER_MAX;

/// How many packets may be handed in before the outputs are drained.
pub const BURST_MAX: usize = 256;

#[cfg(test)]
mod tests;
