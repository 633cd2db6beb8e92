//! Chat: the socket, its wire, who is connected, who is told what, live rooms, tokens.
//!
//! What is decided is decided by the node ([`port`]); here requests are read ([`op`]), answers and events are told,
//! and soft state (presence, typing, live rooms) is kept. [`Chat`] is the shell around the pure parts: [`hub`] (who is
//! connected, who is told what), [`mailbox`] and [`outbox`] (what gives way when a client reads slowly), [`live`]
//! (chatter that is not stored), [`wire`] (codecs), [`token`].

mod chat;
pub mod config;
pub mod hub;
pub mod live;
pub mod mailbox;
pub mod mint;
pub mod op;
pub mod outbox;
mod password;
pub mod port;
pub mod socket;
pub mod token;
pub mod wire;

pub use chat::Chat;
pub use config::{Config, Limits, RestLimits, Secret};
pub use mint::Mint;
