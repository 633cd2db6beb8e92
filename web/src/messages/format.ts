// Words for what a conversation shows. Pure.

import { words, type Content, type Conversation, type Message, type Status } from "@stoa/im";

/** Messages of one person closer than this stand together. */
const TOGETHER_MS = 300_000;

/** What people are called. */
export type Names = (user: string) => string;

const asIs: Names = (user) => user;

/** A line about something that happened in a group. */
export function tipText(tip: NonNullable<Content["tip"]>, me: string, called: Names = asIs): string {
  const name = (user: string) => (user === me ? "you" : called(user));
  const by = tip.by === undefined || tip.by === "" ? "The service" : capital(name(tip.by));
  const users = tip.users ?? [];
  const more = Math.max(0, (tip.count ?? users.length) - users.length);
  const whom = [...users.map(name), ...(more > 0 ? [`${more} more`] : [])].join(", ");
  switch (tip.kind) {
    case "created":
      return `${by} made the group`;
    case "joined":
      return tip.by !== undefined && !users.includes(tip.by) ? `${by} brought in ${whom}` : `${capital(whom)} came in`;
    case "left":
      return `${capital(whom)} left`;
    case "removed":
      return `${by} removed ${whom}`;
    case "owner_changed":
      return `${capital(whom)} owns the group now`;
    case "renamed":
      return `${by} named the group “${tip.value ?? ""}”`;
    case "notice_changed":
      return `${by} changed the notice`;
    case "muted_all":
      return tip.on === true ? `${by} silenced the group` : `${by} let the group speak again`;
    default:
      return `${by} changed the group`;
  }
}

/** One line for a message, as in the list of conversations. */
export function preview(message: Message | undefined, me: string, group: boolean, called: Names = asIs): string {
  if (message === undefined) return "";
  if (message.content?.tip !== undefined) return tipText(message.content.tip, me, called);
  const who = message.sender === me ? "You: " : group ? `${called(message.sender)}: ` : "";
  return who + words(message).replace(/\s+/g, " ").slice(0, 120);
}

/** What a conversation is called. */
export function title(conversation: Conversation, groupName: string | undefined, called: Names = asIs): string {
  return conversation.peer !== undefined ? called(conversation.peer) : (groupName !== undefined && groupName !== "" ? groupName : `Group ${conversation.group ?? ""}`);
}

/** How somebody is, for people. */
export function statusText(status: Status): string {
  switch (status) {
    case "STATUS_ONLINE":
      return "online";
    case "STATUS_AWAY":
      return "away";
    case "STATUS_BUSY":
      return "busy";
    default:
      return "offline";
  }
}

/** How somebody is, with their own words. */
export function statusLine(status: Status, text: string): string {
  return status === "STATUS_OFFLINE" || text === "" ? statusText(status) : `${statusText(status)} · ${text}`;
}

/** Who writes. */
export function writingText(users: string[], group: boolean, called: Names = asIs): string {
  if (users.length === 0) return "";
  if (!group) return "writing…";
  return users.length === 1 ? `${called(users[0] ?? "")} is writing…` : `${users.length} are writing…`;
}

/** The time of a message. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** The day of a message, as a heading. */
export function day(at: number, now: number): string {
  const date = new Date(at);
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const year = date.getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return date.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", ...year });
}

/** When a conversation was last active: a time today, else a day. */
export function when(at: number, now: number): string {
  if (at === 0) return "";
  return midnight(at) === midnight(now) ? clock(at) : new Date(at).toLocaleDateString([], { day: "numeric", month: "short" });
}

/** Whether two messages stand together, without a space between. */
export function together(before: { sender: string; at: number } | undefined, after: { sender: string; at: number }): boolean {
  return before !== undefined && before.sender === after.sender && after.at - before.at < TOGETHER_MS;
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
