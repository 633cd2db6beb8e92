//! A row in memory: server and client are threads of one process of its own, with a wire between them.

use sfu_shard::wire;

use super::{
    client::{self, Way},
    role::Role,
    run::Row,
    say,
    serve::{self, Door, Engine},
};

pub(crate) fn run(words: &[&str]) {
    let row = Row::parse(words).unwrap();
    let (own, other) = wire::pair();
    let engine = Engine::start(&row.engine, row.bwe, Door::Wire(own));
    let way = Way::wire(other, engine.waker());
    let (mut server, lines) = Role::local();
    std::thread::spawn(move || serve::run(engine, &lines));
    let (mut client, lines) = Role::local();
    let subscribers = row.subscribers;
    std::thread::spawn(move || client::run(way, subscribers, &lines));
    match row.measure(&mut server, &mut client) {
        Some(text) => say(&format!("row {text}")),
        None => return,
    }
    // Ended from outside: media threads that run while a process ends by itself can abort it.
    loop {
        std::thread::park();
    }
}
