//! Whole nodes in one process: real files, QUIC on loopback.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod membership;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod three;
