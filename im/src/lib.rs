//! The replicated chat state machine.
