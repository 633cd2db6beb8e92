import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseShown, duoLayout, gridLayout, stageLayout, type Area, type Rect } from "../call/layout";

const AREAS: Area[] = [
  { width: 344, height: 600 },
  { width: 640, height: 240 },
  { width: 1264, height: 640 },
  { width: 900, height: 640 },
  { width: 2544, height: 1200 },
];

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function checkApart(rects: Rect[], context: string): void {
  rects.forEach((a, i) => rects.slice(i + 1).forEach((b) => assert.ok(!overlap(a, b), `tiles overlap: ${context}`)));
}

test("every tile of the grid has a place of its own inside the width, for 1 to 30 people", () => {
  for (const area of AREAS) {
    for (let count = 1; count <= 30; count += 1) {
      const context = `${area.width}x${area.height}, ${count} tiles`;
      const { rects } = gridLayout(area, count);
      assert.equal(rects.length, count, context);
      checkApart(rects, context);
      for (const r of rects) assert.ok(r.x >= 0 && r.y >= 0 && r.width > 0 && r.x + r.width <= area.width + 1, context);
    }
  }
});

test("a grid whose tiles would become too small scrolls instead", () => {
  const phone = { width: 344, height: 600 };
  const { rects, height } = gridLayout(phone, 30);
  assert.ok(height > phone.height);
  assert.ok(rects.every((r) => r.width >= 132));
});

test("a grid that fits does not scroll", () => {
  for (const area of AREAS) assert.ok(gridLayout(area, 4).height <= area.height);
});

test("two people on a phone sit above each other, on a desktop side by side", () => {
  const [upper, lower] = gridLayout({ width: 344, height: 600 }, 2).rects;
  assert.ok(upper && lower && upper.x === lower.x && upper.y < lower.y);
  const [left, right] = gridLayout({ width: 1264, height: 640 }, 2).rects;
  assert.ok(left && right && left.y === right.y && left.x < right.x);
});

test("of two people the other is large, and oneself is small in its corner", () => {
  for (const area of AREAS) {
    const { own, other } = duoLayout(area);
    assert.ok(own.width * own.height * 4 < other.width * other.height);
    assert.ok(own.x >= other.x && own.x + own.width <= other.x + other.width);
    assert.ok(own.y >= other.y && own.y + own.height <= other.y + other.height);
  }
});

test("nobody is no tiles", () => {
  assert.deepEqual(gridLayout({ width: 344, height: 600 }, 0), { rects: [], height: 0 });
});

test("the stage leaves room for others, all inside the area", () => {
  for (const area of AREAS) {
    for (let count = 0; count <= 30; count += 1) {
      const context = `${area.width}x${area.height}, ${count} others`;
      const { stage, others } = stageLayout(area, count);
      checkApart([stage, ...others], context);
      assert.ok(count === 0 || others.length > 0, context);
      assert.ok(others.length <= count, context);
      for (const r of [stage, ...others]) assert.ok(r.x + r.width <= area.width + 1 && r.y + r.height <= area.height + 1, context);
      const largest = Math.max(0, ...others.map((r) => r.width * r.height));
      assert.ok(stage.width * stage.height > largest, context);
    }
  }
});

test("those who spoke last are shown, in the order they had", () => {
  const tiles = [0, 0, 0, 9, 0, 7].map((lastSpokeAt, id) => ({ id, lastSpokeAt }));
  assert.deepEqual(chooseShown(tiles, 3).map((tile) => tile.id), [0, 3, 5]);
  assert.deepEqual(chooseShown(tiles, 9), tiles);
});
