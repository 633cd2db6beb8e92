"""Runs the cases of the Autobahn WebSocket test suite against an echo server: `autobahn_cases.py HOST:PORT [PREFIX ..]`.

The suite's own driver needs Python 2 and an old Twisted, also in its newest release. Its case definitions say all: what to send,
what must come back, how the connection must end. They are taken from the installed package unchanged and run by a driver of
ours that does on a plain socket what theirs does. Their texts are bytes, as in Python 2: here letters from U+0000 to U+00FF.

Prints one line of JSON for each case: `{"id", "behavior", "close", "result"}`.
"""

import asyncio
import base64
import codecs
import collections
import importlib.abc
import importlib.util
import json
import os
import re
import struct
import sys
import types

AT_ONCE = 16
AT_ONCE_LARGE = 4
SERVER_DROPS_WITHIN_S = 1
CASE_WITHIN_S = 50
HEAD = re.compile(r"\(\s*object,\s*Case,\s*\)")
CODES = {
    "NORMAL": 1000,
    "GOING_AWAY": 1001,
    "PROTOCOL_ERROR": 1002,
    "UNSUPPORTED_DATA": 1003,
    "INVALID_PAYLOAD": 1007,
    "POLICY_VIOLATION": 1008,
    "MESSAGE_TOO_BIG": 1009,
}
CONNECTING, OPEN, CLOSING, CLOSED = range(4)


class States:
    STATE_CONNECTING, STATE_OPEN, STATE_CLOSING, STATE_CLOSED = CONNECTING, OPEN, CLOSING, CLOSED


for name, code in CODES.items():
    setattr(States, f"CLOSE_STATUS_CODE_{name}", code)


class Utf8Validator:
    """Whether bytes are UTF-8 so far, and end with a whole code point."""

    def reset(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def validate(self, text):
        try:
            self.decoder.decode(text.encode("latin-1"))
        except UnicodeDecodeError:
            return False, False
        return True, not self.decoder.getstate()[0]


def hexed(text):
    return text.encode("latin-1").hex()


class Cases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the suite's modules, and translates them."""

    def __init__(self):
        package = importlib.util.find_spec("autobahntestsuite")
        self.folder = os.path.join(package.submodule_search_locations[0], "case")
        for name, contents in {
            "autobahn.websocket.protocol": {"WebSocketProtocol": States},
            "autobahn.websocket.utf8validator": {"Utf8Validator": Utf8Validator},
            "bytes_as_letters": {"b2a_hex": hexed},
        }.items():
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                sys.modules.setdefault(".".join(parts[:length]), types.ModuleType(".".join(parts[:length])))
            vars(sys.modules[name]).update(contents)
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        if re.fullmatch(r"case(\d\w*)?", name):
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        with open(os.path.join(self.folder, f"{module.__name__}.py"), encoding="latin-1") as file:
            text = file.read()
        text = re.sub(r"(?m)^(\s*)print (.*)$", r"\1print(\2)", text)
        text = text.replace("import binascii", "import bytes_as_letters as binascii")
        # What whole division was, and what is no base class any more.
        text = HEAD.sub("(Case,)", text).replace("len(self.payload) / ", "len(self.payload) // ")
        vars(module).update(xrange=range, unichr=chr)
        # The text is letters already; a line that names its encoding is not for us.
        exec(compile(re.sub(r"coding=utf-8", "", text), module.__name__, "exec"), vars(module))
        if module.__name__ == "case":
            # By value: pickles of equal things may differ.
            module.Case.compare = lambda _, one, other: one == other

    def all(self):
        found = {}
        for file in sorted(os.listdir(self.folder)):
            # Compression is not offered (12, 13); unlimited messages need more memory than a test should (9.9, 9.10).
            if re.fullmatch(r"case(?!12|13|9_9|9_10)\d\w*\.py", file):
                module = importlib.import_module(file[:-3])
                classes = [one for value in vars(module).values() for one in (value if isinstance(value, list) else [value])]
                for one in classes:
                    match = isinstance(one, type) and re.fullmatch(r"Case(\d+(_\d+)+)", one.__name__)
                    if match:
                        found[match[1].replace("_", ".")] = one
        return dict(sorted(found.items(), key=lambda pair: [int(part) for part in pair[0].split(".")]))


def mask(data, key):
    """RFC 6455 5.3."""
    if not data:
        return data
    whole = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(data), "big")


