// The demo page as a person meets it: two tabs, a picture of the other, a chat message.

import { strict as assert } from "node:assert";

import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });

/** Largest frame counts of the page's moving pictures. */
const pictures = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("video")].map((video) => ({
      width: video.videoWidth,
      frames: video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0,
      paused: video.paused,
    })));

async function tab(room, name, later) {
  const page = await shared.chromium.open(`${shared.node.http}/?room=${room}&name=${name}&join=1`);
  later({ page, identity: name, close: () => page.close() });
  return page;
}

scenario("two tabs of the demo page see each other and chat", shared, async ({ room, later }) => {
  const ana = await tab(room, "Ana", later);
  const ben = await tab(room, "Ben", later);
  for (const page of [ana, ben]) {
    await until("two moving pictures: oneself and the other", async () => {
      const moving = (await pictures(page)).filter((p) => p.width > 0 && p.frames > 10 && !p.paused);
      return moving.length >= 2;
    });
  }
  for (const [page, name] of [[ana, "Ben"], [ben, "Ana"]]) {
    await until(`the name of ${name}`, () => page.evaluate((name) => document.body.innerText.includes(name), name));
  }
  const field = await until("a field for chat", () => chatField(ana));
  await field.type("good morning from Ana");
  await field.press("Enter");
  await until("the message to arrive", async () => {
    await chatField(ben);
    return ben.evaluate(() => document.body.innerText.includes("good morning from Ana"));
  });
  for (const page of [ana, ben]) {
    assert.deepEqual(page.lines.filter((line) => line.startsWith("page error")), []);
  }
});

scenario("the demo page fits a phone before and in a call", shared, async ({ room, later }) => {
  const phone = { width: 360, height: 740 };
  for (const query of ["", `?room=${room}&name=Ana&join=1`]) {
    const page = await shared.chromium.open(`${shared.node.http}/${query}`, phone);
    later({ page, identity: "phone", close: () => page.close() });
    await until("the page to be drawn", () => page.evaluate(() => document.body.innerText.length > 20));
    if (query) await until("a moving picture", async () => (await pictures(page)).some((p) => p.frames > 5));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= phone.width, `the page is ${wide} wide`);
  }
});

/** The chat's field, after opening the chat if it is folded away. */
async function chatField(page) {
  const visible = async () => {
    for (const field of await page.$$("textarea, input[type=text], input:not([type])")) {
      if (await field.isVisible()) return field;
    }
    return undefined;
  };
  const field = await visible();
  if (field) return field;
  for (const button of await page.$$("button")) {
    const label = await button.evaluate((b) => `${b.innerText} ${b.title} ${b.getAttribute("aria-label")}`);
    if (/chat/i.test(label) && (await button.isVisible())) {
      await button.click();
      return visible();
    }
  }
  return undefined;
}
