// The nodes, and how they do.

import { h, setText, show } from "../core/dom";
import { alarm, type NodeState } from "./cluster";
import { combine, MEASURES, short } from "./figures";
import { bytes, mark, row, table } from "./parts";
import { nodeHue, Plot } from "./plot";
import { STALE_MS, type Watch } from "./watch";

/** The first of the console's sights. */
export class NodesView {
  readonly element: HTMLElement;
  private readonly alarm = h("p", { class: "alarm", attrs: { role: "alert" } });
  private readonly list = table("Nodes", ["Node", "Role", "State", "Applied", "Behind", "CPU", "Memory", "Log", "Store", "Address"]);
  private readonly plots = MEASURES.map(({ title }) => new Plot(title));
  private signature = "";

  constructor(private readonly watch: Watch) {
    const plots = h("div", { class: "plots" }, ...this.plots.map(({ element }) => element));
    this.element = h("section", { attrs: { "aria-label": "Nodes and figures" } }, this.alarm, this.list.element, plots);
    show(this.alarm, false);
  }

  /** Draws what was seen last. */
  render(): void {
    const { state } = this.watch;
    if (state === undefined) return;
    const warning = alarm(state);
    setText(this.alarm, warning);
    show(this.alarm, warning !== "");
    const rows = state.nodes.map((node) => this.cells(node));
    const signature = JSON.stringify(rows);
    if (signature !== this.signature) {
      this.signature = signature;
      this.list.fill(state.nodes.map((node, index) => this.row(node, rows[index] ?? [])), "No nodes.");
    }
    this.draw();
  }

  private cells(node: NodeState): string[] {
    const cpu = this.latest(node.node, "CPU");
    const resident = node.state === "up" ? this.watch.figures.get(node.node)?.get("stoa_process_resident_bytes") : undefined;
    const lag = node.lag === undefined ? "" : node.lag === 0 ? "0" : short(node.lag);
    return [
      node.leads ? "leader" : node.role,
      node.state === "up" ? "up" : node.state === "linked" ? "up, not from here" : "not reachable",
      node.applied === undefined ? "" : String(node.applied),
      lag,
      cpu === undefined ? "" : `${short(cpu)} %`,
      bytes(resident),
      bytes(node.logBytes),
      bytes(node.storeBytes),
      [node.http || (node.state === "up" ? "this page’s" : "none for browsers"), node.address === "" ? "" : `links ${node.address}`].filter(Boolean).join(" · "),
    ];
  }

  private row(node: NodeState, [role = "", state = "", ...rest]: string[]): HTMLElement {
    const name = h("span", { class: "node-name", text: String(node.node) });
    name.style.setProperty("--hue", String(nodeHue(node.node)));
    return row(String(node.node), [name, mark(role, node.leads ? "good" : "neutral"), mark(state, node.state === "up" ? "good" : node.state === "linked" ? "neutral" : "bad"), ...rest]);
  }

  private draw(): void {
    const now = Date.now();
    MEASURES.forEach((measure, index) => {
      const lines = [...this.watch.tracks].map(([node, tracks]) => ({ node, points: tracks[index]?.points ?? [] }));
      const value = combine([...this.watch.tracks.keys()].map((node) => this.latest(node, measure.title)), measure.together);
      this.plots[index]?.render(lines, value === undefined ? "–" : short(value) + measure.unit, now);
    });
  }

  private latest(node: number, title: string): number | undefined {
    const index = MEASURES.findIndex((measure) => measure.title === title);
    return this.watch.tracks.get(node)?.[index]?.latest(Date.now(), STALE_MS);
  }
}
