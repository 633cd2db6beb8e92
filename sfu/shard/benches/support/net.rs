//! A network of its own for the client: a namespace and a pair of virtual cards, removed at the end.

use std::process::Command;

/// The namespace; without rights there is none, and everything goes over loopback.
pub(crate) struct Net {
    name: Option<String>,
    card: String,
    pub(crate) server: String,
    pub(crate) client: String,
}

impl Net {
    pub(crate) fn open(loopback: bool) -> Self {
        let id = std::process::id();
        let mut net = Self {
            name: None,
            card: format!("sb{id}a"),
            server: "127.0.0.1".into(),
            client: "127.0.0.1".into(),
        };
        let name = format!("stoa-bench-{id}");
        if loopback || !ip(&["netns", "add", &name]) {
            return net;
        }
        net.name = Some(name.clone());
        let other = format!("sb{id}b");
        let third = (id % 200).to_string();
        let (server, client) = (format!("10.213.{third}.1"), format!("10.213.{third}.2"));
        let made = ip(&["link", "add", &net.card, "type", "veth", "peer", "name", &other])
            && ip(&["link", "set", &other, "netns", &name])
            && ip(&["addr", "add", &format!("{server}/30"), "dev", &net.card])
            && ip(&["link", "set", &net.card, "up"])
            && ip(&["-n", &name, "addr", "add", &format!("{client}/30"), "dev", &other])
            && ip(&["-n", &name, "link", "set", &other, "up"])
            && ip(&["-n", &name, "link", "set", "lo", "up"]);
        if made {
            (net.server, net.client) = (server, client);
            return net;
        }
        net.close();
        net
    }

    pub(crate) fn describe(&self) -> &'static str {
        if self.name.is_some() { "two network namespaces over veth" } else { "loopback" }
    }

    /// A command that runs this program as the client.
    pub(crate) fn client_command(&self) -> Command {
        let program = std::env::current_exe().unwrap();
        let Some(name) = &self.name else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]).arg(program);
        command
    }

    fn close(&mut self) {
        if let Some(name) = self.name.take() {
            ip(&["link", "del", &self.card]);
            ip(&["netns", "del", &name]);
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.close();
    }
}

fn ip(args: &[&str]) -> bool {
    let output = Command::new("ip").args(args).output();
    output.is_ok_and(|output| output.status.success())
}
