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
        /// Every error a client can meet, by number: 1xxx access and protocol, 2xxx rooms, 3xxx chat, 4xxx media, 5xxx node, 9xxx internal.
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
    1015 KeyReused "the idempotency key was used for another request" "Use a fresh key for every request.";
    1016 TooSlow "the client reads too slowly" "Connect again and resume; read faster, or ask for less.";
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
    3001 AccountNotFound "the account does not exist" "Check the id; a deleted account does not come back.";
    3002 AccountExists "the account id is taken" "Use another id, or log in.";
    3003 AccountDisabled "the account is disabled" "Ask an administrator.";
    3004 SessionEnded "the session has ended" "Log in again.";
    3005 RefreshInvalid "the refresh token is not valid" "Log in again.";
    3006 ActorMissing "the action needs a user in whose name it is done" "Name the acting user in the request.";
    3007 ChatNotPermitted "the role or the account does not allow this" "Ask somebody who may; roles are in docs/.";
    3008 Oneself "this cannot be done with oneself" "Name another account.";
    3009 NotFriends "the account is not a friend" "Become friends first.";
    3010 RequestNotFound "there is no such request, or it has been answered" "Fetch the requests again.";
    3011 ContactRefused "the account does not accept this from others" "Nothing can be done but to be invited by it.";
    3012 Blocked "one of the accounts has blocked the other" "Unblock it, or leave it be.";
    3013 FriendGroupNotFound "there is no such friend group" "Fetch the friend groups again.";
    3014 GroupNotFound "the group does not exist" "Check the id; a dismissed group does not come back.";
    3015 GroupExists "the group id is taken" "Use another id.";
    3016 NotMember "the account is not a member" "Join first, or ask for members again.";
    3017 AlreadyMember "the account is a member already" "Nothing needs to be done.";
    3018 JoinClosed "the group does not admit this way" "Ask an administrator of the group.";
    3019 Banned "the account is kept out of the group" "Ask an administrator of the group.";
    3020 Muted "the member or the whole group is muted" "Wait until the time in the message.";
    3021 OwnerStays "the owner cannot leave the group" "Transfer or dismiss the group.";
    3022 KindForbids "groups of this kind do not have this" "See docs/ for what each kind of group has.";
    3023 AttributeChanged "the attribute was changed by somebody else" "Fetch it and repeat with its version.";
    3024 CounterOverflow "the counter would overflow" "Remove the counter and begin again.";
    3025 ConversationNotFound "there is no such conversation for the account" "A private conversation opens with its first message.";
    3026 MessageNotFound "there is no such message, or no longer" "Fetch the history again.";
    3027 TooLate "the time to change the message is over" "Nothing can be done; an administrator still may.";
    3028 ContentInvalid "this content cannot be sent" "Correct the content; the message says why.";
    3029 GroupTooLarge "the group is too large for this" "See docs/ for limits by size.";
    3030 FieldLength "a field is empty, too long or too large" "Correct the field; the message names it and its limit.";
    3031 TooMany "there are too many of something" "Remove some first; the message names what.";
    3032 KeyUsed "the client key was used for something else" "Make another key for another request.";
    3033 OutOfOrder "an imported message is older than the last one of its conversation" "Import in order of time, before the conversation is used.";
    3040 PasswordWrong "the user or the password is wrong" "Check both; after several tries wait as long as the retry field says.";
    3041 SignUpClosed "accounts cannot be made here by oneself" "Ask an administrator for an account.";
    3042 PasswordWeak "the password is shorter than 8 or longer than 256 bytes" "Use another password.";
    3050 LiveThrottled "the live room takes no more messages of this priority now" "Wait as long as the retry field says; the message was not sent.";
    3051 LiveNotJoined "the client is not in the live room" "Join it first.";
    3052 LiveUnavailable "nobody orders the live room at the moment" "Try again after the retry field says; another node takes it over.";
    4001 SdpMalformed "the session description could not be read" "Correct the SDP; the message says where it fails.";
    4002 SdpUnacceptable "the session description offers nothing that can be used" "Offer VP8, H.264, VP9, AV1 or Opus with ICE and DTLS.";
    4003 CandidateMalformed "the ICE candidate could not be read" "Send the candidate as the browser gave it.";
    4004 MediaTimeout "no media connection came up in time" "Check that the UDP or TCP media ports are reachable.";
    4005 PreconditionFailed "the session was changed by somebody else" "Fetch the current entity tag and repeat.";
    5001 NodeOverloaded "the node takes no more work now" "Try another node, or wait as long as the retry field says.";
    5002 NodeDraining "the node is shutting down" "Join through another node.";
    5003 OutcomeUnknown "it is not known whether the request had its effect" "Repeat it with the same key: it is done once.";
    5004 NoLeader "the cluster has no leader now" "Try again after the retry field says, here or at another node.";
    5010 ClusterUnchanged "the cluster was not changed" "The message says why.";
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
