//! A real shard, real clients of the connection library over loopback.

mod client;
mod world;

mod data;
mod hostile;
mod media;
mod modes;
