use super::*;

fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut datagram = vec![0, 1];
    datagram.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    datagram.extend(COOKIE);
    datagram.extend([7; 12]);
    datagram.extend(body);
    datagram
}

#[test]
fn the_first_half_of_the_user_name_is_found_behind_other_attributes() {
    let datagram =
        request(&[(0x8022, b"agent"), (0x0006, b"mine:theirs"), (0x0024, &[1, 2, 3, 4])]);
    assert!(is_stun(&datagram));
    assert_eq!(local_ufrag(&datagram), Some("mine"));
}

#[test]
fn a_request_without_user_name_names_nobody() {
    assert_eq!(local_ufrag(&request(&[(0x8022, b"agent")])), None);
    assert_eq!(local_ufrag(&request(&[(0x0006, b"nocolon")])), None);
}

#[test]
fn cut_datagrams_name_nobody() {
    let datagram = request(&[(0x8022, b"agent"), (0x0006, b"mine:theirs")]);
    for len in 0..datagram.len() {
        assert_eq!(local_ufrag(&datagram[..len]), None, "{len}");
    }
}

#[test]
fn endless_attributes_are_not_followed() {
    let many: Vec<(u16, &[u8])> = (0..100).map(|_| (0x8022, &b""[..])).collect();
    assert_eq!(local_ufrag(&request(&many)), None);
}

#[test]
fn rtp_and_dtls_are_not_stun() {
    assert!(!is_stun(&[0x80, 96, 0, 0, 0x21, 0x12, 0xa4, 0x42]));
    assert!(!is_stun(&[22, 254, 253, 0, 0x21, 0x12, 0xa4, 0x42]));
    assert!(!is_stun(&[]));
}
