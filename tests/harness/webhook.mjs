// Receives webhooks and checks them with the public server SDK.

import { once } from "node:events";
import { createServer } from "node:http";

import { WebhookReceiver } from "livekit-server-sdk";

import { KEY, SECRET } from "./node.mjs";

export class Webhooks {
  static async listen() {
    const hooks = new Webhooks();
    const receiver = new WebhookReceiver(KEY, SECRET);
    Object.assign(hooks, { events: [], refused: [], raw: [] });
    hooks.server = createServer(async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = Buffer.concat(parts).toString("utf8");
      const authorization = request.headers.authorization ?? "";
      hooks.raw.push({ body, authorization, type: request.headers["content-type"] });
      try {
        hooks.events.push(await receiver.receive(body, authorization));
      } catch (error) {
        hooks.refused.push(error.message);
      }
      response.writeHead(200).end();
    });
    hooks.server.listen(0, "127.0.0.1");
    await once(hooks.server, "listening");
    hooks.url = `http://127.0.0.1:${hooks.server.address().port}/hook`;
    return hooks;
  }

  of(name, room) {
    return this.events.filter((event) => event.event === name && (!room || event.room?.name === room));
  }

  close() {
    this.server.close();
  }
}
