//! Stable error numbers. A number is never reused; docs/errors.md is generated from this table.

use core::{fmt, time::Duration};

use crate::id::NodeId;

/// What a client may do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again.
    Never,
    /// The same request may succeed after this long.
    After(Duration),
    /// Another node must be asked.
    Elsewhere(NodeId),
}

macro_rules! codes {
    ($($number:literal $name:ident $text:literal $action:literal;)*) => {
        /// Every error a client can meet, by number: 1xxx access and protocol, 2xxx rooms, 4xxx media, 5xxx node, 9xxx internal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $text] $name = $number,)*
        }

        impl ErrorCode {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name, as written in error bodies.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What happened, for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What the client should do next.
            #[must_use]
            pub const fn action(self) -> &'static str {
                match self { $(Self::$name => $action,)* }
            }
        }
    };
}

codes! {
    1001 TokenMissing "no access token was sent" "Send the token in the access_token query parameter or as a bearer token.";
    1002 TokenMalformed "the access token is not a signed JWT of at most 16 KiB" "Make the token with a server SDK or `stoa token`.";
    1003 TokenUnknownKey "the access token was issued by an unknown API key" "Use one of the keys configured on the node.";
    1004 TokenForged "the access token's signature does not match its key" "Sign with the secret that belongs to the API key.";
    1005 TokenExpired "the access token has expired or is not valid yet" "Ask your back end for a new token; compare clocks.";
    1006 GrantMissing "the access token does not grant this" "Issue a token with the grant named in the message.";
    1007 WrongRoom "the access token is for another room" "Issue a token for the room that is asked for.";
    1008 IdentityMissing "the access token names no identity" "Set the token's subject to the participant's identity.";
    1010 MalformedRequest "the request could not be read" "Correct the request; the message says which part.";
    1011 RequestTooLarge "the request is larger than its limit" "Send less; the message names the limit.";
    1012 RateLimited "too many requests" "Wait as long as the retry field says, then try again.";
    1013 NotFound "there is no such resource" "Check the path against docs/.";
    1014 UnsupportedRequest "the request is known but not supported here" "See docs/compatibility.md for what is supported.";
    2001 RoomNotFound "the room does not exist" "Create the room, or check its name.";
    2002 RoomFull "the room has as many participants as it may have" "Wait for somebody to leave, or raise max_participants.";
    2003 ParticipantNotFound "there is no such participant in the room" "List the participants and use one of their identities.";
    2004 TrackNotFound "there is no such track in the room" "List the participant's tracks and use one of their ids.";
    2005 NotPermitted "the participant's permissions do not allow this" "Ask a moderator to change the permission.";
    2006 NameTooLong "a name or identity is longer than 256 bytes" "Use a shorter one.";
    2007 MetadataTooLarge "metadata or attributes are larger than their limit" "Keep metadata below 512 KiB and attributes below 64 KiB.";
    2008 TooManyTracks "the participant publishes as many tracks as it may" "Unpublish a track first.";
    2009 RemoteUnmuteDisabled "a moderator may not unmute somebody else's track" "Ask the participant to unmute, or enable remote unmute in the configuration.";
    2010 StaleSession "the session is no longer known" "Join again.";
    2011 RoomExists "the room exists with other settings" "Use the existing room or delete it first.";
    2012 NothingPublished "the room has nothing to watch" "Wait until somebody publishes.";
    4001 SdpMalformed "the session description could not be read" "Correct the SDP; the message says where it fails.";
    4002 SdpUnacceptable "the session description offers nothing that can be used" "Offer VP8, H.264, VP9, AV1 or Opus with ICE and DTLS.";
    4003 CandidateMalformed "the ICE candidate could not be read" "Send the candidate as the browser gave it.";
    4004 MediaTimeout "no media connection came up in time" "Check that the UDP or TCP media ports are reachable.";
    4005 PreconditionFailed "the session was changed by somebody else" "Fetch the current entity tag and repeat.";
    5001 NodeOverloaded "the node takes no more work now" "Try another node, or wait as long as the retry field says.";
    5002 NodeDraining "the node is shutting down" "Join through another node.";
    9001 Internal "the node failed to do this" "Report the request id to the operator.";
}

impl ErrorCode {
    /// The stable number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn every_number_is_used_once_and_ascends() {
        let numbers: alloc::vec::Vec<u16> = ErrorCode::ALL.iter().map(|c| c.number()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}
