//! Tests of the state machine, through commands and questions only.

mod accounts;
mod make;
mod messages;
mod model;
mod reference;
mod relations;
mod strategy;
