//! A real shard, real clients of the connection library over loopback.

#[cfg(test)]
mod client;
#[cfg(test)]
mod world;

#[cfg(test)]
mod data;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod media;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod wire;
