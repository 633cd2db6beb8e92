"""Receives a room's picture and sound by WHEP with aiortc, which is no browser's code. Arguments: URL, bearer token."""

import asyncio
import sys
from urllib.parse import urljoin

import aiohttp
import lines
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError


class Receiver:
    def __init__(self, url, token):
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}
        self.peer = RTCPeerConnection()
        self.seen = {"frames": 0, "width": 0, "samples": 0, "energy": 0.0}
        self.tasks = set()
        self.resource = None
        self.peer.on("track", self.track)

    async def start(self, _):
        self.peer.addTransceiver("video", direction="recvonly")
        self.peer.addTransceiver("audio", direction="recvonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        headers = {**self.headers, "Content-Type": "application/sdp"}
        async with aiohttp.ClientSession() as http, http.post(self.url, data=offer, headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                return {"status": response.status, "body": answer}
            self.resource = urljoin(self.url, response.headers["Location"])
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return {"status": 201}

    def track(self, track):
        task = asyncio.create_task(self.watch(track) if track.kind == "video" else self.hear(track))
        self.tasks.add(task)

    async def watch(self, track):
        try:
            while True:
                frame = await track.recv()
                self.seen["frames"] += 1
                self.seen["width"] = frame.width
        except MediaStreamError:
            pass

    async def hear(self, track):
        try:
            while True:
                samples = (await track.recv()).to_ndarray().astype(float) / 32768
                self.seen["samples"] += samples.size
                self.seen["energy"] += float((samples**2).mean())
        except MediaStreamError:
            pass

    async def received(self, _):
        return {**self.seen, "state": self.peer.connectionState}

    async def delete(self, _):
        async with aiohttp.ClientSession() as http, http.delete(self.resource, headers=self.headers) as response:
            return response.status


async def main():
    it = Receiver(sys.argv[1], sys.argv[2])
    await lines.serve({"start": it.start, "received": it.received, "delete": it.delete})


asyncio.run(main())
