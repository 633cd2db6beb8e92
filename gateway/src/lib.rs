//! The doors: room signalling, server API, WHIP and WHEP, webhooks, pages. The gateway checks tokens and limits,
//! translates dialects into [`node::Request`]s and [`node::SessionEvent`]s back, and decides nothing about rooms.
//!
//! Codemap: [`node`] what is asked of the node; [`auth`] tokens; [`error`] refusals as each dialect tells them;
//! [`limit`] bounds; [`livekit`] the room dialect; `whip`, `webhook` and `web` the other doors.

pub mod auth;
pub mod clock;
pub mod config;
pub mod error;
pub mod limit;
mod listen;
pub mod livekit;
pub mod node;
mod server;
mod shared;
#[cfg(test)]
mod testing;
mod web;
pub mod webhook;
pub mod whip;

pub use clock::Clock;
pub use config::{Config, IceServer, Webhook};
pub use error::Error;
pub use server::Gateway;
pub(crate) use shared::Shared;
