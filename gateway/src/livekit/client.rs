//! What is known of a client's program, and what it should not use because of it. Pure.

use livekit_protocol as pb;
use proto::media::Codec;

/// Longest text of a client about itself that is kept.
const TEXT_BYTES_MAX: usize = 128;

/// Fills browser and system from the `User-Agent`, where the client says nothing itself.
#[must_use]
pub fn describe(mut info: pb::ClientInfo, user_agent: &str) -> pb::ClientInfo {
    if info.browser.is_empty() {
        let (browser, version) = browser_of(user_agent);
        info.browser = browser.to_owned();
        info.browser_version = version.to_owned();
    }
    if info.os.is_empty() {
        info.os = system_of(user_agent).to_owned();
    }
    for text in [
        &mut info.version,
        &mut info.os,
        &mut info.os_version,
        &mut info.device_model,
        &mut info.browser,
        &mut info.browser_version,
        &mut info.network,
        &mut info.other_sdks,
    ] {
        if text.len() > TEXT_BYTES_MAX {
            text.clear();
        }
    }
    info
}

/// Codecs this client should not use at all, and codecs it should not publish with. Known faults of browsers.
#[must_use]
pub fn disabled_codecs(info: &pb::ClientInfo) -> (Vec<Codec>, Vec<Codec>) {
    let browser = info.browser.to_ascii_lowercase();
    let system = info.os.to_ascii_lowercase();
    if browser.contains("safari") {
        let vp9_is_broken = version_of(&info.browser_version) > (18, 3);
        return (vec![Codec::Av1], if vp9_is_broken { vec![Codec::Vp9] } else { Vec::new() });
    }
    if browser.contains("firefox") && (system.contains("linux") || system.contains("android")) {
        return (Vec::new(), vec![Codec::H264]);
    }
    (Vec::new(), Vec::new())
}

fn browser_of(user_agent: &str) -> (&'static str, &str) {
    // The order matters: every browser names the ones it descends from.
    let names = [
        ("Firefox/", "firefox"),
        ("Edg/", "edge"),
        ("Chrome/", "chrome"),
        ("CriOS/", "chrome"),
        ("Version/", "safari"),
    ];
    for (mark, name) in names {
        let Some((_, rest)) = user_agent.split_once(mark) else { continue };
        if name == "safari" && !user_agent.contains("Safari/") {
            continue;
        }
        let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next();
        return (name, version.unwrap_or_default());
    }
    ("", "")
}

fn system_of(user_agent: &str) -> &'static str {
    let names = [
        ("Android", "android"),
        ("iPhone", "ios"),
        ("iPad", "ios"),
        ("Windows", "windows"),
        ("Mac OS X", "mac"),
        ("Linux", "linux"),
    ];
    names.iter().find(|(mark, _)| user_agent.contains(mark)).map_or("", |(_, name)| name)
}

fn version_of(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user_agent: &str, expected: (&str, &str, &str), all: &[Codec], publish: &[Codec]) {
        let info = describe(pb::ClientInfo::default(), user_agent);
        let found = (info.browser.as_str(), info.browser_version.as_str(), info.os.as_str());
        assert_eq!(found, expected);
        assert_eq!(disabled_codecs(&info), (all.to_vec(), publish.to_vec()));
    }

    #[test]
    fn browsers_are_told_apart_and_spared_their_broken_codecs() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
        check(firefox, ("firefox", "153.0", "linux"), &[], &[Codec::H264]);
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        check(chrome, ("chrome", "156.0.0.0", "linux"), &[], &[]);
        let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15";
        check(safari, ("safari", "18.4", "mac"), &[Codec::Av1], &[Codec::Vp9]);
        check("", ("", "", ""), &[], &[]);
    }
}
