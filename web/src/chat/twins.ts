// Messages that come two ways are shown once. Pure.

/** The two ways of one message arrive within this, clocks' differences included. */
const WITHIN_MS = 60_000;
const KEPT_MAX = 500;

interface Known {
  way: Way;
  identity: string;
  text: string;
  sentAt: number;
  /** It came both ways. */
  paired: boolean;
}

/** How a message came. */
export type Way = "stream" | "live";

/** Tells whether a message was shown already. */
export class Twins {
  private known: Known[] = [];

  /** Whether it is to be shown. Live rooms tell again after a connection broke; streams come once. */
  isNew(way: Way, { identity, text, sentAt }: { identity: string; text: string; sentAt: number }): boolean {
    const same = this.known.filter((one) => one.identity === identity && one.text === text);
    if (way === "live" && same.some((one) => one.way === "live" && one.sentAt === sentAt)) return false;
    const twin = same.find((one) => one.way !== way && !one.paired && Math.abs(one.sentAt - sentAt) <= WITHIN_MS);
    if (twin !== undefined) twin.paired = true;
    this.known.push({ way, identity, text, sentAt, paired: twin !== undefined });
    this.known = this.known.slice(-KEPT_MAX);
    return twin === undefined;
  }
}
