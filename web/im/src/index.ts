// A client of Stoa's chat socket. docs/im.md says how the socket is spoken; this speaks it.

export { ApiError, logIn, logOut, refresh, signUp, type LogIn } from "./account.js";
export { Client, type ClientOptions } from "./client.js";
export { Conversation, type Cursor, type Outgoing } from "./kept/conversation.js";
export type { EventName } from "./events.js";
export { jitter, platform, type Host, type SocketLike } from "./host.js";
export { groupOf, newCmid, peerOf, privateConversation } from "./ids.js";
export { Link, RequestError, type EndReason, type LinkState, type TokenSource } from "./link.js";
export { Log, readMessage, words, type Message } from "./kept/log.js";
export { Profiles } from "./kept/profiles.js";
export { Roster } from "./kept/roster.js";
export { Settings } from "./kept/settings.js";
export type { Content, Friend, FriendRequest, Group, JoinRequest, LiveBatch, Member, Options, Profile, Status } from "./wire.js";
