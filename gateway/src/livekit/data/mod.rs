//! What is rewritten in a client's data message before others see it. Pure.
//!
//! Messages are edited at the protobuf wire level, not decoded and encoded: clients are newer than we are, and
//! fields that we do not know must reach the receiver. Who sent it and on which channel are ours to say.

use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use proto::{
    id::{Identity, ParticipantSid},
    media::Delivery,
};

#[cfg(test)]
mod tests;

/// Most receivers one message may name.
pub const RECEIVERS_MAX: usize = 10_000;

const KIND: u32 = 1;
const USER: u32 = 2;
const SPEAKER: u32 = 3;
const SENDER_IDENTITY: u32 = 4;
const RECEIVERS: u32 = 5;
const TRANSCRIPTION: u32 = 7;
const METRICS: u32 = 8;
const SEQUENCE: u32 = 16;
const SENDER_SID: u32 = 17;

const USER_SENDER_SID: u32 = 1;
const USER_RECEIVER_SIDS: u32 = 3;
const USER_SENDER_IDENTITY: u32 = 5;
const USER_RECEIVERS: u32 = 6;

/// Whose message it is.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The session.
    pub sid: &'a ParticipantSid,
    /// The user behind it.
    pub identity: &'a Identity,
    /// Hidden senders stay unnamed.
    pub hidden: bool,
    /// Only programmed participants may send transcriptions.
    pub agent: bool,
}

/// A message as its receivers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The new bytes.
    pub payload: Bytes,
    /// Who receives it; empty: everybody else.
    pub to: Vec<Identity>,
    /// The sender's number of it, 0 when it has none.
    pub sequence: u32,
}

/// Why a message is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// It is not a data message.
    #[error("the data message could not be read")]
    Malformed,
    /// It names too many receivers.
    #[error("the data message names more than {RECEIVERS_MAX} receivers")]
    Receivers,
    /// It is of a kind that clients may not send to each other.
    #[error("data messages of this kind are not forwarded")]
    NotForwarded,
    /// It names receivers by session only, which would make a private message public if it were ignored.
    #[error("receivers must be named by identity")]
    ReceiversBySession,
}

/// Rewrites `packet`, a `DataPacket` that came by `delivery` from `sender`.
///
/// # Errors
/// [`DataError`]; nothing is forwarded then.
pub fn rewrite(
    packet: &[u8],
    delivery: Delivery,
    sender: Sender<'_>,
) -> Result<Rewritten, DataError> {
    let (sid, identity) =
        if sender.hidden { ("", "") } else { (sender.sid.as_str(), sender.identity.as_str()) };
    let mut out = Vec::with_capacity(packet.len() + sid.len() + identity.len() + 16);
    let mut to = Receivers::default();
    let mut sequence = 0;
    for field in Fields(packet) {
        let field = field?;
        match (field.tag, field.value) {
            (KIND | SENDER_IDENTITY | SENDER_SID, _) => {}
            (SPEAKER | METRICS, _) => return Err(DataError::NotForwarded),
            (TRANSCRIPTION, _) if !sender.agent => return Err(DataError::NotForwarded),
            (USER, Value::Bytes(user)) => {
                let user = rewrite_user(user, (sid, identity), &mut to)?;
                put_bytes(USER, &user, &mut out);
            }
            (RECEIVERS, Value::Bytes(name)) => {
                to.add(name)?;
                out.extend_from_slice(field.raw);
            }
            (SEQUENCE, Value::Varint(number)) => {
                // uint32 on the wire: higher bits are dropped, as every decoder does.
                sequence = u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
                out.extend_from_slice(field.raw);
            }
            _ => out.extend_from_slice(field.raw),
        }
    }
    if to.by_session && to.names.is_empty() {
        return Err(DataError::ReceiversBySession);
    }
    if delivery == Delivery::Lossy {
        encode_key(KIND, WireType::Varint, &mut out);
        encode_varint(1, &mut out);
    }
    put_text(SENDER_IDENTITY, identity, &mut out);
    put_text(SENDER_SID, sid, &mut out);
    Ok(Rewritten { payload: out.into(), to: to.names, sequence })
}

/// The inner message of applications, whose deprecated copies of the sender's names are still read by clients.
fn rewrite_user(
    user: &[u8],
    (sid, identity): (&str, &str),
    to: &mut Receivers,
) -> Result<Vec<u8>, DataError> {
    let mut out = Vec::with_capacity(user.len() + sid.len() + identity.len() + 8);
    for field in Fields(user) {
        let field = field?;
        match (field.tag, field.value) {
            (USER_SENDER_SID | USER_SENDER_IDENTITY, _) => {}
            (USER_RECEIVERS, Value::Bytes(name)) => {
                to.add(name)?;
                out.extend_from_slice(field.raw);
            }
            (USER_RECEIVER_SIDS, _) => to.by_session = true,
            _ => out.extend_from_slice(field.raw),
        }
    }
    put_text(USER_SENDER_SID, sid, &mut out);
    put_text(USER_SENDER_IDENTITY, identity, &mut out);
    Ok(out)
}

#[derive(Default)]
struct Receivers {
    names: Vec<Identity>,
    by_session: bool,
}

impl Receivers {
    fn add(&mut self, name: &[u8]) -> Result<(), DataError> {
        if self.names.len() >= RECEIVERS_MAX {
            return Err(DataError::Receivers);
        }
        let name = std::str::from_utf8(name).map_err(|_| DataError::Malformed)?;
        self.names.push(Identity::from(name));
        Ok(())
    }
}

/// One field with its raw bytes, key included.
struct Field<'a> {
    tag: u32,
    value: Value<'a>,
    raw: &'a [u8],
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The top-level fields of a message. Groups, which proto3 does not have, are malformed.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<Field<'a>, DataError> {
        let whole = self.0;
        let mut rest = whole;
        let (tag, wire_type) = decode_key(&mut rest).map_err(|_| DataError::Malformed)?;
        let value = match wire_type {
            WireType::Varint => {
                Value::Varint(decode_varint(&mut rest).map_err(|_| DataError::Malformed)?)
            }
            WireType::LengthDelimited => {
                let len = decode_varint(&mut rest).map_err(|_| DataError::Malformed)?;
                let len = usize::try_from(len).map_err(|_| DataError::Malformed)?;
                Value::Bytes(take(&mut rest, len)?)
            }
            WireType::ThirtyTwoBit => take(&mut rest, 4).map(|_| Value::Fixed)?,
            WireType::SixtyFourBit => take(&mut rest, 8).map(|_| Value::Fixed)?,
            WireType::StartGroup | WireType::EndGroup => return Err(DataError::Malformed),
        };
        let raw = whole.get(..whole.len() - rest.len()).ok_or(DataError::Malformed)?;
        self.0 = rest;
        Ok(Field { tag, value, raw })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], DataError> {
    let taken = rest.get(..len).ok_or(DataError::Malformed)?;
    rest.advance(len);
    Ok(taken)
}

fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Empty text is the default and is not written.
fn put_text(tag: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(tag, text.as_bytes(), out);
    }
}
