//! Stories ([`story`]) read as sentences; [`model`] checks random histories against a reference.

mod limits;
mod make;
mod model;
mod participants;
mod publications;
mod reference;
mod room_life;
mod snapshots;
mod story;
mod subscriptions;
