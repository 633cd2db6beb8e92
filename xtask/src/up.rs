//! One node with the demo page, from a bare machine.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::{
    needs::{self, For},
    run::{at, cargo, command, run, say},
};

/// Installs what is missing, builds, and becomes `stoa serve --dev`, so that signals reach the node itself.
pub(crate) fn up(release: bool, serve: &[String]) -> Result<()> {
    needs::packages(For::Up)?;
    needs::pages()?;
    let stoa = build(release)?;
    say(&format!("the page will be at http://127.0.0.1:{}/ ; Ctrl-C stops the node", port(serve)));
    let mut node = command(&stoa, &["serve", "--dev"]);
    node.args(serve);
    Err(node.exec()).with_context(|| format!("cannot start {stoa}"))
}

/// Builds the program and returns where it is.
pub(crate) fn build(release: bool) -> Result<String> {
    let mut args = vec!["build", "--locked", "--package", "node", "--bin", "stoa"];
    if release {
        args.push("--release");
    }
    run(&mut cargo(&args))?;
    Ok(stoa(release))
}

/// Where the program is once it was built.
pub(crate) fn stoa(release: bool) -> String {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| at("target"), Into::into);
    let folder = target.join(if release { "release" } else { "debug" });
    folder.join("stoa").to_string_lossy().into_owned()
}

/// The HTTP port that the node will use.
fn port(serve: &[String]) -> &str {
    let mut words = serve.iter();
    while let Some(word) = words.next() {
        if let Some(port) = word.strip_prefix("--port-base=") {
            return port;
        }
        if word == "--port-base" {
            return words.next().map_or("7880", String::as_str);
        }
    }
    "7880"
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_page_is_where_the_port_base_says() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert_eq!(port(&words("--data x")), "7880");
        assert_eq!(port(&words("--data x --port-base 9000")), "9000");
        assert_eq!(port(&words("--port-base=9100 --data x")), "9100");
    }
}
