//! The doors over real sockets: an independent WebSocket client on one side, the other end of the node's queue on the other.

mod client;
mod http;
mod node;
mod session;
