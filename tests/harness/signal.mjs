// A bare signalling client: speaks the protocol's frames, or whatever else it is told to send.

import { once } from "node:events";

import { SignalRequest, SignalResponse } from "@livekit/protocol";
import WebSocket from "ws";

import { until } from "./wait.mjs";

export class Signal {
  /** Connects; resolves with the open socket, or with `{status, body}` when it was refused. */
  static async open(node, token, { path = "/rtc", query = "protocol=17&auto_subscribe=1", headers = {} } = {}) {
    const access = token === undefined ? "" : `access_token=${encodeURIComponent(token)}&`;
    const socket = new WebSocket(`${node.ws}${path}?${access}${query}`, { headers, perMessageDeflate: false });
    const signal = new Signal();
    Object.assign(signal, { socket, messages: [], closed: undefined, identity: "bare signalling" });
    socket.on("error", (error) => (signal.error = error));
    socket.on("close", (code) => (signal.closed = code));
    socket.on("message", (data) => signal.messages.push(SignalResponse.fromBinary(data).message));
    return new Promise((done) => {
      socket.once("open", () => done(signal));
      socket.once("unexpected-response", (_, response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () => done({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
      });
      socket.once("error", (error) => done({ status: 0, body: error.message }));
    });
  }

  /** A message of the protocol. */
  say(message) {
    this.raw(new SignalRequest({ message }).toBinary());
  }

  raw(data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  told(name, test = () => true) {
    return until(`a ${name} by signalling`, () =>
      this.messages.find((message) => message.case === name && test(message.value)));
  }

  /** Whether the node still answers this socket. */
  async answers() {
    const stamp = BigInt(this.messages.length + 1);
    this.say({ case: "pingReq", value: { timestamp: stamp, rtt: 0n } });
    await this.told("pongResp", (pong) => pong.lastPingTimestamp === stamp);
  }

  async close() {
    if (this.closed === undefined) {
      const closed = once(this.socket, "close");
      this.socket.terminate();
      await closed;
    }
  }
}
