//! What is to go wrong, from a seed: simulations of the state machines of the house and of its cluster, histories of what clients saw,
//! and checkers that say whether it may have been so.
//!
//! It is *not* part of the program and knows of the crates under test only what their users know: commands, answers, events,
//! questions, and the traits through which a cluster reaches disks and other nodes. Real processes are broken by tests/e2e/faults.test.mjs.
//!
//! A run that finds something says with which seed; `cargo xtask sweep` searches, and a seed that was found stays in `tests/it`.
//!
//! Codemap: `dice` randomness; `fault` what was found; `pure` replicas of a pure machine; `sim` a whole cluster.

pub mod dice;
pub mod fault;
pub mod pure;
pub mod sim;
