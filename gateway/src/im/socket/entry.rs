//! From an open socket to a session: the first frame, the token, a session that goes on or a new one.

use std::sync::Arc;

use proto::{error::ErrorCode, im::id::DeviceId};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    Who,
    guest::Guest,
    pipe::{Incoming, Pipe},
    session::Session,
    who_of,
};
use crate::{
    error::Error,
    im::{
        chat::Chat,
        mailbox::{Close, Mailbox, Owner},
        op::output,
        token::User,
        wire::{
            Codec,
            pb::{self, client_frame, server_frame::Body},
        },
    },
};

/// Runs a socket to its end.
pub(super) async fn enter(
    chat: Chat,
    mut pipe: Pipe,
    who: Option<Who>,
    permit: OwnedSemaphorePermit,
) {
    // Boxed: an idle session does not carry what was needed to let it in.
    match Box::pin(admit(&chat, &mut pipe, who)).await {
        Ok(admitted) => Session::new(chat, pipe, admitted).run(permit).await,
        Err((close, error)) => {
            metrics::counter!("stoa_im_sockets_refused_total").increment(1);
            pipe.close(close, error.as_ref().map(output::error)).await;
        }
    }
}

/// A client that is in.
pub(super) struct Admitted {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) socket: u64,
    pub(super) expires_at_s: u64,
    pub(super) guest: Option<Box<Guest>>,
}

type Refusal = (Close, Option<Error>);

async fn admit(chat: &Chat, pipe: &mut Pipe, who: Option<Who>) -> Result<Admitted, Refusal> {
    let (rid, connect) = first_frame(chat, pipe).await?;
    let who = match who {
        Some(who) if connect.token.is_empty() => who,
        _ => who_of(chat, &connect.token).map_err(refused)?,
    };
    let user = match who {
        Who::User(user) => user,
        Who::Guest(guest) => return admit_guest(chat, pipe, rid, guest).await,
    };
    chat.check_access(&user).await.map_err(refused)?;
    let device = device_of(&user, &connect)?;
    let resumed = connect
        .resume
        .as_ref()
        .and_then(|resume| resume_session(chat, &user, &device, resume, pipe.codec));
    let expires_at_s = user.expires_at_s;
    let (is_resumed, user_name) = (resumed.is_some(), user.user.clone());
    let (mailbox, socket, missed) = match resumed {
        Some(found) => found,
        None => {
            let owner = Owner { user: user.user, device, login: user.login, epoch: user.epoch };
            let (mailbox, socket) = begin_session(chat, owner, pipe.codec).await?;
            (mailbox, socket, Vec::new())
        }
    };
    let name = user_name.to_string();
    let connected = connected(chat, &mailbox, (name, expires_at_s), is_resumed);
    let frame = pb::ServerFrame { rid, push: 0, body: Some(Body::Connected(connected)) };
    let admitted = Admitted { mailbox, socket, expires_at_s, guest: None };
    let mut sent = pipe.send(pipe.codec.encode(&frame)).await;
    for frame in missed {
        if sent.is_ok() {
            sent = pipe.send(frame).await;
        }
    }
    // A socket that broke meanwhile is noticed by the session, which then waits for the next one.
    Ok(admitted)
}

/// Somebody with the token of a call. There is nothing to load, nothing to resume, and nobody is told.
async fn admit_guest(
    chat: &Chat,
    pipe: &mut Pipe,
    rid: u32,
    guest: Box<Guest>,
) -> Result<Admitted, Refusal> {
    let mailbox = Guest::mailbox(chat, pipe.codec).map_err(refused)?;
    let socket = mailbox.reopen();
    let expires_at_s = guest.expires_at_s;
    let connected = connected(chat, &mailbox, (guest.speaker.id.clone(), expires_at_s), false);
    let frame = pb::ServerFrame { rid, push: 0, body: Some(Body::Connected(connected)) };
    metrics::counter!("stoa_im_guests_total").increment(1);
    // A socket that broke meanwhile is noticed by the session.
    let _sent = pipe.send(pipe.codec.encode(&frame)).await;
    Ok(Admitted { mailbox, socket, expires_at_s, guest: Some(guest) })
}

async fn first_frame(chat: &Chat, pipe: &mut Pipe) -> Result<(u32, pb::Connect), Refusal> {
    let patience = chat.config.limits.connect_after_max;
    let first = async {
        loop {
            match pipe.next().await {
                Incoming::Alive => {}
                other => return other,
            }
        }
    };
    match timeout(patience, first).await {
        Ok(Incoming::Frame(frame)) => match *frame {
            pb::ClientFrame { rid, body: Some(client_frame::Body::Connect(connect)) } => {
                Ok((rid, connect))
            }
            _ => Err((Close::BadFrame, Some(Error::Malformed("the first frame is not connect")))),
        },
        Ok(Incoming::Unreadable | Incoming::Alive) => Err((Close::BadFrame, None)),
        Ok(Incoming::Lost) => Err((Close::Gone, None)),
        Err(_) => Err((Close::Idle, None)),
    }
}

