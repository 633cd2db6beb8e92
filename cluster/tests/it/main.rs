//! Whole nodes in one process: real files, QUIC on loopback.

mod harness;
mod lifecycle;
mod membership;
mod storage;
mod three;
