//! Tests of the state machine, through commands and questions only.

mod accounts;
mod conversations;
mod groups;
mod housekeeping;
mod imports;
mod invariants;
mod live;
mod make;
mod messages;
mod model;
mod reference;
mod relations;
mod strategy;
mod syncing;
