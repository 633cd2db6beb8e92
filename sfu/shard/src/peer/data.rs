//! Data channels of a connection, by their labels; messages wait in bounded queues.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::media::Delivery;
use str0m::{
    Rtc,
    channel::{ChannelConfig, ChannelId, Reliability},
};

use crate::counters::{Counters, Drop};

/// Messages of the reliable channel that wait for it to open or to drain, at most.
const QUEUE_MESSAGES_MAX: usize = 64;

/// Bytes of those messages at most.
const QUEUE_BYTES_MAX: usize = 256 * 1024;

/// The library tells when fewer bytes than this are in flight, so that the queue goes on.
const LOW_WATER_BYTES: usize = 64 * 1024;

const RELIABLE: &str = "_reliable";
const LOSSY: &str = "_lossy";
const DATA_TRACK: &str = "_data_track";

/// A message to several peers; shared, not copied.
pub(crate) type Payload = Bytes;

/// The channels of one connection.
#[derive(Debug, Default)]
pub(super) struct Channels {
    reliable: Option<ChannelId>,
    lossy: Option<ChannelId>,
    queue: VecDeque<Payload>,
    queued_bytes: usize,
}

/// Channels that a shard's own offer opens.
pub(super) fn configs() -> [ChannelConfig; 3] {
    let unreliable = |label: &str| ChannelConfig {
        label: label.to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..ChannelConfig::default()
    };
    let reliable = ChannelConfig { label: RELIABLE.to_owned(), ..ChannelConfig::default() };
    [reliable, unreliable(LOSSY), unreliable(DATA_TRACK)]
}

impl Channels {
    /// A channel opened; the first of its label counts.
    pub(super) fn on_open(
        &mut self,
        id: ChannelId,
        label: &str,
        rtc: &mut Rtc,
        counters: &Counters,
    ) {
        let place = match label {
            RELIABLE => &mut self.reliable,
            LOSSY => &mut self.lossy,
            // Data tracks are not forwarded; other labels are the client's own affair.
            _ => return,
        };
        *place = Some(id);
        if let Some(mut channel) = rtc.channel(id) {
            channel.set_buffered_amount_low_threshold(LOW_WATER_BYTES);
        }
        self.go_on(rtc, counters);
    }

    /// A channel closed.
    pub(super) fn on_close(&mut self, id: ChannelId) {
        for place in [&mut self.reliable, &mut self.lossy] {
            if *place == Some(id) {
                *place = None;
            }
        }
    }

    /// How a message that came on a channel was sent; `None` for channels that are not ours.
    pub(super) fn delivery(&self, id: ChannelId) -> Option<Delivery> {
        if self.reliable == Some(id) {
            Some(Delivery::Reliable)
        } else if self.lossy == Some(id) {
            Some(Delivery::Lossy)
        } else {
            None
        }
    }

    /// Sends a message, or queues it when it is reliable.
    pub(super) fn send(
        &mut self,
        rtc: &mut Rtc,
        delivery: Delivery,
        payload: &Payload,
        counters: &Counters,
    ) {
        match delivery {
            Delivery::Lossy => {
                if !self.lossy.is_some_and(|id| write(rtc, id, payload) == Written::Yes) {
                    counters.drop_one(Drop::Data);
                }
            }
            Delivery::Reliable => {
                let full = self.queue.len() >= QUEUE_MESSAGES_MAX
                    || self.queued_bytes + payload.len() > QUEUE_BYTES_MAX;
                if full {
                    counters.drop_one(Drop::Data);
                    return;
                }
                self.queued_bytes += payload.len();
                self.queue.push_back(payload.clone());
                self.go_on(rtc, counters);
            }
        }
    }

    /// Writes what waits, as far as it goes.
    pub(super) fn go_on(&mut self, rtc: &mut Rtc, counters: &Counters) {
        let Some(id) = self.reliable else { return };
        while let Some(payload) = self.queue.front() {
            match write(rtc, id, payload) {
                Written::Yes => {}
                Written::Later => return,
                Written::Never => counters.drop_one(Drop::Data),
            }
            self.queued_bytes -= self.queue.pop_front().map_or(0, |payload| payload.len());
        }
    }
}

#[derive(PartialEq, Eq)]
enum Written {
    Yes,
    Later,
    Never,
}

fn write(rtc: &mut Rtc, id: ChannelId, payload: &[u8]) -> Written {
    let Some(mut channel) = rtc.channel(id) else { return Written::Later };
    match channel.write(true, payload) {
        Ok(true) => Written::Yes,
        Ok(false) if payload.len() > QUEUE_BYTES_MAX => Written::Never,
        Ok(false) => Written::Later,
        Err(_) => Written::Never,
    }
}
