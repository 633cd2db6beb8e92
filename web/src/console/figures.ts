// Figures of nodes over the last minutes. Pure.

/** How long figures are kept. */
export const WINDOW_MS = 300_000;

/** One reading. */
export interface Point {
  /** In milliseconds since 1970. */
  at: number;
  value: number;
}

/** Reads the Prometheus text format; values of one name with different labels are added up. */
export function parseFigures(text: string): Map<string, number> {
  const figures = new Map<string, number>();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    const value = Number(found?.[2]);
    if (found?.[1] !== undefined && Number.isFinite(value)) figures.set(found[1], (figures.get(found[1]) ?? 0) + value);
  }
  return figures;
}

/** How a plot's value comes out of a node's figures. */
export interface Measure {
  title: string;
  unit: string;
  /** Names whose values are added. */
  names: string[];
  /** Figures only grow, and what counts is how fast; else they are taken as they are. */
  rate: boolean;
  /** What the value is multiplied with. */
  scale: number;
  /** How the nodes' values become one: each node counts its own part, or all count the same. */
  together: "sum" | "max";
}

/** What operators look at. */
export const MEASURES: Measure[] = [
  { title: "Chat messages", unit: "/s", names: ["stoa_im_messages_total"], rate: true, scale: 1, together: "max" },
  { title: "Connections", unit: "", names: ["stoa_im_sockets", "stoa_gateway_sessions"], rate: false, scale: 1, together: "sum" },
  { title: "Forwarded packets", unit: "/s", names: ["stoa_rtp_forwarded_total"], rate: true, scale: 1, together: "sum" },
  { title: "CPU", unit: " % of a core", names: ["stoa_process_cpu_microseconds_total"], rate: true, scale: 1e-4, together: "sum" },
  { title: "Log syncs", unit: "/s", names: ["stoa_log_syncs_total"], rate: true, scale: 1, together: "sum" },
  { title: "Log entries", unit: "/s", names: ["stoa_log_entries_total"], rate: true, scale: 1, together: "max" },
];

/** One measure of one node over time. */
export class Track {
  readonly points: Point[] = [];
  private before: Point | undefined;

  constructor(private readonly measure: Measure) {}

  /** Takes a node's figures. */
  take(at: number, figures: Map<string, number>): void {
    const { names, rate, scale } = this.measure;
    const value = names.reduce((sum, name) => sum + (figures.get(name) ?? 0), 0);
    const { before } = this;
    this.before = { at, value };
    if (!rate) this.add(at, value * scale);
    // A counter that went back belongs to a process that was started again.
    else if (before !== undefined && value >= before.value && at > before.at) this.add(at, ((value - before.value) / (at - before.at)) * 1_000 * scale);
  }

  /** The newest value, unless the node has been silent since. */
  latest(now: number, withinMs: number): number | undefined {
    const last = this.points.at(-1);
    return last !== undefined && now - last.at <= withinMs ? last.value : undefined;
  }

  private add(at: number, value: number): void {
    this.points.push({ at, value });
    while ((this.points[0]?.at ?? at) < at - WINDOW_MS) this.points.shift();
  }
}

/** One value out of the nodes'; undefined when no node has one. */
export function combine(values: (number | undefined)[], together: Measure["together"]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return undefined;
  return together === "sum" ? known.reduce((sum, value) => sum + value, 0) : Math.max(...known);
}

/** A number with about three digits. */
export function short(value: number): string {
  const steps: [number, string][] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ];
  for (const [step, letter] of steps) if (value >= step) return `${digits(value / (letter === "k" ? 1e3 : step))} ${letter}`;
  return digits(value);
}

function digits(value: number): string {
  if (value === 0) return "0";
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
