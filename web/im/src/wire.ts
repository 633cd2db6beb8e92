// The frames of `stoa.im.v1.json`, as far as this client uses them. Fields with their default value are absent.

/** A 64-bit number of proto3 JSON. */
export type Long = string | number;

/** A file somewhere. */
export interface WireFile {
  url?: string;
  name?: string;
  mime?: string;
  bytes?: Long;
}

/** What people say. Kinds that are not listed are kept as they are. */
export interface Content {
  text?: { text?: string };
  image?: { file?: WireFile; width?: number; height?: number; thumbnail?: string };
  voice?: { file?: WireFile; durationMs?: number };
  video?: { file?: WireFile; thumbnail?: string };
  file?: { file?: WireFile };
  location?: { latitudeE6?: number; longitudeE6?: number; title?: string };
  custom?: { kind?: string; summary?: string };
  tip?: { kind?: string; by?: string; users?: string[]; count?: number; value?: string; on?: boolean };
  [kind: string]: unknown;
}

/** How a message travels. */
export interface Options {
  replyTo?: Long;
  mentions?: string[];
  mentionAll?: boolean;
  noUnread?: boolean;
  noPush?: boolean;
  wantsReceipt?: boolean;
  ttlMs?: Long;
  data?: string;
}

export interface WireMessage {
  seq: Long;
  at?: Long;
  sender?: string;
  cmid?: string;
  content?: Content;
  gone?: { how?: string; by?: string; at?: Long };
  options?: Options;
  revision?: Long;
  edits?: number;
  reactions?: Record<string, number>;
  pinned?: boolean;
}

export interface WireConversation {
  id: string;
  head?: Long;
  first?: Long;
  revision?: Long;
  version?: Long;
  at?: Long;
  members?: number;
  read?: Long;
  delivered?: Long;
  unread?: Long;
  pinned?: boolean;
  mutedUntil?: Long;
  draft?: string;
  listed?: boolean;
  last?: WireMessage;
  role?: string;
}

export interface Friend {
  user: string;
  remark?: string;
}

/** A request to be friends that waits. */
export interface FriendRequest {
  user: string;
  message?: string;
}

export interface Group {
  id: string;
  conversation: string;
  kind?: string;
  owner?: string;
  name?: string;
  notice?: string;
  members?: number;
  dismissed?: boolean;
  version?: Long;
  mutedAll?: boolean;
  rules?: { join?: string; invite?: string };
  /** The user's own part in it; absent: none. */
  member?: Member;
}

export interface Member {
  user: string;
  role?: string;
  mutedUntil?: Long;
}

/** A request to come into a group. */
export interface JoinRequest {
  user: string;
  message?: string;
}

/** What somebody says about themselves. */
export interface Profile {
  user: string;
  name?: string;
  avatar?: string;
  about?: string;
}

export interface Change {
  userSeq?: Long;
  entity?: string;
  id?: string;
  seq?: Long;
  gone?: boolean;
  friend?: Friend;
  request?: FriendRequest;
  profile?: Profile;
  conversation?: WireConversation;
}

export interface Synced {
  changes?: Change[];
  conversations?: WireConversation[];
  userSeq?: Long;
  heads?: string;
  more?: boolean;
  reset?: boolean;
}

export interface Messages {
  messages?: WireMessage[];
  first?: Long;
  head?: Long;
  revision?: Long;
  next?: Long;
}

export interface WireError {
  code?: number;
  name?: string;
  message?: string;
  retryAfterMs?: number;
  unknown?: boolean;
}

export interface Limits {
  batchFrames?: number;
  requestsInFlight?: number;
  presenceSubscriptions?: number;
}

export interface Connected {
  session: string;
  user: string;
  pingEveryMs?: number;
  resumed?: boolean;
  limits?: Limits;
  tokenExpiresAt?: Long;
}

export interface Closing {
  code?: number;
  reason?: WireError;
  reconnectWithinMs?: number;
}

/** What happened in a live room. */
export interface LiveBatch {
  room?: string;
  epoch?: Long;
  messages?: { offset?: Long; sender?: string; at?: Long; content?: Content; guest?: boolean; name?: string }[];
  audience?: Long;
}

/** What the server tells without being asked. */
export interface Push {
  message?: { conversation: string; message: WireMessage };
  messageChanged?: { conversation: string; message: WireMessage };
  hint?: { conversation: string; head?: Long; changed?: boolean };
  receipt?: { conversation: string; user: string; read?: Long; delivered?: Long };
  changed?: { userSeq?: Long; entity?: string; id?: string };
  typing?: { conversation: string; user: string; typing?: boolean };
  presence?: { presences?: WirePresence[] };
  membersChanged?: { group: string; joined?: string[]; left?: string[] };
  groupChanged?: { group: string; part?: string };
  trimmed?: { conversation: string; first?: Long };
  live?: LiveBatch;
  closing?: Closing;
}

export interface WirePresence {
  user: string;
  status?: Status;
  text?: string;
}

/** How somebody is; absent means offline. */
export type Status = "STATUS_OFFLINE" | "STATUS_ONLINE" | "STATUS_AWAY" | "STATUS_BUSY" | "STATUS_INVISIBLE";

/** What a client sends, without its `rid`. */
export type Body = Record<string, unknown>;

export interface ServerFrame extends Push {
  rid?: number;
  push?: Long;
  batch?: { frames?: ServerFrame[] };
  error?: WireError;
  connected?: Connected;
  [answer: string]: unknown;
}

/** For ever, where a time says until when. */
export const FOREVER = "18446744073709551615";

/** A 64-bit number as JavaScript has it. Sequences and times stay far below 2^53. */
export function long(value: Long | undefined): number {
  return value === undefined ? 0 : Number(value);
}
