// The list of conversations.

import type { Client, Conversation } from "@stoa/im";
import { h } from "../core/dom";
import { icon, type IconName } from "../core/icons";
import { preview, title, when, writingText } from "./format";
import { arrange, avatar, counter } from "./parts";

/** The list. `open` is called with the conversation that was chosen. */
export class ListView {
  readonly element: HTMLElement;
  private readonly list = h("ul", { class: "talks", attrs: { "aria-label": "Conversations" } });
  private readonly empty = h("p", { class: "empty", text: "No conversations yet. Find somebody under People." });
  private readonly rows = new Map<string, { signature: string; element: HTMLElement }>();

  constructor(
    private readonly client: Client,
    private readonly open: (id: string) => void,
  ) {
    this.element = h("div", { class: "pane" }, this.empty, this.list);
  }

  /** Draws what there is now; `chosen` is open. */
  render(chosen: string | undefined): void {
    const conversations = this.client.list();
    this.empty.hidden = conversations.length > 0 || !this.client.ready;
    arrange(
      this.list,
      conversations.map((conversation) => this.row(conversation, conversation.id === chosen)),
    );
    const present = new Set(conversations.map(({ id }) => id));
    for (const id of this.rows.keys()) if (!present.has(id)) this.rows.delete(id);
  }

  private row(conversation: Conversation, chosen: boolean): HTMLElement {
    const { client } = this;
    const { id, peer, group, unread, at, last } = conversation;
    const called = (user: string) => client.name(user);
    const name = title(conversation, group === undefined ? undefined : client.group(group)?.name, called);
    const status = peer === undefined ? undefined : client.roster.status(peer);
    const writing = writingText(client.writing(id), group !== undefined, called);
    const unsent = conversation.outgoing.at(-1)?.content.text?.text;
    const draft = chosen ? "" : conversation.draft;
    const said = draft !== "" ? `Draft: ${draft}` : unsent !== undefined ? `You: ${unsent}` : preview(last, client.user, group !== undefined, called);
    const line = writing !== "" ? writing : said;
    const time = when(at, Date.now());
    const muted = client.muted(id);
    const signs = { pinned: conversation.pinned, muted, mentioned: conversation.mentioned };
    const signature = JSON.stringify([name, status, line, time, unread, chosen, writing, signs]);
    const known = this.rows.get(id);
    if (known?.signature === signature) return known.element;
    const count = counter();
    count.set(unread);
    if (muted) count.element.classList.add("muted");
    const element = known?.element ?? h("li");
    const button = h(
      "button",
      { class: "talk", attrs: { type: "button", "aria-current": chosen ? "true" : undefined, "data-conversation": id }, on: { click: () => this.open(id) } },
      avatar(name, status, peer ?? name),
      h("span", { class: "talk-name", text: name }),
      h("time", { text: time }),
      h("span", { class: writing === "" ? "talk-line" : "talk-line writing", text: line }),
      marks(signs, count.element),
    );
    element.replaceChildren(button);
    this.rows.set(id, { signature, element });
    return element;
  }
}

/** What stands beside a conversation's line, with words for screen readers. */
function marks({ pinned, muted, mentioned }: { pinned: boolean; muted: boolean; mentioned: boolean }, count: HTMLElement): HTMLElement {
  const sign = (name: IconName, label: string) => h("span", { class: "sign", attrs: { role: "img", "aria-label": label, title: label } }, icon(name));
  const at = mentioned ? h("span", { class: "unread", text: "@", attrs: { role: "img", "aria-label": "somebody means you" } }) : undefined;
  return h("span", { class: "marks" }, pinned ? sign("pin", "pinned") : undefined, muted ? sign("bellOff", "muted") : undefined, at, count);
}
