//! Chat: the socket, its wire, who is connected, who is told what, live rooms, tokens.
//!
//! What is decided is decided by the node ([`port`]); here requests are read, answers and events are told, and soft
//! state (presence, typing, live rooms) is kept.

pub mod hub;
pub mod mailbox;
pub mod op;
pub mod outbox;
pub mod port;
pub mod wire;
