//! The chat socket and the REST API over real sockets, with a node that answers what the test tells it to.

mod live;
mod rest;
mod script;
mod socket;