class Client(asyncio.Protocol, States):
    """What the suite's driver offers its cases."""

    def __init__(self, make, host):
        self.host = host
        self.state = CONNECTING
        self.factory = types.SimpleNamespace(isServer=False)
        self.connectionWasOpen = self.closedByMe = self.failedByMe = self.droppedByMe = self.wasClean = False
        self.remoteCloseCode = self.localCloseReason = self.trafficStats = None
        self.createWirelog = True
        self.autoFragmentSize = 0
        self.txFrameStats = {}
        self.buffer = bytearray()
        self.queue = collections.deque()
        self.message = None
        self.timers = []
        self.over = asyncio.get_running_loop().create_future()
        self.case = make(self)

    # The connection.

    def connection_made(self, transport):
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET / HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data):
        self.buffer += data
        if self.state == CONNECTING:
            head, end, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.transport.abort()
                return
            self.buffer = bytearray(rest)
            self.state, self.connectionWasOpen = OPEN, True
            self.case.onOpen()
        while self.state in (OPEN, CLOSING) and self.remoteCloseCode is None and not self.wasClean and self.frame():
            pass

    def connection_lost(self, _):
        self.state = CLOSED
        self.queue.clear()
        for timer in self.timers:
            timer.cancel()
        self.case.onConnectionLost(self.failedByMe)
        if not self.over.done():
            self.over.set_result(self.case)

    # What comes.

    def frame(self):
        buffer = self.buffer
        if len(buffer) < 2:
            return False
        length, at = buffer[1] & 0x7F, 2
        if length > 125:
            form = ">H" if length == 126 else ">Q"
            if len(buffer) < 2 + struct.calcsize(form):
                return False
            (length,), at = struct.unpack_from(form, buffer, 2), 2 + struct.calcsize(form)
        if len(buffer) < at + length:
            return False
        first, masked = buffer[0], buffer[1] & 0x80
        payload = bytes(buffer[at : at + length])
        del buffer[: at + length]
        if masked or first & 0x70:
            self.failConnection()
            return False
        self.take(first & 0x0F, bool(first & 0x80), payload)
        return True

    def take(self, opcode, fin, payload):
        if opcode >= 8 and (not fin or len(payload) > 125):
            return self.failConnection()
        if opcode == 8:
            return self.closing(payload)
        if opcode == 9:
            return self.sendFrame(opcode=10, payload=payload.decode("latin-1"))
        if opcode == 10:
            return self.case.onPong(payload.decode("latin-1"))
        if opcode > 2 or (opcode == 0) != (self.message is not None):
            return self.failConnection()
        if opcode:
            self.message = (opcode == 2, [])
        binary, parts = self.message
        parts.append(payload)
        if fin:
            self.message = None
            whole = b"".join(parts)
            try:
                binary or whole.decode("utf-8")
            except UnicodeDecodeError:
                return self.failConnection()
            if self.state == OPEN:
                self.case.onMessage(whole.decode("latin-1"), binary)

    def closing(self, payload):
        code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
        if len(payload) == 1 or (code is not None and not (1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999)):
            return self.failConnection()
        self.remoteCloseCode, self.wasClean = code, True
        if self.state == OPEN:
            self.put_close(code, payload[2:].decode("latin-1"))
        # The server is to end the connection first.
        self.later(SERVER_DROPS_WITHIN_S, self.drop)

    # What cases ask for.

    def sendFrame(self, opcode, payload="", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False):
        data = payload.encode("latin-1")
        if payload_len is not None:
            data = (data * (payload_len // len(data) + 1))[:payload_len]
        self.txFrameStats[opcode] = self.txFrameStats.get(opcode, 0) + 1
        self.write(self.head(opcode, fin, rsv, len(data), key := os.urandom(4)) + globals()["mask"](data, key), chopsize)

    def head(self, opcode, fin, rsv, length, key):
        head = bytes([(fin << 7) | (rsv << 4) | opcode])
        if length < 126:
            return head + bytes([0x80 | length]) + key
        if length < 1 << 16:
            return head + bytes([0x80 | 126]) + struct.pack(">H", length) + key
        return head + bytes([0x80 | 127]) + struct.pack(">Q", length) + key

    def write(self, data, chopsize=None):
        """Pieces leave one by one, so that the server reads them so."""
        step = chopsize or len(data)
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        if self.queue or chopsize:
            if not self.queue:
                asyncio.get_running_loop().call_soon(self.pump)
            self.queue.extend(pieces)
        elif self.state in (OPEN, CLOSING) and not self.transport.is_closing():
            self.transport.write(data)

    def pump(self):
        if self.state not in (OPEN, CLOSING) or self.transport.is_closing():
            return self.queue.clear()
        self.transport.write(self.queue.popleft())
        if self.queue:
            asyncio.get_running_loop().call_soon(self.pump)

    def sendMessage(self, payload, isBinary=False, fragmentSize=None, sync=False):
        size = fragmentSize or self.autoFragmentSize or max(1, len(payload))
        opcode = 2 if isBinary else 1
        for at in range(0, max(1, len(payload)), size):
            self.sendFrame(opcode=opcode, payload=payload[at : at + size], fin=at + size >= len(payload), sync=sync)
            opcode = 0

    def beginMessage(self, isBinary=False):
        self.next_opcode = 2 if isBinary else 1

    def beginMessageFrame(self, length):
        self.key, self.done = os.urandom(4), 0
        self.write(self.head(self.next_opcode, False, 0, length, self.key))
        self.next_opcode = 0

    def sendMessageFrameData(self, payload, sync=False):
        data = payload.encode("latin-1")
        turned = self.key[self.done % 4 :] + self.key[: self.done % 4]
        self.done += len(data)
        self.write(mask(data, turned))

    def endMessage(self):
        self.sendFrame(opcode=0)

    def sendClose(self, code=None, reason=None):
        self.sendCloseFrame(code, reason)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        if self.state == OPEN:
            self.closedByMe = True
            self.put_close(code, reasonUtf8)

    def put_close(self, code, reason):
        payload = "" if code is None else struct.pack(">H", code).decode("latin-1")
        self.localCloseReason = reason
        self.sendFrame(opcode=8, payload=payload + (reason or ""))
        self.state = CLOSING

    def later(self, delay, then):
        def run():
            if self.state != CLOSED:
                then()

        self.timers.append(asyncio.get_running_loop().call_later(delay, run))

    def continueLater(self, delay, fun, tag=None):
        self.later(delay, fun)

    def killAfter(self, delay):
        self.later(delay, self.failConnection)

    def closeAfter(self, delay):
        self.later(delay, self.sendClose)

    def enableWirelog(self, _):
        pass

    def failConnection(self):
        self.failedByMe, self.wasClean = True, False
        self.drop()

    def drop(self):
        self.droppedByMe = True
        self.transport.abort()


async def run(address, name, make, turn):
    host, port = address.rsplit(":", 1)
    async with turn:
        _, client = await asyncio.get_running_loop().create_connection(lambda: Client(make, address), host, int(port))
        try:
            case = await asyncio.wait_for(client.over, CASE_WITHIN_S)
        except asyncio.TimeoutError:
            client.transport.abort()
            return {"id": name, "behavior": "FAILED", "close": "FAILED", "result": "it did not end"}
    return {"id": name, "behavior": case.behavior, "close": case.behaviorClose, "result": f"{case.result} {case.resultClose}"}


async def main(address, *prefixes):
    cases = {name: make for name, make in Cases().all().items() if not prefixes or name.startswith(prefixes)}
    # Those with large messages come last: others measure by the second.
    for large, at_once in ((False, AT_ONCE), (True, AT_ONCE_LARGE)):
        turn = asyncio.Semaphore(at_once)
        some = [run(address, *case, turn) for case in cases.items() if case[0].startswith("9.") == large]
        for done in asyncio.as_completed(some):
            print(json.dumps(await done), flush=True)


asyncio.run(main(*sys.argv[1:]))
