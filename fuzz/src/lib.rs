//! Fuzz targets: plain functions of bytes, one for each place that reads what came from outside.
//!
//! Each target calls the real code and checks what must hold of its result; a violation is a panic. `cargo test -p fuzz`
//! replays the committed corpus and seeded mutations of it; `cargo xtask fuzz TARGET` searches with libFuzzer.
//!
//! Codemap: [`doors`] tokens, join requests, WHIP bodies, descriptions; [`signalling`] frames and whole sessions;
//! [`im`] chat frames; [`packets`] STUN, framing, payload descriptors; [`forwarding`] the forwarding core;
//! [`state`] commands, log segments, backups; [`mutate`] seeded mutations.

pub mod doors;
pub mod forwarding;
pub mod im;
pub mod mutate;
pub mod packets;
pub mod signalling;
pub mod state;

/// A fuzz target: its name, which is also the folder of its corpus, and what it does with bytes.
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Must return for any input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "token", run: doors::token },
    Target { name: "join_request", run: doors::join_request },
    Target { name: "whip_offer", run: doors::whip_offer },
    Target { name: "whip_fragment", run: doors::whip_fragment },
    Target { name: "description", run: doors::description },
    Target { name: "candidate", run: doors::candidate },
    Target { name: "signal_frame", run: signalling::frame },
    Target { name: "signal_session", run: signalling::session },
    Target { name: "data_packet", run: signalling::data_packet },
    Target { name: "im_frame", run: im::frame },
    Target { name: "im_completion", run: im::completion },
    Target { name: "chat_commands", run: state::chat_commands },
    Target { name: "log_segment", run: state::log_segment },
    Target { name: "backup", run: state::backup },
    Target { name: "stun", run: packets::stun },
    Target { name: "framing", run: packets::framing },
    Target { name: "payload_descriptor", run: packets::payload_descriptor },
    Target { name: "rtp_rewriting", run: forwarding::rewriting },
];

/// Finds a target by name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
