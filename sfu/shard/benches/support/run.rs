//! Runs server and client against each other for each row, and prints the table.

use std::{process::Command, time::Duration};

use super::{net::Net, now, role::Role, say};

const HELP: &str =
    "options: --subscribers 1,10,100,500  --bwe on|off|both  --engine shard|naive|both
         --net memory|udp|both  --seconds 6  --loopback";

const HEAD: &str = "net     engine  bwe  subs   fwd/s    user  system  total us/fwd  allocs/fwd  fwd/send  p50 us   p99 us  delivered  dropped  paused  client";

/// Connections and caches settle for so long before anything is measured.
const SETTLE: Duration = Duration::from_secs(2);

/// Estimators take longer: until then pictures may wait in their pacers.
const SETTLE_ESTIMATE: Duration = Duration::from_secs(5);

/// Allocations are counted for so long, after the processor time was measured.
const COUNTING: Duration = Duration::from_secs(1);

/// With one subscriber little happens: measured so many times as long.
const ALONE_FACTOR: u64 = 3;

/// Fewer of the kernel's ticks say nothing about the shares of user and system time.
const TICKS_MIN: u64 = 8;

/// From this share of a processor on the client is what limits the row.
const BUSY_PERCENT: u64 = 90;

struct Options {
    subscribers: Vec<usize>,
    bwe: Vec<bool>,
    engines: Vec<&'static str>,
    nets: Vec<&'static str>,
    seconds: u64,
    loopback: bool,
}

pub(crate) fn main(words: &[&str]) {
    let Some(options) = parse(words) else { return say(HELP) };
    let net = Net::open(options.loopback);
    machine(&net);
    say(HEAD);
    for row in rows(&options) {
        let text = if row.net == "memory" { row.in_memory() } else { row.over(&net) };
        say(&text.unwrap_or_else(|| format!("{} did not finish", row.name())));
    }
}

fn rows(options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    for net in &options.nets {
        for subscribers in &options.subscribers {
            for bwe in &options.bwe {
                rows.extend(options.engines.iter().map(|engine| Row {
                    net: (*net).to_owned(),
                    engine: (*engine).to_owned(),
                    bwe: *bwe,
                    subscribers: *subscribers,
                    seconds: options.seconds * if *subscribers == 1 { ALONE_FACTOR } else { 1 },
                }));
            }
        }
    }
    rows
}

