// One message.

import { words, type Client, type Conversation, type Message, type Outgoing } from "@stoa/im";
import { splitLinks } from "../chat/message";
import { hue } from "../call/model";
import { h } from "../core/dom";
import { icon } from "../core/icons";
import { clock, tipText } from "./format";
import { media } from "./media";
import { textButton } from "./parts";

const REACTIONS = ["👍", "❤️", "😂", "🎉"];

/** What can be done with a message. */
export interface BubbleActions {
  reply: (message: Message) => void;
  edit: (message: Message) => void;
  recall: (message: Message) => void;
  react: (message: Message, reaction: string) => void;
  resend: (outgoing: Outgoing) => void;
  discard: (outgoing: Outgoing) => void;
  /** Unfolds or folds what can be done with it. */
  unfold: (message: Message) => void;
}

/** How a message stands among the others. */
export interface Place {
  /** Right under another of the same person. */
  joined: boolean;
  /** What can be done with it is shown. */
  unfolded: boolean;
}

/** How far one's own message has come: `sent`, `delivered` or `read`. */
export function progress(conversation: Conversation, seq: number): "sent" | "delivered" | "read" {
  const { read, delivered } = conversation.receipts(seq);
  return read > 0 ? "read" : delivered > 0 ? "delivered" : "sent";
}

/** All that a bubble shows, in a form to compare. */
export function signature(client: Client, conversation: Conversation, message: Message, place: Place): string {
  const tick = message.sender === client.user ? progress(conversation, message.seq) : "";
  const quoted = message.replyTo === undefined ? "" : quote(client, conversation, message.replyTo);
  const names = [message.sender, ...(message.content?.tip?.users ?? [])].map((user) => client.name(user));
  return JSON.stringify([message.seq, message.revision, message.gone, tick, quoted, names, place]);
}

/** Draws a stored message. */
export function bubble(client: Client, conversation: Conversation, message: Message, place: Place, actions: BubbleActions): HTMLElement {
  if (message.content?.tip !== undefined) return h("li", { class: "tip", text: tipText(message.content.tip, client.user, (user) => client.name(user)) });
  const own = message.sender === client.user;
  const body = h("div", { class: "bubble" });
  if (!own && conversation.group !== undefined && !place.joined) body.append(h("span", { class: "chat-name", text: client.name(message.sender) }));
  if (message.replyTo !== undefined) body.append(h("span", { class: "quote", text: quote(client, conversation, message.replyTo) }));
  body.append(shown(message));
  body.append(foot(message.at, message.edited, own ? progress(conversation, message.seq) : undefined));
  if (message.gone === undefined) {
    body.tabIndex = 0;
    body.setAttribute("role", "button");
    body.setAttribute("aria-expanded", String(place.unfolded));
    body.addEventListener("click", (event) => {
      const onLink = event.target instanceof Element && event.target.closest("a") !== null;
      if (!onLink && String(getSelection()) === "") actions.unfold(message);
    });
    body.addEventListener("keydown", (event) => {
      if (event.target !== body || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      actions.unfold(message);
    });
  }
  const reactions = Object.entries(message.reactions).map(([reaction, count]) =>
    h("button", { class: "reaction", text: count > 1 ? `${reaction} ${count}` : reaction, attrs: { type: "button" }, on: { click: () => actions.react(message, reaction) } }),
  );
  const { mentions, mentionAll } = message.options;
  const meant = !own && (mentionAll === true || mentions?.includes(client.user) === true);
  const item = h("li", { class: classes(own, place, message.gone !== undefined, meant), attrs: { "data-seq": String(message.seq) } }, body);
  if (reactions.length > 0) item.append(h("div", { class: "reactions" }, ...reactions));
  if (place.unfolded) item.append(choices(message, own, actions));
  item.style.setProperty("--hue", String(hue(message.sender)));
  return item;
}

/** Draws a message that is not acknowledged. */
export function outgoingBubble(outgoing: Outgoing, joined: boolean, actions: BubbleActions): HTMLElement {
  const pending = { content: outgoing.content, gone: undefined };
  const body = h("div", { class: "bubble" }, shown(pending), foot(outgoing.at, false, outgoing.failure === undefined ? "sending" : "failed"));
  const item = h("li", { class: classes(true, { joined, unfolded: false }, false) }, body);
  if (outgoing.failure !== undefined) {
    const again = textButton("Send again", "quiet", () => actions.resend(outgoing));
    const discard = textButton("Discard", "quiet", () => actions.discard(outgoing));
    item.append(h("div", { class: "choices" }, h("span", { class: "chat-failure", text: outgoing.failure }), again, discard));
  }
  return item;
}

function classes(own: boolean, place: Place, gone: boolean, meant = false): string {
  return ["said", own ? "own" : "", place.joined ? "joined" : "", gone ? "gone" : "", meant ? "meant" : ""].filter(Boolean).join(" ");
}

function shown(message: Pick<Message, "content" | "gone">): HTMLElement {
  return (message.content && media(message.content)) ?? text(message);
}

function text(message: Pick<Message, "content" | "gone">): HTMLElement {
  const pieces = splitLinks(words(message)).map(({ text, href }) =>
    href === undefined ? document.createTextNode(text) : h("a", { text, attrs: { href, target: "_blank", rel: "noopener noreferrer nofollow" } }),
  );
  return h("span", { class: "words" }, ...pieces);
}

function foot(at: number, edited: boolean, tick: "sending" | "failed" | "sent" | "delivered" | "read" | undefined): HTMLElement {
  const time = h("time", { text: clock(at), attrs: { datetime: new Date(at).toISOString() } });
  const ticks = tick === undefined ? undefined : h("span", { class: "ticks", attrs: { role: "img", "aria-label": tick, title: tick, "data-tick": tick } });
  if (ticks !== undefined && tick !== "sending" && tick !== "failed") ticks.append(icon("check"));
  if (ticks !== undefined && (tick === "read" || tick === "delivered")) ticks.append(icon("check"));
  return h("span", { class: "bubble-foot" }, edited ? h("span", { text: "edited" }) : undefined, time, ticks);
}

function choices(message: Message, own: boolean, actions: BubbleActions): HTMLElement {
  const reactions = REACTIONS.map((reaction) => h("button", { class: "reaction", text: reaction, attrs: { type: "button", "aria-label": `React with ${reaction}` }, on: { click: () => actions.react(message, reaction) } }));
  const reply = textButton("Reply", "quiet", () => actions.reply(message));
  const edit = own && message.content?.text !== undefined ? textButton("Edit", "quiet", () => actions.edit(message)) : undefined;
  const recall = own ? textButton("Withdraw", "quiet", () => actions.recall(message)) : undefined;
  return h("div", { class: "choices" }, ...reactions, reply, edit, recall);
}

function quote(client: Client, conversation: Conversation, seq: number): string {
  const answered = conversation.log?.messages.find((message) => message.seq === seq);
  return answered === undefined ? "An earlier message" : `${client.name(answered.sender)}: ${words(answered).slice(0, 100)}`;
}
