// Asks every node every two seconds how it is.

import type { Api } from "./api";
import { clusterState, type ClusterState, type Status } from "./cluster";
import { MEASURES, parseFigures, Track } from "./figures";

const EVERY_MS = 2_000;
/** A figure older than this is not shown as the present one. */
export const STALE_MS = 3 * EVERY_MS;

/** What was last seen of the cluster, and the figures before. */
export class Watch {
  state: ClusterState | undefined;
  /** Why the last round failed. */
  problem: unknown;
  /** By node, in the order of `MEASURES`. */
  readonly tracks = new Map<number, Track[]>();
  /** The newest figures of each node. */
  readonly figures = new Map<number, Map<string, number>>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private over = false;

  constructor(
    private readonly api: Api,
    private readonly changed: () => void,
  ) {}

  start(): void {
    void this.round();
  }

  close(): void {
    this.over = true;
    clearTimeout(this.timer);
  }

  private async round(): Promise<void> {
    if (document.visibilityState === "visible") await this.look();
    if (!this.over) this.timer = setTimeout(() => void this.round(), EVERY_MS);
  }

  private async look(): Promise<void> {
    try {
      const first = await this.api.get<Status>("/v1/nodes");
      const others = first.nodes.filter(({ node, http }) => node !== first.node && isAddress(http));
      const answers = await Promise.allSettled(others.map(({ http }) => this.api.of<Status>(origin(http), "/v1/nodes")));
      const told = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
      this.state = clusterState([first, ...told]);
      this.problem = undefined;
      const reached = others.filter(({ node }) => told.some((status) => status.node === node));
      this.api.know(reached.map(({ http }) => origin(http)));
      const own = first.nodes.find(({ node }) => node === first.node);
      // This page's own node may be known by an address that only other nodes reach.
      const sources = [...reached.map(({ node, http }) => ({ node, base: origin(http) })), { node: own?.node ?? first.node, base: undefined }];
      await Promise.allSettled(sources.map(({ node, base }) => this.read(node, base)));
    } catch (error) {
      this.problem = error;
    }
    if (!this.over) this.changed();
  }

  private async read(node: number, base: string | undefined): Promise<void> {
    const text = base === undefined ? await this.api.get<string>("/metrics") : await this.api.of<string>(base, "/metrics");
    const figures = parseFigures(text);
    this.figures.set(node, figures);
    const tracks = this.tracks.get(node) ?? MEASURES.map((measure) => new Track(measure));
    this.tracks.set(node, tracks);
    const now = Date.now();
    for (const track of tracks) track.take(now, figures);
  }
}

function isAddress(http: string): boolean {
  return URL.canParse(http) && /^https?:/.test(http);
}

function origin(http: string): string {
  return new URL(http).origin;
}
