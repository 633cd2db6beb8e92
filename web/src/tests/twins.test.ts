import { strict as assert } from "node:assert";
import { test } from "node:test";
import { Twins } from "../chat/twins";

const said = (text: string, sentAt: number, identity = "ada") => ({ identity, text, sentAt });

test("what comes both ways is shown once, whichever way was faster", () => {
  const twins = new Twins();
  assert.ok(twins.isNew("stream", said("hi", 1_000)));
  assert.ok(!twins.isNew("live", said("hi", 1_400)));
  assert.ok(twins.isNew("live", said("bye", 2_000)));
  assert.ok(!twins.isNew("stream", said("bye", 1_900)));
});

test("the same words said twice, or by two people, are shown twice", () => {
  const twins = new Twins();
  const ways = [["stream", 1_000], ["stream", 2_000], ["live", 1_100], ["live", 2_100]] as const;
  assert.deepEqual(ways.map(([way, at]) => twins.isNew(way, said("yes", at))), [true, true, false, false]);
  assert.ok(twins.isNew("live", said("yes", 1_200, "bob")));
});

test("what a live room tells again is not shown again, and old words may be said anew", () => {
  const twins = new Twins();
  assert.ok(twins.isNew("live", said("hi", 1_000)));
  assert.ok(!twins.isNew("live", said("hi", 1_000)));
  assert.ok(twins.isNew("stream", said("hi", 200_000)));
});
