//! The doors over real sockets: an independent WebSocket client on one side, the other end of the node's queue on the other.

#[cfg(test)]
mod client;
#[cfg(test)]
mod http;
#[cfg(test)]
mod im;
#[cfg(test)]
mod node;
#[cfg(test)]
mod session;
