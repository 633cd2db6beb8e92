// The statistics panel.

import { h, setText, show } from "../core/dom";
import type { Stats, StatsRow } from "./collect";
import type { Path } from "./read";

/** How often the figures are taken. */
const PERIOD_MS = 1_000;

/** The panel. It asks for figures only while it is open. */
export class StatsView {
  readonly element: HTMLElement;
  private readonly path = h("p", { class: "stats-path" });
  private readonly received = new RowList("Received");
  private readonly sent = new RowList("Sent");
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly collect: () => Promise<Stats>) {
    this.element = h("div", { class: "stats" }, this.path, this.received.element, this.sent.element);
  }

  /** Starts or ends asking for figures. */
  setOpen(open: boolean): void {
    clearInterval(this.timer);
    this.timer = undefined;
    if (!open) return;
    void this.refresh();
    this.timer = setInterval(() => void this.refresh(), PERIOD_MS);
  }

  private async refresh(): Promise<void> {
    const stats = await this.collect();
    setText(this.path, pathText(stats.path));
    this.received.render(stats.received);
    this.sent.render(stats.sent);
  }
}

class RowList {
  readonly element: HTMLElement;
  private readonly list = h("ul");
  private readonly empty = h("p", { class: "empty", text: "Nothing." });
  private readonly items = new Map<string, HTMLElement>();

  constructor(title: string) {
    this.element = h("section", {}, h("h3", { text: title }), this.empty, this.list);
  }

  render(rows: StatsRow[]): void {
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, item] of this.items) {
      if (keys.has(key)) continue;
      item.remove();
      this.items.delete(key);
    }
    for (const row of rows) this.renderRow(row);
    show(this.empty, rows.length === 0);
  }

  private renderRow(row: StatsRow): void {
    let item = this.items.get(row.key);
    if (item === undefined) {
      item = h("li", {}, h("strong"), h("span"), h("span"));
      this.items.set(row.key, item);
      this.list.append(item);
    }
    const [title, main, detail] = item.children;
    if (title === undefined || main === undefined || detail === undefined) return;
    setText(title, `${row.who} · ${row.what}${row.figures.rid === "" ? "" : ` ${row.figures.rid}`}`);
    setText(main, mainText(row));
    setText(detail, detailText(row));
  }
}

function pathText(path: Path | undefined): string {
  if (path === undefined) return "No media path yet.";
  return ["Path", path.protocol?.toUpperCase(), path.candidates, roundTripText(path.roundTrip)].filter((part) => part !== undefined).join(" · ");
}

function mainText({ video, figures }: StatsRow): string {
  const { kilobits, size, fps, loss } = figures;
  const parts = [kilobits === undefined ? "…" : bitrateText(kilobits)];
  if (video && size !== undefined) parts.push(fps === undefined ? size : `${size} @ ${Math.round(fps)}`);
  parts.push(loss === undefined ? "loss –" : `loss ${loss.toFixed(1)} %`);
  return parts.join(" · ");
}

function detailText({ figures }: StatsRow): string {
  const { codec, jitter, roundTrip, limited } = figures;
  return [codec, jitter === undefined ? undefined : `jitter ${Math.round(jitter)} ms`, roundTripText(roundTrip), limited === undefined ? undefined : `limited by ${limited}`]
    .filter((part) => part !== undefined)
    .join(" · ");
}

function roundTripText(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : `RTT ${Math.round(milliseconds)} ms`;
}

/** A bit rate, for people. */
export function bitrateText(kilobits: number): string {
  return kilobits >= 1000 ? `${(kilobits / 1000).toFixed(2)} Mbit/s` : `${Math.round(kilobits)} kbit/s`;
}