fn parse(words: &[&str]) -> Option<Options> {
    let mut options = Options {
        subscribers: vec![1, 10, 100, 500],
        bwe: vec![false, true],
        engines: vec!["naive", "shard"],
        nets: vec!["memory", "udp"],
        seconds: 6,
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
            "--net" => match *words.next()? {
                "memory" => options.nets = vec!["memory"],
                "udp" => options.nets = vec!["udp"],
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
    say(&format!("udp:     {}", net.describe()));
    say("memory:  server and client in one process, one thread each, rings between them");
    say("media:   one publisher of 2.5 Mbit/s, datagrams of about 1200 bytes");
    say("user and system: shares by the kernel's ticks, left out where these are too few");
    say(&format!(
        "client:  its share of a processor; from {BUSY_PERCENT} % on (busy) the client limits the row"
    ));
}

/// What one row measures.
pub(crate) struct Row {
    net: String,
    pub(crate) engine: String,
    pub(crate) bwe: bool,
    pub(crate) subscribers: usize,
    seconds: u64,
}

impl Row {
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let [engine, bwe, subscribers, seconds] = words else { return None };
        Some(Self {
            net: "memory".into(),
            engine: (*engine).to_owned(),
            bwe: *bwe == "on",
            subscribers: subscribers.parse().ok()?,
            seconds: seconds.parse().ok()?,
        })
    }

    fn bwe_word(&self) -> &'static str {
        if self.bwe { "on" } else { "off" }
    }

    fn name(&self) -> String {
        let Self { net, engine, subscribers, .. } = self;
        format!("{net:<6}  {engine:<6}  {:<3}  {subscribers:>4}", self.bwe_word())
    }

    fn in_memory(&self) -> Option<String> {
        let (subscribers, seconds) = (self.subscribers.to_string(), self.seconds.to_string());
        let program = Command::new(std::env::current_exe().unwrap());
        let words = ["memory", &self.engine, self.bwe_word(), &subscribers, &seconds];
        Role::child(program, &words).hear_within("row ", Duration::from_secs(180))
    }

    fn over(&self, net: &Net) -> Option<String> {
        let program = Command::new(std::env::current_exe().unwrap());
        let words = ["serve", &self.engine, self.bwe_word(), &net.server];
        let mut server = Role::child(program, &words);
        let words = ["client", &net.client, &self.subscribers.to_string()];
        let mut client = Role::child(net.client_command(), &words);
        self.measure(&mut server, &mut client)
    }

    /// Has them connect, settle, be measured, and be counted.
    pub(crate) fn measure(&self, server: &mut Role, client: &mut Role) -> Option<String> {
        server.hear("ready")?;
        for _ in 0..=self.subscribers {
            let offer = client.hear("offer")?;
            server.tell(&format!("offer {offer}"));
            let answer = server.hear("answer")?;
            client.tell(&format!("answer {answer}"));
        }
        client.hear("connected")?;
        wait(if self.bwe { SETTLE_ESTIMATE } else { SETTLE });
        let began = client_figures(client)?;
        server.tell("begin");
        let begun_at = now();
        wait(Duration::from_secs(self.seconds));
        server.tell("end");
        let figures = numbers(&server.hear("figures")?);
        let ended = client_figures(client)?;
        let window = begun_at.elapsed();
        server.tell("count");
        wait(COUNTING);
        server.tell("counted");
        let counted = numbers(&server.hear("allocations")?);
        if figures.first() == Some(&0) {
            return Some(format!("{}  overloaded: forwards nothing", self.name()));
        }
        let client = Client {
            received: ended.first()? - began.first()?,
            busy_percent: (ended.get(1)? - began.get(1)?) * 100
                / u64::try_from(window.as_micros()).unwrap(),
        };
        Some(self.text(&figures, &counted, &client))
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn text(&self, figures: &[u64], counted: &[u64], client: &Client) -> String {
        let forwarded = figures[0] as f64;
        let total = figures[1] as f64 / forwarded;
        let ticks = figures[2] + figures[3];
        let share = |part: u64| match ticks {
            TICKS_MIN.. => format!("{:.2}", total * part as f64 / ticks as f64),
            _ => "-".to_owned(),
        };
        let (user, system) = (share(figures[2]), share(figures[3]));
        let allocations = counted[0] as f64 / counted[1].max(1) as f64;
        let busy = if client.busy_percent >= BUSY_PERCENT { " busy" } else { "" };
        format!(
            "{}  {:>6}  {user:>6}  {system:>6}  {total:>12.2}  {allocations:>10.2}  {:>8.2}  {:>6}  {:>7}  {:>8.1}%  {:>7}  {:>6}  {:>4} %{busy}",
            self.name(),
            figures[0] / self.seconds,
            forwarded / figures[4].max(1) as f64,
            figures[6],
            figures[7],
            client.received as f64 * 100.0 / forwarded,
            figures[5],
            figures[8],
            client.busy_percent,
        )
    }
}

/// What the client saw while the server was measured.
struct Client {
    received: u64,
    busy_percent: u64,
}

/// Packets received and microseconds of processor time so far.
fn client_figures(client: &mut Role) -> Option<Vec<u64>> {
    client.tell("count");
    Some(numbers(&client.hear("count")?))
}

fn numbers(words: &str) -> Vec<u64> {
    words.split(' ').map(|word| word.parse().unwrap()).collect()
}

/// Lets time pass while the others work.
fn wait(time: Duration) {
    let deadline = now() + time;
    while now() < deadline {
        std::thread::park_timeout(deadline.saturating_duration_since(now()));
    }
}
