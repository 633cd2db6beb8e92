//! The other roles, as the one that runs them sees them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use super::{LINES_MAX, Lines};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A role with its lines: a child, or a thread.
pub(crate) struct Role {
    ear: Ear,
    lines: Receiver<String>,
}

enum Ear {
    Child(Child, ChildStdin),
    Thread(SyncSender<String>),
}

impl Role {
    /// Runs a program with these words.
    pub(crate) fn child(mut command: Command, words: &[&str]) -> Self {
        let mut child =
            command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { ear: Ear::Child(child, stdin), lines }
    }

    /// A role that a thread of this process plays, and the lines for it.
    pub(crate) fn local() -> (Self, Lines) {
        let (ear, heard) = sync_channel(LINES_MAX);
        let (voice, lines) = sync_channel(LINES_MAX);
        (Self { ear: Ear::Thread(ear), lines }, Lines::new(heard, voice))
    }

    /// Says a line to the role; one that has ended will not answer.
    pub(crate) fn tell(&mut self, line: &str) {
        match &mut self.ear {
            Ear::Child(_, stdin) => {
                let _ = writeln!(stdin, "{line}");
                let _ = stdin.flush();
            }
            Ear::Thread(ear) => {
                let _ = ear.send(line.to_owned());
            }
        }
    }

    /// The rest of the next line that begins with a word; none from a role that has ended or takes too long.
    pub(crate) fn hear(&self, word: &str) -> Option<String> {
        self.hear_within(word, PATIENCE)
    }

    pub(crate) fn hear_within(&self, word: &str, patience: Duration) -> Option<String> {
        loop {
            let line = self.lines.recv_timeout(patience).ok()?;
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.trim().to_owned());
            }
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Ear::Child(child, _) = &mut self.ear {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
