//! Three roles in one program: the one that runs the others and prints, the server, and the client with its many
//! connections. They talk by lines, over pipes between processes, or over channels when datagrams pass through memory.

mod client;
mod count;
mod memory;
mod naive;
mod net;
mod role;
mod run;
mod serve;

use std::{
    io::{BufRead as _, Write as _},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Instant,
};

use self::{
    client::Way,
    serve::{Door, Engine},
};

/// Bytes of RTP payload, so that a datagram has about 1200.
pub(crate) const PAYLOAD_BYTES: usize = 1150;

/// Packets of one frame; with [`FRAMES_PER_SECOND`] about 2.5 Mbit/s.
pub(crate) const FRAME_PACKETS: u64 = 9;

/// Frames a second.
pub(crate) const FRAMES_PER_SECOND: u64 = 30;

/// Lines that wait for a role at most.
pub(crate) const LINES_MAX: usize = 4096;

/// Names of the threads that are measured: the shard's, and the plain loop's.
pub(crate) const MEDIA_THREADS: [&str; 2] = ["shard-0", "naive"];

#[expect(clippy::disallowed_methods, reason = "the benchmark's only clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", engine, bwe, ip] => {
            let engine = Engine::start(engine, *bwe == "on", Door::Socket((*ip).to_owned()));
            serve::run(engine, &Lines::stdio());
        }
        ["client", ip, subscribers] => {
            client::run(Way::sockets(ip), subscribers.parse().unwrap(), &Lines::stdio());
        }
        ["memory", row @ ..] => memory::run(row),
        _ => run::main(&words),
    }
}

/// What a role hears and where it speaks.
pub(crate) struct Lines {
    pub(crate) heard: Receiver<String>,
    /// Standard output, if it is none of ours.
    voice: Option<SyncSender<String>>,
}

impl Lines {
    pub(crate) fn new(heard: Receiver<String>, voice: SyncSender<String>) -> Self {
        Self { heard, voice: Some(voice) }
    }

    /// Lines of standard input, from a thread of their own.
    fn stdio() -> Self {
        let (sender, heard) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { heard, voice: None }
    }

    pub(crate) fn say(&self, line: &str) {
        match &self.voice {
            Some(voice) => voice.send(line.to_owned()).unwrap(),
            None => say(line),
        }
    }
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

/// Processor time of the thread that calls, in microseconds.
pub(crate) fn own_cpu() -> u64 {
    cpu_total(std::path::Path::new("/proc/thread-self"))
}

fn cpu_total(task: &std::path::Path) -> u64 {
    let total = std::fs::read_to_string(task.join("schedstat")).unwrap();
    total.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1000
}

/// Processor time of a thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// By the scheduler, exact.
    pub(crate) us: u64,
    /// In user mode and in the kernel, in hundredths of a second; the kernel samples where the thread is.
    pub(crate) ticks: (u64, u64),
}

/// Processor time of the media thread of this process.
pub(crate) fn media_cpu() -> Cpu {
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let path = entry.path();
        let comm = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if !MEDIA_THREADS.contains(&comm.trim()) {
            continue;
        }
        let stat = std::fs::read_to_string(path.join("stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).map(|f| f.parse().unwrap()).collect();
        return Cpu { us: cpu_total(&path), ticks: (ticks[0], ticks[1]) };
    }
    Cpu::default()
}
