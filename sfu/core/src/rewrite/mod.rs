//! The numbers of a slot: sequence, time and picture fields that go on over changes of encoding.
//!
//! Hot path: constant work per packet, no allocation in steady state.

mod gapless;
mod picture;

use core::time::Duration;

use proto::{
    media::{MediaKind, Quality, RtpTime, SeqNo},
    time::Instant,
};

use crate::{
    input::{Packet, Picture, PictureId, SenderClock, Vp8},
    output::Rewrite,
    rewrite::{
        gapless::Gapless,
        picture::{PictureIds, Wrapping},
    },
};

/// Every temporal layer: VP8 and VP9 have at most 8.
pub(crate) const TEMPORAL_ALL: u8 = 7;

/// Sender reports that would move a picture further than this from where its arrival puts it are not believed.
const ALIGN_ERROR_MAX: Duration = Duration::from_secs(3);

/// Which stream of a track a slot's packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) quality: Quality,
    /// Changes when the encoding's numbers start over.
    pub(crate) generation: u32,
}

/// Sender clocks at a change of origin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    pub(crate) old: Option<SenderClock>,
    pub(crate) new: Option<SenderClock>,
}

/// A packet's numbers towards the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) seq: SeqNo,
    pub(crate) time: RtpTime,
    pub(crate) rewrite: Rewrite,
}

/// The maps of one slot.
#[derive(Clone, Debug)]
pub(crate) struct Rewriter {
    /// Where packets come from; `None` until the first.
    origin: Option<Origin>,
    seq: Gapless,
    time: TimeMap,
    layers: Layers,
    pictures: PictureIds,
    tl0: Wrapping,
    key_index: Wrapping,
}

impl Rewriter {
    /// Maps for a slot whose first packet gets the sequence number `first`, 1..=65535.
    pub(crate) const fn new(first: u16) -> Self {
        let first = if first == 0 { 1 } else { first };
        Self {
            origin: None,
            seq: Gapless::starting_at(first as u64),
            time: TimeMap { shift: 0, last: RtpTime(0), last_at: Instant(0), slip: 0 },
            layers: Layers { target: TEMPORAL_ALL, limit: TEMPORAL_ALL, frame: Frame::None },
            pictures: PictureIds::new(),
            tl0: Wrapping::new(0xff),
            key_index: Wrapping::new(0x1f),
        }
    }

    pub(crate) const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Chooses the highest temporal layer to forward. It takes effect at a picture's start.
    pub(crate) const fn set_temporal(&mut self, layer_max: u8) {
        self.layers.target = layer_max;
    }

    /// The next packet, `packet`, begins another origin.
    pub(crate) fn begin(&mut self, origin: Origin, packet: &Packet, clocks: Clocks) {
        if self.origin.is_some() {
            self.time.rebase(packet, clocks);
        } else {
            self.time.last_at = packet.arrived_at;
            self.time.last = packet.time.wrapping_add(1_u32.wrapping_neg());
        }
        self.origin = Some(origin);
        self.seq.rebase(packet.seq.0);
        self.layers.limit = self.layers.target;
        self.layers.frame = Frame::None;
        self.pictures.rebase();
        self.tl0.rebase();
        self.key_index.rebase();
    }

    /// Maps a packet of the current origin; `None` when it is not to be forwarded.
    pub(crate) fn map(&mut self, packet: &Packet) -> Option<Numbers> {
        if packet.payload_len == 0 {
            // Padding: it probed the way to us, not to the viewer.
            self.seq.skip(packet.seq.0);
            return None;
        }
        let rewrite = match packet.picture {
            Picture::Opaque { .. } => Rewrite::None,
            Picture::Vp8(vp8) => {
                if !self.layers.wants(packet.time, &vp8) {
                    self.seq.skip(packet.seq.0);
                    if let Some(id) = vp8.picture_id {
                        self.pictures.skip(id);
                    }
                    return None;
                }
                self.fields(vp8.picture_id, vp8.tl0, vp8.key_index)?
            }
            Picture::Vp9(vp9) => self.fields(vp9.picture_id, vp9.tl0, None)?,
        };
        let seq = SeqNo(self.seq.pass(packet.seq.0)?);
        Some(Numbers { seq, time: self.time.pass(packet), rewrite })
    }

