//! Deadlines: rooms that expire, sessions whose media never came, news of large rooms.

use proto::{
    id::{ParticipantSid, RoomName},
    room::{Command, LeaveReason, command::Action},
    time::LogTime,
};

use super::{Continuation, Control, Replica, session::Activation};

/// Rooms closed in one tick at most, so that a flood of expiries does not hold up calls.
const EXPIRIES_MAX: usize = 64;

impl<R: Replica> Control<R> {
    pub(super) fn on_tick(&mut self) {
        let now = self.now();
        if self.replica.leads() {
            self.expire_rooms(now);
        }
        self.look_for_leader();
        self.look_for_lost_nodes();
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

    /// Has the log close the rooms whose time has come. What is still on its way from the last tick is asked again, which is
    /// harmless.
    fn expire_rooms(&mut self, now: LogTime) {
        let due = self.replica.state().due(now).take(EXPIRIES_MAX);
        let due: Vec<RoomName> = due.cloned().collect();
        for room in due {
            self.submit(&Command { room, action: Action::Expire }, Continuation::None);
        }
    }
}
