//! Settings of the whole installation: one row of the log, the same on every node.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use proto::im::{
    Answer, Command, Query, Settings, account::DevicePolicy, command::Action, query::Ask,
};

use super::{
    document::Extra,
    handle::{backend, caller, encode, object, respond},
};
use crate::{
    error::Error,
    im::{Chat, op::output::millis, wire::pb},
};

pub(super) const EXTRAS: &[Extra] = &[
    Extra {
        method: "GET",
        path: "/v1/settings",
        request: None,
        answer: "Settings",
        summary: "Settings of the whole installation.",
        secured: true,
        keyed: false,
        query: &[],
    },
    Extra {
        method: "PATCH",
        path: "/v1/settings",
        request: Some("Settings"),
        answer: "Settings",
        summary: "Changes settings; what is absent stays. Live log-ins stay until the next one. Back ends only.",
        secured: true,
        keyed: false,
        query: &[],
    },
];

pub(super) fn router() -> Router<Chat> {
    Router::new().route("/v1/settings", get(tell).patch(change))
}

async fn tell(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let (parts, _, _) = object(request).await?;
        caller(&chat, &parts.headers, parts.uri.query()).await?;
        write(&settings(&chat).await?)
    };
    respond(Box::pin(answer).await)
}

async fn change(State(chat): State<Chat>, request: Request) -> Response {
    let answer = async {
        let change: pb::Settings = backend(&chat, request, "Settings").await?;
        let settings = apply(settings(&chat).await?, &change)?;
        let action = Action::Configure(settings.clone());
        chat.change(Command { actor: Chat::by_backend(None), action }).await?;
        write(&settings)
    };
    respond(Box::pin(answer).await)
}

async fn settings(chat: &Chat) -> Result<Settings, Error> {
    let answer = chat.question(Query { viewer: None, ask: Ask::Settings }).await?;
    let Answer::Settings(settings) = *answer else { return Err(Error::Internal) };
    Ok(settings)
}

/// The settings with a change. A day is the least that anything is kept or waits.
fn apply(mut settings: Settings, change: &pb::Settings) -> Result<Settings, Error> {
    settings.devices = match change.devices() {
        pb::DevicePolicy::Unspecified => settings.devices,
        pb::DevicePolicy::Single => DevicePolicy::Single,
        pb::DevicePolicy::Dual => DevicePolicy::Dual,
        pb::DevicePolicy::Triple => DevicePolicy::Triple,
        pb::DevicePolicy::Multi => DevicePolicy::Multi,
    };
    let windows = [
        (&mut settings.recall_within, change.recall_within_ms),
        (&mut settings.edit_within, change.edit_within_ms),
        (&mut settings.delete_within, change.delete_within_ms),
    ];
    for (window, asked) in windows {
        *window = asked.map_or(*window, Duration::from_millis);
    }
    if let Some(asked) = change.retention_ms {
        settings.retention = (asked > 0).then(|| Duration::from_millis(asked));
    }
    if let Some(asked) = change.request_lives_ms {
        settings.request_lives = Duration::from_millis(asked);
    }
    let day = Duration::from_hours(24);
    if settings.retention.is_some_and(|kept| kept < day) || settings.request_lives < day {
        return Err(Error::Malformed("retention and the life of requests are a day at least"));
    }
    Ok(settings)
}

fn write(settings: &Settings) -> Result<Bytes, Error> {
    let devices = match settings.devices {
        DevicePolicy::Single => pb::DevicePolicy::Single,
        DevicePolicy::Dual => pb::DevicePolicy::Dual,
        DevicePolicy::Triple => pb::DevicePolicy::Triple,
        DevicePolicy::Multi => pb::DevicePolicy::Multi,
    };
    encode(&pb::Settings {
        devices: devices.into(),
        recall_within_ms: Some(millis(settings.recall_within)),
        edit_within_ms: Some(millis(settings.edit_within)),
        delete_within_ms: Some(millis(settings.delete_within)),
        retention_ms: Some(settings.retention.map_or(0, millis)),
        request_lives_ms: Some(millis(settings.request_lives)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::im::{Settings, account::DevicePolicy};

    use super::apply;
    use crate::im::wire::pb;

    #[test]
    fn what_is_absent_stays() {
        let change = pb::Settings {
            devices: pb::DevicePolicy::Single.into(),
            edit_within_ms: Some(0),
            ..pb::Settings::default()
        };
        let changed = apply(Settings::default(), &change).unwrap();
        let expected = Settings {
            devices: DevicePolicy::Single,
            edit_within: Duration::ZERO,
            ..Settings::default()
        };
        assert_eq!(changed, expected);
    }

    #[test]
    fn a_retention_of_an_instant_is_a_mistake_and_none_is_for_ever() {
        let change = |retention_ms| pb::Settings {
            retention_ms: Some(retention_ms),
            ..pb::Settings::default()
        };
        assert!(apply(Settings::default(), &change(1_000)).is_err());
        let kept = apply(Settings::default(), &change(100_000_000)).unwrap();
        assert_eq!(kept.retention, Some(Duration::from_secs(100_000)));
        assert_eq!(apply(kept, &change(0)).unwrap().retention, None);
    }
}