    fn fields(
        &mut self,
        picture_id: Option<PictureId>,
        tl0: Option<u8>,
        key_index: Option<u8>,
    ) -> Option<Rewrite> {
        let picture_id = match picture_id {
            Some(id) => Some(self.pictures.pass(id)?),
            None => None,
        };
        Some(Rewrite::Picture {
            picture_id,
            tl0: tl0.map(|value| self.tl0.pass(value)),
            key_index: key_index.map(|value| self.key_index.pass(value)),
        })
    }
}

/// RTP time towards the subscriber: the origin's time plus a shift.
#[derive(Clone, Debug)]
struct TimeMap {
    /// Out minus in, wrapping.
    shift: u32,
    /// Highest time that went out.
    last: RtpTime,
    /// When its packet arrived.
    last_at: Instant,
    /// Ticks by which the current origin runs later than its clock says, because time must not stand still at a change.
    slip: u32,
}

impl TimeMap {
    fn pass(&mut self, packet: &Packet) -> RtpTime {
        let out = packet.time.wrapping_add(self.shift);
        if out.distance_from(self.last) > 0 {
            self.last = out;
            self.last_at = packet.arrived_at;
        }
        out
    }

    fn rebase(&mut self, packet: &Packet, clocks: Clocks) {
        let hz = packet.codec.clock_hz();
        let elapsed = ticks(packet.arrived_at.since(self.last_at), hz);
        let by_arrival = self.last.wrapping_add(elapsed);
        let step = match packet.codec.kind() {
            MediaKind::Audio => hz / 50,
            MediaKind::Video => hz / 60,
        };
        let earliest = self.last.wrapping_add(step);
        let aligned = self.align(packet, clocks).filter(|time| {
            time.distance_from(by_arrival).unsigned_abs() <= ticks(ALIGN_ERROR_MAX, hz)
        });
        let wanted = aligned.unwrap_or(by_arrival);
        let late = earliest.distance_from(wanted);
        let out = if late > 0 { earliest } else { wanted };
        self.slip = if aligned.is_some() { late.max(0).unsigned_abs() } else { 0 };
        self.shift = out.0.wrapping_sub(packet.time.0);
    }

    /// Where the sender's clocks put a packet of the new origin in the old one's outgoing time.
    fn align(&self, packet: &Packet, clocks: Clocks) -> Option<RtpTime> {
        let (old, new) = (clocks.old?, clocks.new?);
        let between = new.wallclock_us.wrapping_sub(old.wallclock_us).cast_signed();
        let magnitude =
            ticks(Duration::from_micros(between.unsigned_abs()), packet.codec.clock_hz());
        let apart = if between < 0 { magnitude.wrapping_neg() } else { magnitude };
        let since_report = packet.time.0.wrapping_sub(new.time.0);
        Some(
            old.time
                .wrapping_add(apart)
                .wrapping_add(since_report)
                .wrapping_add(self.shift)
                .wrapping_add(self.slip.wrapping_neg()),
        )
    }
}

/// The low 32 bits of a time in ticks.
#[expect(clippy::cast_possible_truncation, reason = "RTP time wraps at 32 bits")]
const fn ticks(time: Duration, hz: u32) -> u32 {
    (time.as_micros().wrapping_mul(hz as u128) / 1_000_000) as u32
}

/// Which temporal layers go out, decided picture by picture.
#[derive(Clone, Debug)]
struct Layers {
    /// Highest layer wanted.
    target: u8,
    /// Highest layer that goes out; rises only where the stream allows it.
    limit: u8,
    frame: Frame,
}

/// What was decided about the newest picture.
#[derive(Clone, Copy, Debug)]
enum Frame {
    None,
    Kept(RtpTime),
    Left(RtpTime),
}

impl Layers {
    fn wants(&mut self, time: RtpTime, vp8: &Vp8) -> bool {
        let newest = match self.frame {
            Frame::Kept(at) if at == time => return true,
            Frame::Left(at) if at == time => return false,
            Frame::None => None,
            Frame::Kept(at) | Frame::Left(at) => Some(at),
        };
        let layer = vp8.temporal.unwrap_or(0);
        if newest.is_some_and(|at| time.distance_from(at) < 0) {
            return layer <= self.limit;
        }
        self.limit = self.limit.min(self.target);
        if vp8.keyframe || (vp8.sync && layer <= self.target && layer > self.limit) {
            self.limit = if vp8.keyframe { self.target } else { layer };
        }
        let kept = layer <= self.limit;
        self.frame = if kept { Frame::Kept(time) } else { Frame::Left(time) };
        kept
    }
}

#[cfg(test)]
mod tests;
