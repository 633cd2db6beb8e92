//! Who is told what became of a message.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::LiveError;
use crate::{
    error::Error,
    im::{
        mailbox::Mailbox,
        op::output,
        wire::pb::{self, server_frame::Body},
    },
};

/// Who waits for what became of a message.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A client.
    Client(Arc<Mailbox>, u32),
    /// The back end.
    Caller(oneshot::Sender<Result<pb::LiveSent, LiveError>>),
}

impl Waiter {
    pub(super) fn tell(self, result: Result<pb::LiveSent, LiveError>) {
        match self {
            Self::Client(mailbox, rid) => {
                let refused = |error: LiveError| Body::Error(output::error(&Error::from(error)));
                mailbox.answer(rid, result.map_or_else(refused, Body::LiveSent));
            }
            // Who asked may be gone.
            Self::Caller(back) => drop(back.send(result)),
        }
    }
}
