"""Sends a test picture and a tone by WHIP with GStreamer's webrtcbin. Arguments: URL, bearer token.

GStreamer 1.22 makes RSA certificates, which the node's DTLS does not take: CERTIFICATE holds an ECDSA one in PEM.
"""

import hashlib
import json
import os
import re
import ssl
import sys
import threading
import urllib.error
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1
  ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=60 target-bitrate=600000 error-resilient=default
  ! rtpvp8pay picture-id-mode=15-bit ! queue ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
audiotestsrc is-live=true wave=sine freq=440 volume=0.4 ! audioconvert ! audioresample ! opusenc
  ! rtpopuspay ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
"""


class Sender:
    def __init__(self, url, token):
        self.url, self.token, self.resource = url, token, None
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.pipeline.connect("deep-element-added", self.added)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.negotiate)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("notify::connection-state", self.connected)
        self.sent = False

    def added(self, _, __, element):
        factory = element.get_factory()
        if factory and factory.get_name() == "dtlssrtpdec":
            element.set_property("pem", os.environ["CERTIFICATE"])

    def start(self):
        self.pipeline.set_state(Gst.State.PLAYING)

    def negotiate(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise, _):
        promise.wait()
        # The reply owns the offer and must outlive its use; the offer owns its text only once that was read.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        offer.sdp.as_text()
        self.peer.emit("set-local-description", offer, Gst.Promise.new())

    def gathered(self, peer, _):
        if peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE or self.sent:
            return
        self.sent = True
        offer = peer.get_property("local-description").sdp.as_text()
        # webrtcbin took the print of its own certificate before it got ours.
        offer = re.sub("a=fingerprint:.*", f"a=fingerprint:sha-256 {fingerprint()}", offer)
        threading.Thread(target=self.post, args=(offer,), daemon=True).start()

    def post(self, offer):
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url, offer.encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request) as response:
                self.resource = urljoin(self.url, response.headers["Location"])
                answer = response.read().decode()
                say("created", status=response.status, etag=response.headers.get("ETag"))
        except urllib.error.HTTPError as error:
            say("refused", status=error.code, body=error.read().decode("utf-8", "replace"), offer=offer)
            return
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())

    def connected(self, peer, _):
        say("state", state=peer.get_property("connection-state").value_nick)

    def delete(self):
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.resource, headers=headers, method="DELETE")
        with urllib.request.urlopen(request) as response:
            return response.status


def fingerprint():
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    pem = begin + os.environ["CERTIFICATE"].partition(begin)[2].partition(end)[0] + end
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest())


def say(name, **detail):
    sys.stderr.write(json.dumps({"name": name, **detail}) + "\n")
    sys.stderr.flush()


def questions(sender):
    for line in sys.stdin:
        ask = json.loads(line)
        answer = {"result": None}
        try:
            if ask["do"] == "delete":
                answer = {"result": sender.delete()}
            elif ask["do"] == "state":
                answer = {"result": sender.peer.get_property("connection-state").value_nick}
        except Exception as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps({"id": ask["id"], **answer}) + "\n")
        sys.stdout.flush()


def main():
    Gst.init(None)
    sender = Sender(sys.argv[1], sys.argv[2])
    threading.Thread(target=questions, args=(sender,), daemon=True).start()
    sender.start()
    GLib.MainLoop().run()


main()
