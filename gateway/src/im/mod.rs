//! Chat.

pub mod wire;
