//! Runs server and client against each other for each row, and prints the table.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use super::{net::Net, now, say};

const HELP: &str =
    "options: --subscribers 1,10,100,500  --bwe on|off|both  --engine shard|naive|both
         --seconds 10  --loopback";

struct Options {
    subscribers: Vec<usize>,
    bwe: Vec<bool>,
    engines: Vec<&'static str>,
    seconds: u64,
    loopback: bool,
}

/// A child with its lines.
struct Role {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Role {
    fn start(mut command: Command, args: &[&str]) -> Self {
        let mut child =
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
        self.stdin.flush().unwrap();
    }

    /// The rest of the next line that begins with a word.
    fn hear(&self, word: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(120)).unwrap();
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn main(words: &[&str]) {
    let Some(options) = parse(words) else { return say(HELP) };
    let net = Net::open(options.loopback);
    machine(&net);
    say(
        "engine  bwe  subs  fwd/s    user  system  total us/fwd  allocs/fwd  fwd/send  p50 us  p99 us  delivered  dropped  paused",
    );
    for subscribers in &options.subscribers {
        for bwe in &options.bwe {
            for engine in &options.engines {
                row(&net, engine, *bwe, *subscribers, options.seconds);
            }
        }
    }
}

fn parse(words: &[&str]) -> Option<Options> {
    let mut options = Options {
        subscribers: vec![1, 10, 100],
        bwe: vec![false, true],
        engines: vec!["naive", "shard"],
        seconds: 10,
        loopback: false,
    };
    let mut words = words.iter().filter(|word| **word != "--bench");
    while let Some(word) = words.next() {
        match *word {
            "--subscribers" => {
                let counts = words.next()?.split(',').map(str::parse);
                options.subscribers = counts.collect::<Result<_, _>>().ok()?;
            }
            "--bwe" => match *words.next()? {
                "on" => options.bwe = vec![true],
                "off" => options.bwe = vec![false],
                _ => {}
            },
            "--engine" => match *words.next()? {
                "shard" => options.engines = vec!["shard"],
                "naive" => options.engines = vec!["naive"],
                _ => {}
            },
            "--seconds" => options.seconds = words.next()?.parse().ok()?,
            "--loopback" => options.loopback = true,
            _ => return None,
        }
    }
    Some(options)
}

fn machine(net: &Net) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    say(&format!("machine: {} x{cores}", model.trim_matches([' ', '\t', ':'])));
    say(&format!("kernel:  {}", read("/proc/sys/kernel/osrelease").trim()));
    say(&format!("load:    {}", read("/proc/loadavg").trim()));
    say(&format!(
        "network: {}; one publisher of 2.5 Mbit/s, datagrams of about 1200 bytes",
        net.describe()
    ));
}

fn row(net: &Net, engine: &str, bwe: bool, subscribers: usize, seconds: u64) {
    let count = subscribers.to_string();
    let bwe_word = if bwe { "on" } else { "off" };
    let program = Command::new(std::env::current_exe().unwrap());
    let mut server = Role::start(program, &["serve", engine, bwe_word, &net.server, &count]);
    server.hear("ready");
    let mut client = Role::start(net.client_command(), &["client", &net.client, &count]);
    for _ in 0..=subscribers {
        let offer = client.hear("offer");
        server.tell(&format!("offer {offer}"));
        let answer = server.hear("answer");
        client.tell(&format!("answer {answer}"));
    }
    client.hear("connected");
    // Estimators and caches settle first.
    wait(Duration::from_secs(5));
    let counted = |client: &mut Role| {
        client.tell("count");
        let words = client.hear("count");
        words.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let received = counted(&mut client);
    server.tell("begin");
    wait(Duration::from_secs(seconds));
    server.tell("end");
    let figures = server.hear("figures");
    let received = counted(&mut client) - received;
    print(engine, bwe_word, subscribers, seconds, &figures, received);
}

/// Lets time pass while the children work.
fn wait(time: Duration) {
    let deadline = now() + time;
    while now() < deadline {
        std::thread::park_timeout(deadline.saturating_duration_since(now()));
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(engine: &str, bwe: &str, subscribers: usize, seconds: u64, figures: &str, received: u64) {
    let words: Vec<&str> = figures.split(' ').collect();
    let number = |i: usize| words[i].parse::<u64>().unwrap();
    let forwarded = number(0).max(1) as f64;
    let (user, system) = (number(1) as f64 / forwarded, number(2) as f64 / forwarded);
    let allocations = words[5]
        .parse::<u64>()
        .map_or_else(|_| "-".to_owned(), |n| format!("{:.2}", n as f64 / forwarded));
    say(&format!(
        "{engine:<6}  {bwe:<3}  {subscribers:>4}  {:>6}  {user:>6.2}  {system:>6.2}  {:>12.2}  {allocations:>10}  {:>8.2}  {:>6}  {:>6}  {:>8.1}%  {:>7}  {:>6}",
        number(0) / seconds,
        user + system,
        forwarded / number(3).max(1) as f64,
        number(6),
        number(7),
        received as f64 * 100.0 / forwarded,
        number(4),
        number(8),
    ));
}
