use super::*;

#[test]
fn frames_come_apart_in_order() {
    let stream = [0, 2, 10, 11, 0, 1, 12, 0, 5, 1];
    let (first, rest) = split(&stream).unwrap().unwrap();
    assert_eq!(first, [10, 11]);
    let (second, rest) = split(rest).unwrap().unwrap();
    assert_eq!(second, [12]);
    assert_eq!(split(rest), Ok(None));
}

#[test]
fn a_stream_that_is_not_framed_is_refused() {
    assert_eq!(split(b"GET / HTTP/1.1"), Err(FrameTooLarge { len: 0x4745 }));
}

#[test]
fn half_a_header_waits() {
    assert_eq!(split(&[]), Ok(None));
    assert_eq!(split(&[0]), Ok(None));
}

#[test]
fn a_header_says_the_length() {
    assert_eq!(header(300), Some([1, 44]));
    assert_eq!(header(70_000), None);
}
