//! Offers and answers of one connection.

use proto::{
    id::TrackKey,
    media::{MediaKind, Mid},
    time::Instant,
};
use str0m::{
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    media::Direction,
};

use super::{
    config::{Seat, ice},
    connection::{Connection, Held, Sink},
    data,
    downlink::Occupant,
};
use crate::{
    api::Section,
    error::Error,
    sdp::{self, Credentials, Edit, Outbound},
};

/// A description of the shard and what its sections carry.
pub(crate) struct Described {
    pub(crate) sdp: String,
    pub(crate) sections: Vec<Section>,
    /// Tracks that lost their section.
    pub(crate) displaced: Vec<TrackKey>,
}

/// What a connection waits for.
pub(super) enum Negotiation {
    /// Nothing.
    Stable,
    /// The client's answer to the shard's offer.
    Offered {
        pending: SdpPendingOffer,
        /// Credentials in the offer, when it restarts ICE.
        restart: Option<Credentials>,
    },
}

fn check_size(sdp: &str) -> Result<(), Error> {
    let (bytes, max) = (sdp.len(), sdp::SDP_BYTES_MAX);
    if bytes > max { Err(Error::TooLarge { bytes, max }) } else { Ok(()) }
}

impl Connection {
    /// Answers the client's offer. Tracks that wait get what sections the offer leaves free; those left over stay in
    /// `waiting`.
    pub(crate) fn accept_offer(
        &mut self,
        seat: &Seat,
        sdp: &str,
        waiting: &mut Vec<(MediaKind, Occupant)>,
        now: Instant,
    ) -> Result<Described, Error> {
        check_size(sdp)?;
        let offer = SdpOffer::from_sdp_string(sdp).map_err(Error::Description)?;
        waiting.retain(|(kind, occupant)| !self.downlink.assign(*kind, occupant.clone(), false));
        self.downlink.renew(&mut self.rtc);
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(Error::Negotiation)?;
        let mut text = answer.to_sdp_string();
        if let Some(old) = self.reroute(seat) {
            text = sdp::replace_credentials(&text, &old, &self.credentials);
        }
        let lines = sdp::lines(&text);
        let displaced = self.downlink.adopt(&lines);
        waiting.retain(|(kind, occupant)| !self.downlink.assign(*kind, occupant.clone(), false));
        self.described(now);
        self.uplink.renew(&self.rtc, &lines);
        self.downlink.mark_told();
        self.downlink.wire(&mut self.rtc);
        let sdp = sdp::rewrite(&text, |line| self.edit(line, Outbound::Nothing));
        Ok(Described { sections: self.sections(&lines), sdp, displaced })
    }

