// Where tiles go. Pure geometry, in CSS pixels.

/** A place on the screen. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A room for tiles. */
export interface Area {
  width: number;
  height: number;
}

/** Places for tiles, in the order of the tiles. */
export interface Layout {
  rects: Rect[];
  /** The height the tiles need; more than the area's height means scrolling. */
  height: number;
}

/** Space between tiles. */
export const GAP = 8;
/** Below this width faces cannot be told apart: the grid scrolls rather than shrink its tiles further. */
const TILE_WIDTH_MIN = 132;
/** Beside a stage tiles may be smaller, for the stage is what people look at. */
const SIDE_TILE_WIDTH_MIN = 104;
/** The widest tile, as width over height. */
const ASPECT_MAX = 16 / 9;
/** The tallest tile in a landscape area. */
const ASPECT_MIN_LANDSCAPE = 4 / 3;
/** The tallest tile in a portrait area. */
const ASPECT_MIN_PORTRAIT = 3 / 4;
/** The aspect of tiles that scroll. */
const ASPECT_SCROLL = 4 / 3;
/** The width of oneself in the corner: a share of the other's, within limits. */
const OWN_SHARE = 0.24;
const OWN_WIDTH_MIN = 100;
const OWN_WIDTH_MAX = 240;
/** What the stage takes of a landscape area's width, and of a portrait area's height. */
const STAGE_SHARE_LANDSCAPE = 0.78;
const STAGE_SHARE_PORTRAIT = 0.5;
/** With many others a portrait area's stage is no taller than this, as height over width: screens are wide. */
const STAGE_TALL_MAX = 0.72;
/** How many others are many. */
const MANY = 3;

/** Tiles of one size, as large as they can be; too many of them scroll. */
export function gridLayout(area: Area, count: number): Layout {
  const best = bestGrid(area, count);
  if (best === undefined) return { rects: [], height: 0 };
  if (best.width >= Math.min(TILE_WIDTH_MIN, area.width)) return place(area, count, best);
  return scrollingGrid(area, count);
}

/** Two people: the other as large as can be, and oneself in a corner of it. */
export function duoLayout(area: Area): { other: Rect; own: Rect } {
  const [other] = gridLayout(area, 1).rects;
  if (other === undefined) return { other: rect(0, 0, 0, 0), own: rect(0, 0, 0, 0) };
  const width = Math.min(OWN_WIDTH_MAX, Math.max(OWN_WIDTH_MIN, other.width * OWN_SHARE), other.width);
  const height = Math.min(other.height, width / (area.width >= area.height ? ASPECT_MAX : ASPECT_MIN_PORTRAIT));
  return { other, own: rect(other.x + other.width - width - GAP, other.y + other.height - height - GAP, width, height) };
}

/** One large tile and small ones beside or below it. */
export interface StageLayout {
  stage: Rect;
  /** Places for as many others as fit; the rest is not shown. */
  others: Rect[];
}

/** The stage with up to `count` others. */
export function stageLayout(area: Area, count: number): StageLayout {
  if (count === 0) return { stage: rect(0, 0, area.width, area.height), others: [] };
  const landscape = area.width >= area.height;
  const stage = landscape
    ? rect(0, 0, area.width * STAGE_SHARE_LANDSCAPE - GAP / 2, area.height)
    : rect(0, 0, area.width, portraitStageHeight(area, count) - GAP / 2);
  const offset = landscape ? { x: stage.width + GAP, y: 0 } : { x: 0, y: stage.height + GAP };
  const side = { width: area.width - offset.x, height: area.height - offset.y };
  const others = largestFit(side, count).map((r) => ({ ...r, x: r.x + offset.x, y: r.y + offset.y }));
  return { stage, others };
}

function portraitStageHeight(area: Area, count: number): number {
  const share = area.height * STAGE_SHARE_PORTRAIT;
  return count < MANY ? share : Math.min(share, area.width * STAGE_TALL_MAX);
}

/**
 * Which of `tiles` are shown when only `capacity` fit: the earliest, and those who spoke last in place of those who
 * did not. The order stays, so that nobody jumps.
 */
export function chooseShown<T extends { lastSpokeAt: number }>(tiles: T[], capacity: number): T[] {
  if (tiles.length <= capacity) return tiles;
  const ranked = [...tiles].sort((a, b) => b.lastSpokeAt - a.lastSpokeAt);
  const chosen = new Set(ranked.slice(0, capacity));
  return tiles.filter((tile) => chosen.has(tile));
}

interface Grid {
  columns: number;
  width: number;
  height: number;
}

/** The number of columns that makes the largest tiles. */
function bestGrid(area: Area, count: number): Grid | undefined {
  let best: Grid | undefined;
  for (let columns = 1; columns <= count; columns += 1) {
    const grid = gridOf(area, count, columns);
    if (best === undefined || grid.width * grid.height > best.width * best.height) best = grid;
  }
  return best;
}

function gridOf(area: Area, count: number, columns: number): Grid {
  const rows = Math.ceil(count / columns);
  const cellWidth = Math.max(0, (area.width - GAP * (columns - 1)) / columns);
  const cellHeight = Math.max(0, (area.height - GAP * (rows - 1)) / rows);
  const aspectMin = area.width >= area.height ? ASPECT_MIN_LANDSCAPE : ASPECT_MIN_PORTRAIT;
  const width = Math.min(cellWidth, cellHeight * ASPECT_MAX);
  const height = Math.min(cellHeight, width / aspectMin);
  return { columns, width, height };
}

function scrollingGrid(area: Area, count: number): Layout {
  const columns = Math.max(1, Math.floor((area.width + GAP) / (TILE_WIDTH_MIN + GAP)));
  const width = (area.width - GAP * (columns - 1)) / columns;
  return place(area, count, { columns, width, height: width / ASPECT_SCROLL });
}

/** The places of as many tiles as fit without scrolling. At least one is shown. */
function largestFit(area: Area, count: number): Rect[] {
  for (let shown = count; shown > 1; shown -= 1) {
    const grid = bestGrid(area, shown);
    if (grid !== undefined && grid.width >= Math.min(SIDE_TILE_WIDTH_MIN, area.width)) return place(area, shown, grid).rects;
  }
  const single = bestGrid(area, 1);
  return single === undefined ? [] : place(area, 1, single).rects;
}

/** Rows from top to bottom, the whole centred, the last row centred too. */
function place(area: Area, count: number, grid: Grid): Layout {
  const rows = Math.ceil(count / grid.columns);
  const used = rows * grid.height + (rows - 1) * GAP;
  const top = Math.max(0, (area.height - used) / 2);
  const rects = Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / grid.columns);
    const inRow = Math.min(grid.columns, count - row * grid.columns);
    const left = (area.width - (inRow * grid.width + (inRow - 1) * GAP)) / 2;
    const column = index % grid.columns;
    return rect(left + column * (grid.width + GAP), top + row * (grid.height + GAP), grid.width, grid.height);
  });
  return { rects, height: Math.floor(used) };
}

function rect(x: number, y: number, width: number, height: number): Rect {
  return { x: Math.round(x), y: Math.round(y), width: Math.floor(width), height: Math.floor(height) };
}
