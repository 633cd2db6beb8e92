// Listeners.

type Listener = (id: string) => void;

/** What changed. `id` says of which: a conversation, or a user for presence; empty where it is about all. */
export type EventName = "state" | "conversations" | "messages" | "typing" | "presence" | "people" | "group";

/** Tells listeners that something changed; they look at the client for what it is now. */
export class Events {
  private readonly listeners = new Map<EventName, Set<Listener>>();

  /** Listens; what is returned ends it. */
  on(name: EventName, listener: Listener): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all);
    all.add(listener);
    return () => all.delete(listener);
  }

  emit(name: EventName, id = ""): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(id);
  }
}