    /// A restart by the client made the library choose credentials; ours name the owner. Returns the library's.
    fn reroute(&mut self, seat: &Seat) -> Option<Credentials> {
        let chosen = self.rtc.direct_api().local_ice_credentials();
        if chosen.ufrag == self.credentials.ufrag {
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        self.credentials = seat.credentials(self.slot, self.generation);
        self.rtc.direct_api().set_local_ice_credentials(ice(&self.credentials));
        Some(Credentials { ufrag: chosen.ufrag, password: chosen.pass })
    }

    /// Makes the shard's offer, when there is something to offer and no offer is outstanding.
    pub(crate) fn make_offer(
        &mut self,
        seat: &Seat,
        data: bool,
        restart: bool,
    ) -> Option<Described> {
        if self.is_offering() {
            return None;
        }
        let open_channels = data && !self.channels_offered;
        let fresh = std::mem::take(&mut self.downlink.fresh);
        self.downlink.renew(&mut self.rtc);
        let mut api = self.rtc.sdp_api();
        if open_channels {
            for config in data::configs() {
                api.add_channel_with_config(config);
            }
            self.channels_offered = true;
        }
        for section in &self.downlink.sections {
            let wanted = section.occupant.as_ref().map(|occupant| occupant.track);
            if wanted == section.told {
                continue;
            }
            // Off and on again makes the library offer even when only the names change.
            api.set_direction(section.mid, Direction::Inactive);
            if wanted.is_some() {
                api.set_direction(section.mid, Direction::SendOnly);
            }
        }
        for (kind, occupant) in fresh {
            let library_kind = match kind {
                MediaKind::Audio => str0m::media::MediaKind::Audio,
                MediaKind::Video => str0m::media::MediaKind::Video,
            };
            let stream = Some(occupant.msid.stream.to_string());
            let track = Some(occupant.msid.track.to_string());
            let mid = api.add_media(library_kind, Direction::SendOnly, stream, track, None);
            if let Some(name) = Mid::new(&mid) {
                self.downlink.add(mid, name, kind, Some(occupant));
            }
        }
        let chosen = restart.then(|| api.ice_restart(true));
        let (offer, pending) = api.apply()?;
        let mut text = offer.to_sdp_string();
        let restart = chosen.map(|chosen| {
            self.generation = self.generation.wrapping_add(1);
            let new = seat.credentials(self.slot, self.generation);
            let old = Credentials { ufrag: chosen.ufrag, password: chosen.pass };
            text = sdp::replace_credentials(&text, &old, &new);
            new
        });
        self.negotiation = Negotiation::Offered { pending, restart };
        self.downlink.mark_told();
        let lines = sdp::lines(&text);
        let sdp = sdp::rewrite(&text, |line| self.edit(line, Outbound::Keep));
        Some(Described { sections: self.sections(&lines), sdp, displaced: Vec::new() })
    }

    /// Takes the client's answer; returns the requests that came too early for it, to be read again.
    pub(crate) fn accept_answer(
        &mut self,
        sdp: &str,
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<Vec<Held>, Error> {
        check_size(sdp)?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(Error::Description)?;
        let state = std::mem::replace(&mut self.negotiation, Negotiation::Stable);
        let Negotiation::Offered { pending, restart } = state else { return Err(Error::NoOffer) };
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(Error::Negotiation)?;
        if let Some(new) = restart {
            self.rtc.direct_api().set_local_ice_credentials(ice(&new));
            self.credentials = new;
        }
        self.described(now);
        self.downlink.wire(&mut self.rtc);
        self.flush(sink)?;
        Ok(std::mem::take(&mut self.held))
    }

    /// Whether the shard's offer has not been answered yet.
    pub(crate) fn is_offering(&self) -> bool {
        matches!(self.negotiation, Negotiation::Offered { .. })
    }

    /// Whether a description would say something new.
    pub(crate) fn is_stale(&self, data: bool) -> bool {
        self.downlink.is_stale() || (data && !self.channels_offered)
    }

    /// What is written into a section of the shard's description; `free` into one that carries nothing.
    fn edit(&self, line: &sdp::Line, free: Outbound) -> Edit {
        let occupant = self.downlink.section(line.mid).and_then(|s| s.occupant.as_ref());
        let mut edit = Edit { outbound: Outbound::Keep, opus: String::new() };
        if line.direction.sends() {
            edit.outbound = occupant.map_or(free, |occupant| {
                Outbound::Named(occupant.msid.stream.to_string(), occupant.msid.track.to_string())
            });
            if occupant.is_some_and(|occupant| occupant.stereo) {
                edit.opus.push_str(";stereo=1;sprop-stereo=1");
            }
        }
        if line.direction.receives() && line.kind == MediaKind::Audio {
            let binding = self.uplink.bindings.iter().find(|binding| binding.mid == line.mid);
            if !binding.is_some_and(|binding| binding.disable_dtx) {
                edit.opus.push_str(";usedtx=1");
            }
            if binding.is_some_and(|binding| binding.stereo) {
                edit.opus.push_str(";stereo=1;maxaveragebitrate=510000");
            }
        }
        edit
    }

    fn sections(&self, lines: &[sdp::Line]) -> Vec<Section> {
        let outbound = |line: &sdp::Line| {
            let section = self.downlink.section(line.mid).filter(|_| line.direction.sends())?;
            section.occupant.as_ref().map(|occupant| (occupant.track, occupant.msid.clone()))
        };
        lines
            .iter()
            .map(|line| Section {
                mid: line.mid,
                kind: line.kind,
                inbound: line.direction.receives(),
                outbound: outbound(line),
            })
            .collect()
    }
}
