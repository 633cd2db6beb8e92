//! Deadlines: rooms that expire, sessions whose media never came, news of large rooms.

use proto::{
    id::ParticipantSid,
    room::{Command, LeaveReason, command::Action},
};

use super::{Continuation, Control, Replica, session::Activation};

/// Rooms closed in one tick at most, so that a flood of expiries does not hold up calls.
const EXPIRIES_MAX: usize = 64;

impl<R: Replica> Control<R> {
    pub(super) fn on_tick(&mut self) {
        let now = self.now();
        for _ in 0..EXPIRIES_MAX {
            let Some((at, room)) = self.replica.state().next_expiry() else {
                break;
            };
            if at > now {
                break;
            }
            self.submit(&Command { room, action: Action::Expire }, Continuation::None);
            while let Some(applied) = self.replica.try_applied() {
                self.on_applied(applied);
            }
        }
        let late: Vec<ParticipantSid> = self
            .sessions
            .values()
            .filter(|s| matches!(s.activation, Activation::Waiting { until } if until <= now))
            .map(|session| session.sid.clone())
            .collect();
        for sid in late {
            tracing::info!(participant = %sid, "no media connection came up in time");
            self.end_session(&sid, LeaveReason::MediaFailed, false);
        }
        self.end_simulated_speakers(now);
        self.flush_all_news();
    }
}
