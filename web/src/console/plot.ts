// Small plots, one line a node.

import { setText } from "../core/dom";
import { WINDOW_MS, type Point } from "./figures";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 72;

/** A plot and what it says. */
export class Plot {
  readonly element: HTMLElement;
  private readonly svg = document.createElementNS(SVG, "svg");
  private readonly value = document.createElement("strong");
  private readonly most = document.createElement("span");

  constructor(title: string) {
    this.element = document.createElement("figure");
    this.element.className = "plot";
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    name.textContent = title;
    caption.append(name, this.value);
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.most.className = "most";
    this.element.append(caption, this.svg, this.most);
  }

  /** Draws the lines of the last minutes; `value` is the present one in words. */
  render(lines: { node: number; points: Point[] }[], value: string, now: number): void {
    setText(this.value, value);
    const top = Math.max(0, ...lines.flatMap(({ points }) => points.map((point) => point.value)));
    setText(this.most, top === 0 ? "" : `5 min · top ${top >= 100 ? Math.round(top) : top.toPrecision(2)}`);
    this.svg.replaceChildren(...lines.map(({ node, points }) => line(node, points, top, now)));
  }
}

function line(node: number, points: Point[], top: number, now: number): SVGPolylineElement {
  const element = document.createElementNS(SVG, "polyline");
  const place = ({ at, value }: Point) => {
    const x = WIDTH * (1 - (now - at) / WINDOW_MS);
    const y = HEIGHT - 2 - (top === 0 ? 0 : (value / top) * (HEIGHT - 6));
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  element.setAttribute("points", points.map(place).join(" "));
  element.style.setProperty("--hue", String(nodeHue(node)));
  return element;
}

/** A node's colour; neighbours differ most. */
export function nodeHue(node: number): number {
  return Math.round(node * 137.5 + 50) % 360;
}
