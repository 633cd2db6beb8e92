// A call's messages in the call's live room: whoever comes later gets the newest of them. Messages also go as text streams,
// which every client of the SDK understands; what comes both ways is shown once.

import { Link, platform, type LiveBatch } from "@stoa/im";
import { MESSAGE_CHARS_MAX, type Message } from "./message";
import { Twins } from "./twins";

/** What the live room tells. */
export interface LiveEvents {
  /** What was said before one came, the oldest first. */
  earlier(messages: Message[]): void;
  /** What is said now, and did not come as a stream. */
  message(message: Message): void;
}

/** The live room of one call. Without it the call's chat goes on by streams alone. */
export class LiveChat {
  private readonly link: Link;
  private readonly twins = new Twins();
  private joined = false;

  constructor(
    call: { url: string; token: string; room: string; identity: string },
    private readonly events: LiveEvents,
  ) {
    const { url, token, room, identity } = call;
    // The call's token is all there is: when it is not taken, this ends.
    const tokens = async (fresh: boolean) => (fresh ? undefined : { token, device: "call" });
    this.link = new Link(platform(), url, tokens, {
      state: () => {},
      connected: () => {
        this.link.ask<{ state?: LiveBatch }>({ liveJoin: { room } }).then(
          ({ state }) => this.entered(identity, state?.messages ?? []),
          () => this.close(),
        );
      },
      push: ({ live }) => {
        if (live === undefined) return;
        for (const message of this.fresh(identity, live.messages ?? [])) this.events.message(message);
      },
    });
    this.link.start();
  }

  /** A message came as a stream, or was sent as one; false: the live room told it before. */
  streamed(message: Message): boolean {
    return this.twins.isNew("stream", message);
  }

  /** Keeps one's message for those who come later. That it may fail hurts nobody who is here. */
  say(room: string, text: string): void {
    if (this.joined && this.link.state.kind === "online") this.link.ask({ liveSend: { room, content: { text: { text } } } }).catch(() => {});
  }

  close(): void {
    this.link.end();
  }

  private entered(identity: string, told: NonNullable<LiveBatch["messages"]>): void {
    const messages = this.fresh(identity, told);
    if (this.joined) for (const message of messages) this.events.message(message);
    else this.events.earlier(messages);
    this.joined = true;
  }

  private fresh(identity: string, told: NonNullable<LiveBatch["messages"]>): Message[] {
    return told.flatMap((one) => {
      const text = one.content?.text?.text?.slice(0, MESSAGE_CHARS_MAX);
      if (text === undefined || text === "") return [];
      const { sender = "", name = "", at = 0 } = one;
      const message = { id: `live ${sender} ${at} ${one.offset ?? 0}`, identity: sender, name: name === "" ? sender : name, local: sender === identity && one.guest === true, text, sentAt: Number(at) };
      return this.twins.isNew("live", message) ? [message] : [];
    });
  }
}
