//! The replicated log.

mod file;
pub mod log;
pub mod store;
