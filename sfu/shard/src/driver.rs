//! The loop of a media thread.

use std::sync::mpsc::Receiver;

use mio::{Events, Poll};
use proto::id::ShardId;
use tokio::sync::mpsc::Sender;

use crate::api::{Command, Event};

pub(crate) fn run(mut poll: Poll, commands: &Receiver<Command>, _events: &Sender<(ShardId, Event)>) {
    let mut ready = Events::with_capacity(64);
    loop {
        if poll.poll(&mut ready, None).is_err() {
            continue;
        }
        while let Ok(command) = commands.try_recv() {
            if matches!(command, Command::Stop) {
                return;
            }
        }
    }
}
