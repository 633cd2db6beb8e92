//! Three roles in one program: the one that runs the others and prints, the server, and the client with its many
//! connections. They talk by lines over pipes.

mod client;
mod naive;
mod net;
mod run;
mod serve;

use std::{
    io::{BufRead as _, Write as _},
    sync::mpsc::{Receiver, sync_channel},
    time::Instant,
};

/// Bytes of RTP payload, so that a datagram has about 1200.
pub(crate) const PAYLOAD_BYTES: usize = 1150;

/// Packets of one frame; with [`FRAMES_PER_SECOND`] about 2.5 Mbit/s.
pub(crate) const FRAME_PACKETS: u64 = 9;

/// Frames a second.
pub(crate) const FRAMES_PER_SECOND: u64 = 30;

/// Reads the number of allocations since the program's start, if they are counted.
pub(crate) type Allocations = fn() -> Option<u64>;

#[expect(clippy::disallowed_methods, reason = "the benchmark's only clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn main(allocations: Allocations) {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", engine, bwe, ip, subscribers] => {
            serve::main(engine, *bwe == "on", ip, subscribers.parse().unwrap(), allocations);
        }
        ["client", ip, subscribers] => client::main(ip, subscribers.parse().unwrap()),
        _ => run::main(&words),
    }
}

/// Lines of standard input, from a thread of their own.
pub(crate) fn lines() -> Receiver<String> {
    let (sender, receiver) = sync_channel(4096);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Prints a line at once.
pub(crate) fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// A description as one word.
pub(crate) fn pack(sdp: &str) -> String {
    sdp.replace("\r\n", "\u{1}").replace(' ', "\u{2}")
}

/// The description of a word.
pub(crate) fn unpack(word: &str) -> String {
    word.replace('\u{1}', "\r\n").replace('\u{2}', " ")
}

/// Processor time of a thread of this process by its name, in microseconds: user, system.
pub(crate) fn thread_cpu(name: &str) -> (u64, u64) {
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let path = entry.path();
        let comm = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if comm.trim() != name {
            continue;
        }
        let stat = std::fs::read_to_string(path.join("stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).map(|f| f.parse().unwrap()).collect();
        let total = std::fs::read_to_string(path.join("schedstat")).unwrap();
        let total_us: u64 = total.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1000;
        // The kernel's ticks give the ratio, its scheduler the exact sum.
        let sum = (ticks[0] + ticks[1]).max(1);
        let user = total_us * ticks[0] / sum;
        return (user, total_us - user);
    }
    (0, 0)
}