/// The device of the token, of the first frame, or, for tokens without one, a name of its own for each.
fn device_of(user: &User, connect: &pb::Connect) -> Result<DeviceId, Refusal> {
    let malformed = || (Close::BadFrame, Some(Error::Malformed("device is not an id")));
    let asked = match connect.device.as_str() {
        "" => None,
        text => Some(DeviceId::try_from(text).map_err(|_| malformed())?),
    };
    match (user.device.clone(), asked) {
        (Some(device), Some(asked)) if device != asked => {
            let error = Error::Malformed("device is not the token's");
            Err((Close::Unauthorized(ErrorCode::MalformedRequest), Some(error)))
        }
        (Some(device), _) | (None, Some(device)) => Ok(device),
        (None, None) => Err(malformed()),
    }
}

async fn begin_session(
    chat: &Chat,
    owner: Owner,
    codec: Codec,
) -> Result<(Arc<Mailbox>, u64), Refusal> {
    let id = u128::from_be_bytes(chat.mint.bytes());
    let mailbox = Arc::new(Mailbox::new(id, owner, codec));
    let socket = mailbox.reopen();
    let name = &mailbox.owner.user;
    let must_load = chat.hub(|hub| hub.attach(Instant::now(), Arc::clone(&mailbox)));
    if must_load && let Err(error) = chat.load(name).await {
        chat.hub(|hub| {
            hub.disconnected(Instant::now(), name);
            hub.detach(&mailbox);
        });
        return Err(refused(error));
    }
    Ok((mailbox, socket))
}

/// The session that goes on, the number of its new socket, and what its client missed. In one step, so that it does
/// not end meanwhile.
fn resume_session(
    chat: &Chat,
    user: &User,
    device: &DeviceId,
    resume: &pb::Resume,
    codec: Codec,
) -> Option<(Arc<Mailbox>, u64, Vec<bytes::Bytes>)> {
    let id = u128::from_str_radix(&resume.session, 16).ok()?;
    chat.hub(|hub| {
        let mailbox = hub.session(&user.user, id)?;
        let owner = &mailbox.owner;
        let is_same = owner.device == *device
            && owner.login == user.login
            && owner.epoch == user.epoch
            && mailbox.codec == codec;
        if !is_same {
            return None;
        }
        let missed = mailbox.missed(resume.push)?;
        let socket = mailbox.reopen();
        hub.connected(Instant::now(), &user.user);
        metrics::counter!("stoa_im_sessions_resumed_total").increment(1);
        Some((mailbox, socket, missed))
    })
}

fn connected(
    chat: &Chat,
    mailbox: &Mailbox,
    (user, token_expires_at): (String, u64),
    resumed: bool,
) -> pb::Connected {
    let limits = &chat.config.limits;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    pb::Connected {
        session: mailbox.name(),
        user,
        server_time: chat.shared.clock.now().0,
        ping_every_ms: u32::try_from(limits.ping_every.as_millis()).unwrap_or(u32::MAX),
        resumed,
        limits: Some(pb::Limits {
            frame_bytes: number(limits.frame_bytes_max),
            frames_per_second: limits.frames_per_second,
            frames_burst: limits.frames_burst,
            sends_per_second: limits.sends_per_second,
            sends_burst: limits.sends_burst,
            pulls_per_second: limits.pulls_per_second,
            batch_frames: number(super::session::BATCH_FRAMES_MAX),
            requests_in_flight: number(limits.in_flight_max),
            presence_subscriptions: number(crate::im::hub::SUBSCRIPTIONS_MAX),
        }),
        token_expires_at,
    }
}

fn refused(error: Error) -> Refusal {
    let code = error.code();
    let close = match code {
        ErrorCode::AccountDisabled | ErrorCode::AccountNotFound | ErrorCode::GrantMissing => {
            Close::Forbidden(code)
        }
        // None of these is about the token: another try, here or elsewhere, may do.
        ErrorCode::NodeOverloaded
        | ErrorCode::NodeDraining
        | ErrorCode::NoLeader
        | ErrorCode::OutcomeUnknown
        | ErrorCode::Internal => Close::Draining,
        _ => Close::Unauthorized(code),
    };
    (close, Some(error))
}
