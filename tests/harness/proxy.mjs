// A TCP proxy whose connections can be cut, or whose far side can be made to look gone.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  /** Forwards a free local port to `port`. */
  static async to(port) {
    const proxy = new Proxy();
    proxy.sockets = new Set();
    proxy.accepted = 0;
    proxy.server = createServer((near) => {
      proxy.accepted += 1;
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [[near, far], [far, near]]) {
        proxy.sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          proxy.sockets.delete(from);
          to.destroy();
        });
      }
    });
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  get ws() {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection; new ones are let through. */
  cut() {
    this.sockets.forEach((socket) => socket.resetAndDestroy());
  }

  async close() {
    this.cut();
    this.server.close();
  }
}
