"""A chat client written from docs/im.md alone, by the `websockets` library, driven by lines of JSON."""

import asyncio
import base64
import json
import secrets

import lines
import websockets
from wait import protocol_timer

GAP_S = 0.3
ACK_EVERY_PUSHES = 50


class Refused(Exception):
    """An `error` frame."""


class Chatter:
    """Somebody with one device."""

    def __init__(self):
        self.rid = 0
        self.waiting = {}
        self.pushes = []
        self.pushed = {}
        self.logs = {}
        self.ahead = {}
        self.handled = 0
        self.acked = 0
        self.tasks = set()

    def _spawn(self, work):
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, ask):
        self.socket = await websockets.connect(ask["url"] + "/im/v1/ws", subprotocols=["stoa.im.v1.json"])
        self._spawn(self._listen())
        return await self._ask({"connect": {"token": ask["token"], "device": ask["device"], "platform": "PLATFORM_LINUX"}})

    async def _listen(self):
        try:
            async for frame in self.socket:
                await self._take(json.loads(frame))
        finally:
            for answer in self.waiting.values():
                answer.set_exception(Refused(f"closed with {self.socket.close_code}"))
            self.waiting.clear()

    async def _take(self, frame):
        if "batch" in frame:
            for one in frame["batch"]["frames"]:
                await self._take(one)
            return
        rid = frame.pop("rid", 0)
        if rid:
            answer = self.waiting.pop(rid)
            if "error" in frame:
                answer.set_exception(Refused(json.dumps(frame["error"])))
            else:
                answer.set_result(next(iter(frame.values())))
            return
        if "push" in frame:
            self.handled = int(frame["push"])
            if self.handled - self.acked >= ACK_EVERY_PUSHES:
                self.acked = self.handled
                await self._say({"ack": {"push": str(self.handled)}})
        self.pushes.append(frame)
        if "message" in frame:
            self._noted(frame["message"])
        if "hint" in frame:
            self._spawn(self._behind(frame["hint"]["conversation"], int(frame["hint"]["head"])))

    def _noted(self, push):
        conversation, seq = push["conversation"], int(push["message"]["seq"])
        times = self.pushed.setdefault(conversation, {})
        times[seq] = times.get(seq, 0) + 1
        self._keep(conversation, push["message"])
        if self.ahead[conversation]:
            self._spawn(self._behind(conversation, seq))

    def _keep(self, conversation, message):
        log, ahead = self.logs.setdefault(conversation, []), self.ahead.setdefault(conversation, {})
        if int(message["seq"]) > len(log):
            ahead[int(message["seq"])] = message
        while len(log) + 1 in ahead:
            log.append(ahead.pop(len(log) + 1))

    async def _behind(self, conversation, head):
        await protocol_timer(GAP_S)
        while len(self.logs.setdefault(conversation, [])) < head:
            page = await self._ask({"pull": {"conversation": conversation, "from": str(len(self.logs[conversation]) + 1)}})
            for message in page.get("messages", []):
                self._keep(conversation, message)
            if "next" not in page:
                break

    async def _say(self, body):
        self.rid += 1
        await self.socket.send(json.dumps({"rid": self.rid, **body}))

    async def _ask(self, body):
        answer = asyncio.get_running_loop().create_future()
        self.waiting[self.rid + 1] = answer
        await self._say(body)
        return await answer

    async def ask(self, ask):
        return await self._ask(ask["body"])

    async def say(self, ask):
        """Sends texts one after the other, each until it is stored."""
        seqs = []
        for words in ask["texts"]:
            send = {ask["to"]: ask["whom"], "cmid": base64.b64encode(secrets.token_bytes(16)).decode(), "content": {"text": {"text": words}}}
            seqs.append(int((await self._ask({"send": send}))["seq"]))
        return seqs

    async def messages(self, ask):
        return self.logs.get(ask["conversation"], [])

    async def times(self, ask):
        return self.pushed.get(ask["conversation"], {})

    async def told(self, ask):
        return [push[ask["kind"]] for push in self.pushes if ask["kind"] in push]


async def main():
    chatter = Chatter()
    await lines.serve({name: getattr(chatter, name) for name in ("connect", "ask", "say", "messages", "times", "told")})


asyncio.run(main())
