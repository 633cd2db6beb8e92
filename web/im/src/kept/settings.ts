// How the user has a conversation: pinned, muted, taken off the list, begun to be answered.

import type { Conversation } from "./conversation.js";
import type { Pacer } from "../pacer.js";
import { FOREVER, type Body } from "../wire.js";

const DRAFT_EVERY_MS = 1_500;

/** Changes them, here at once and on all devices. */
export class Settings {
  /** Conversations whose draft the server does not have yet. */
  private readonly unsent = new Set<string>();

  constructor(
    private readonly ask: <T>(body: Body) => Promise<T>,
    private readonly pacer: Pacer,
    private readonly find: (id: string) => Conversation,
    private readonly told: (id: string) => void,
  ) {}

  /** Puts a conversation before the others, or no longer. */
  async pin(id: string, pinned: boolean): Promise<void> {
    await this.ask({ conversationSet: { conversation: id, pinned } });
    this.find(id).pinned = pinned;
    this.told(id);
  }

  /** Leaves a conversation out of badges and pushes, or no longer. */
  async mute(id: string, muted: boolean): Promise<void> {
    await this.ask({ conversationSet: { conversation: id, mutedUntil: muted ? FOREVER : "0" } });
    this.find(id).mutedUntil = muted ? Number(FOREVER) : 0;
    this.told(id);
  }

  /** Takes a conversation off the list until something new comes. */
  async hide(id: string): Promise<void> {
    await this.ask({ conversationHide: { conversation: id } });
    this.find(id).listed = false;
    this.told(id);
  }

  /** Keeps what was begun to be written; nothing is told of a conversation that has not begun. */
  draft(id: string, draft: string): void {
    const conversation = this.find(id);
    if (conversation.draft === draft) return;
    conversation.draft = draft;
    this.told(id);
    if (conversation.head === 0) return;
    conversation.drafting = true;
    this.unsent.add(id);
    this.pacer.run(`draft ${id}`, DRAFT_EVERY_MS, () => this.send(id));
  }

  /** Tells drafts at once that would be told soon: before the page goes, or another conversation is opened. */
  flush(): void {
    for (const id of [...this.unsent]) this.send(id);
  }

  private send(id: string): void {
    if (!this.unsent.delete(id)) return;
    const done = () => {
      this.find(id).drafting = this.unsent.has(id);
    };
    void this.ask({ conversationSet: { conversation: id, draft: this.find(id).draft } }).then(done, done);
  }
}
