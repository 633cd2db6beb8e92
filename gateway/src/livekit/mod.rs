//! The room dialect: LiveKit's wire protocol 17 at the edge, our commands and events inside.
//!
//! Codemap: [`join`] the doors `/rtc` and `/rtc/v1`; `session` one task a participant; [`signal`] what it decides, pure;
//! [`negotiate`] and [`sdp`] what is read from descriptions; [`data`] what is rewritten in data messages;
//! [`client`] what is known of browsers; `convert` our nouns as its messages; `twirp` the server API.

pub mod client;
pub(crate) mod convert;
pub mod data;
pub mod join;
pub mod negotiate;
pub mod sdp;
pub(crate) mod session;
pub mod signal;
pub(crate) mod twirp;
