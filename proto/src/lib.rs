//! The words of the house: ids, units, time, media types, error codes, and the commands and events of rooms.
//!
//! This crate is not a protocol implementation: wire dialects live in `gateway`, state machines in
//! `rooms`, packet decisions in `sfu-core`. It has no IO, clock, randomness or threads, and no std.
//!
//! ```
//! use proto::id::{Identity, RoomName};
//! let room: RoomName = "standup".into();
//! let who = Identity::from("ada");
//! assert_eq!(format!("{room}/{who}"), "standup/ada");
//! ```
//!
//! Codemap: [`id`] names of things; [`time`] log time and media time; [`mod@unit`] bit rates; [`media`] RTP
//! newtypes, kinds, codecs, layers; [`grant`] what a token allows; [`room`] the replicated model, its
//! commands, events and refusals; [`im`] the same of chat; [`store`] ordered rows and their changes;
//! [`error`] stable codes.
#![no_std]
extern crate alloc;

pub mod error;
pub mod grant;
pub mod id;
pub mod im;
pub mod media;
pub mod room;
pub mod store;
pub mod time;
pub mod unit;
