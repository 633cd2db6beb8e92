//! The replicated log.

pub mod log;
