//! The one thing read from a STUN request before its owner is known: whom it is for.

/// STUN's magic cookie (RFC 8489 section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The USERNAME attribute (RFC 8489 section 14.3).
const USERNAME: u16 = 0x0006;

/// Attributes looked at before giving up; a binding request of a browser has eight.
const ATTRIBUTES_MAX: usize = 32;

/// Whether a datagram is STUN (RFC 7983 section 7 and the cookie).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=3, _, _, _, cookie @ ..] if cookie.starts_with(&COOKIE))
}

/// The receiver's half of the user name of a binding request; `None` when it is no binding request or has none.
#[must_use]
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut rest) = datagram.split_at_checked(20)?;
    let [0, 1, high, low, cookie @ ..] = header else { return None };
    if !cookie.starts_with(&COOKIE) {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    rest = rest.get(..length)?;
    for _ in 0..ATTRIBUTES_MAX {
        let (head, body) = rest.split_at_checked(4)?;
        let [kind_high, kind_low, len_high, len_low] = head else { return None };
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        let value = body.get(..len)?;
        if u16::from_be_bytes([*kind_high, *kind_low]) == USERNAME {
            let name = core::str::from_utf8(value).ok()?;
            return name.split_once(':').map(|(local, _)| local);
        }
        rest = body.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests;
