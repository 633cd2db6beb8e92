//! The replicated room model: what is in it ([`model`]), what may be asked of it ([`command`]),
//! what it answers ([`event`]) and why it refuses ([`reject`]).

pub mod command;
pub mod event;
pub mod model;
pub mod reject;

pub use command::Command;
pub use event::{Event, LeaveReason};
pub use model::{Participant, ParticipantState, Publication, Room, RoomSettings};
pub use reject::Reject;
