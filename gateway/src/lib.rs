//! The doors: room signalling, server API, WHIP and WHEP, webhooks, pages. The gateway checks tokens and limits,
//! translates dialects into [`node::Request`]s and [`node::SessionEvent`]s back, and decides nothing about rooms.
//!
//! It is not a media server and not a store: media goes past it, and what it holds of a session (its socket, what its
//! client called its tracks) is rebuilt when the client joins anew. It knows no rooms, no shards and no cluster: it
//! asks one bounded queue, and each session listens on a bounded queue of its own.
//!
//! ```
//! use gateway::{Clock, Config, Gateway, auth::{Keys, Token}};
//!
//! let keys: Keys = [("devkey", "secret")].into_iter().collect();
//! let (requests, _node) = tokio::sync::mpsc::channel(64);
//! let gateway = Gateway::new(Config { keys: keys.clone(), ..Config::default() }, requests, Clock::system());
//! let router = gateway.router();
//!
//! let token = keys.sign(None, &Token::join("ada", "standup", 1_800_000_000)).unwrap();
//! assert_eq!(keys.verify(&token, 1_799_999_999).unwrap().identity.unwrap().as_str(), "ada");
//! ```
//!
//! Invariants: every queue, map and buffer that outside parties fill has a maximum in [`limit::Limits`] or beside its
//! type, and a counter that rises when it is hit; tokens, join requests and the contents of messages are never logged;
//! parsers of outside bytes ([`auth::Keys::verify`], [`livekit::join::params::Attempt::from_query`],
//! [`livekit::signal::decode_frame`], [`livekit::data::rewrite`], [`livekit::sdp::sending`],
//! [`livekit::sdp::parse_candidate`]) are pure and total.
//!
//! Codemap: [`node`] what is asked of the node; [`auth`] tokens; [`error`] refusals as each dialect tells them;
//! [`limit`] bounds; `listen` the accept loop; `server` routes and layers; `shared` what all doors share;
//! [`livekit`] the room dialect and the server API; [`whip`], [`webhook`] and `web` the other doors.

pub mod auth;
mod body;
pub mod clock;
pub mod config;
pub mod error;
pub mod im;
pub mod limit;
mod listen;
pub mod livekit;
pub mod node;
mod rest;
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
