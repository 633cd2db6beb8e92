// All tiles: kept by key, placed by the layout, drawn in the order of the call.

import { h, setText, show } from "../core/dom";
import { chooseShown, gridLayout, stageLayout, type Rect } from "./layout";
import type { Tile } from "./model";
import { TileView } from "./tile";

/** The part of the page that holds the tiles. */
export class Grid {
  readonly element: HTMLElement;
  private readonly canvas = h("div", { class: "grid-canvas" });
  private readonly more = h("p", { class: "grid-more" });
  private readonly views = new Map<string, TileView>();
  private tiles: Tile[] = [];
  /** The tile somebody put on the stage by hand. */
  private pinned: string | undefined;
  /** The screen that is on the stage by itself; somebody may send it back. */
  private dismissed: string | undefined;

  constructor() {
    this.element = h("section", { class: "grid", attrs: { "aria-label": "Participants" } }, this.canvas, this.more);
    new ResizeObserver(() => this.place()).observe(this.element);
  }

  /** Draws `tiles`. */
  render(tiles: Tile[]): void {
    this.tiles = tiles;
    const keys = new Set(tiles.map((tile) => tile.key));
    for (const [key, view] of this.views) {
      if (keys.has(key)) continue;
      view.remove();
      this.views.delete(key);
    }
    const stage = this.stageKey();
    for (const tile of tiles) this.viewOf(tile).render(tile, tile.key === stage);
    this.place();
  }

  /** Whether a picture is on the stage. */
  hasStage(): boolean {
    return this.stageKey() !== undefined;
  }

  private viewOf(tile: Tile): TileView {
    const known = this.views.get(tile.key);
    if (known !== undefined) return known;
    const view = new TileView(() => this.togglePin(tile.key));
    this.views.set(tile.key, view);
    this.canvas.append(view.element);
    return view;
  }

  private togglePin(key: string): void {
    const onStage = this.stageKey() === key;
    this.pinned = onStage ? undefined : key;
    this.dismissed = onStage ? key : undefined;
    this.render(this.tiles);
  }

  /** The tile on the stage: the pinned one, else the newest screen. */
  private stageKey(): string | undefined {
    const keys = this.tiles.map((tile) => tile.key);
    if (this.pinned !== undefined && keys.includes(this.pinned)) return this.pinned;
    const screens = this.tiles.filter((tile) => tile.source === "screen" && tile.key !== this.dismissed);
    return screens[screens.length - 1]?.key;
  }

  private place(): void {
    const area = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (area.width === 0 || area.height === 0) return;
    const stage = this.stageKey();
    const others = this.tiles.filter((tile) => tile.key !== stage);
    this.element.classList.toggle("staged", stage !== undefined);
    if (stage === undefined) {
      const layout = gridLayout(area, others.length);
      this.canvas.style.height = `${Math.max(layout.height, 0)}px`;
      this.assign(new Map(others.map((tile, index) => [tile.key, layout.rects[index]])));
      show(this.more, false);
      return;
    }
    const layout = stageLayout(area, others.length);
    const shown = chooseShown(others, layout.others.length);
    this.canvas.style.height = "100%";
    this.assign(new Map([[stage, layout.stage], ...shown.map((tile, index): [string, Rect | undefined] => [tile.key, layout.others[index]])]));
    const hidden = others.length - shown.length;
    setText(this.more, `+${hidden} more`);
    show(this.more, hidden > 0);
  }

  private assign(rects: Map<string, Rect | undefined>): void {
    for (const [key, view] of this.views) view.place(rects.get(key));
  }
}
