// All tiles: kept by key, placed by the layout, drawn in the order of the call.

import { h, setText, show } from "../core/dom";
import { chooseShown, duoLayout, gridLayout, stageLayout, type Area, type Rect } from "./layout";
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
    const duo = stage === undefined ? this.duo() : undefined;
    this.element.classList.toggle("duo", duo !== undefined);
    const placed = stage !== undefined ? this.placeStage(area, stage) : duo !== undefined ? placeDuo(area, duo) : this.placeGrid(area);
    this.canvas.style.height = `${placed.height}px`;
    for (const [key, view] of this.views) view.place(placed.rects.get(key));
    const hidden = this.tiles.length - placed.rects.size;
    setText(this.more, `+${hidden} more`);
    show(this.more, hidden > 0);
  }

  private placeGrid(area: Area): Placed {
    const { rects, height } = gridLayout(area, this.tiles.length);
    return { rects: keyed(this.tiles, rects), height };
  }

  private placeStage(area: Area, stage: string): Placed {
    const others = this.tiles.filter((tile) => tile.key !== stage);
    const layout = stageLayout(area, others.length);
    const rects = keyed(chooseShown(others, layout.others.length), layout.others);
    return { rects: rects.set(stage, layout.stage), height: area.height };
  }

  /** The two of a call between two, if it is one. */
  private duo(): Duo | undefined {
    const own = this.tiles.find((tile) => tile.local);
    const other = this.tiles.find((tile) => !tile.local);
    return this.tiles.length === 2 && own !== undefined && other !== undefined ? { own, other } : undefined;
  }
}

/** Where tiles go, by key, and how high that is. */
interface Placed {
  rects: Map<string, Rect>;
  height: number;
}

interface Duo {
  own: Tile;
  other: Tile;
}

function placeDuo(area: Area, duo: Duo): Placed {
  const { own, other } = duoLayout(area);
  return { rects: new Map([[duo.own.key, own], [duo.other.key, other]]), height: area.height };
}

function keyed(tiles: Tile[], rects: Rect[]): Map<string, Rect> {
  return new Map(tiles.flatMap((tile, index): [string, Rect][] => {
    const rect = rects[index];
    return rect === undefined ? [] : [[tile.key, rect]];
  }));
}
