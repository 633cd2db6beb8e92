// Access tokens by the public server SDK.

import { AccessToken } from "livekit-server-sdk";

import { KEY, SECRET } from "./node.mjs";

/** A token for a participant of a room; `grants` adds to or overrides the right to join. */
export async function joinToken(room, identity, grants = {}, options = {}) {
  return token({ roomJoin: true, room, ...grants }, { identity, name: identity, ...options });
}

/** A token with exactly these grants. */
export async function token(grants, { key = KEY, secret = SECRET, ...options } = {}) {
  const access = new AccessToken(key, secret, { ttl: "10m", ...options });
  access.addGrant(grants);
  return access.toJwt();
}

/** A token for everything a back end may do. */
export function adminToken(room) {
  return token({ roomAdmin: true, roomCreate: true, roomList: true, room }, { identity: "backend" });
}
