//! Tests of the parsers and the choice (`bodies`, `choice`), and of the doors over HTTP (`doors`).

mod bodies;
mod choice;
mod doors;

/// What OBS and the like send: one sound and one picture, bundled.
pub(super) const SENDING: &str = "v=0\r\n\
o=- 1 1 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0 1\r\n\
a=ice-options:trickle\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
c=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:abcd\r\n\
a=ice-pwd:0123456789012345678901\r\n\
a=fingerprint:sha-256 AA\r\n\
a=setup:actpass\r\n\
a=mid:0\r\n\
a=sendonly\r\n\
a=msid:stream sound\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=fmtp:111 minptime=10;stereo=1;useinbandfec=1\r\n\
a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
c=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:abcd\r\n\
a=ice-pwd:0123456789012345678901\r\n\
a=mid:1\r\n\
a=sendonly\r\n\
a=rtpmap:96 VP8/90000\r\n";

/// The same, to receive.
pub(super) fn receiving() -> String {
    SENDING.replace("a=sendonly", "a=recvonly").replace("a=msid:stream sound\r\n", "")
}
