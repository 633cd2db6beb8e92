import { strict as assert } from "node:assert";
import { test } from "node:test";
import { refusal } from "../console/api";
import { alarm, clusterState, type Status } from "../console/cluster";
import { combine, MEASURES, parseFigures, short, Track, WINDOW_MS, type Measure } from "../console/figures";
import { rowsFrom } from "../console/search";

const members = [1, 2, 3].map((node) => ({ node, address: `10.0.0.${node}:7890`, http: `http://10.0.0.${node}:7880`, role: "voter", leads: false, linked: false }));
const status = (node: number, more: Partial<Status>): Status => ({ node, leader: 1, term: 5, last: 100, applied: 100, logBytes: 1, storeBytes: 1, nodes: members, ...more });

test("figures of one name are added up over their labels", () => {
  const figures = parseFigures('# HELP a b\na{shard="0"} 2\na{shard="1",x="} 9"} 3\nb 1.5\nc NaN\n\nd_bucket{le="+Inf"} 4');
  assert.deepEqual([...figures], [["a", 5], ["b", 1.5], ["d_bucket", 4]]);
});

test("a rate is what a counter grew by, and a restart makes no dip", () => {
  const measure = MEASURES.find(({ title }) => title === "Chat messages") as Measure;
  const track = new Track(measure);
  const take = (at: number, value: number) => track.take(at, new Map([["stoa_im_messages_total", value]]));
  take(0, 10);
  assert.equal(track.points.length, 0, "one reading has no rate");
  take(2_000, 30);
  assert.equal(track.latest(2_000, 1_000), 10);
  take(4_000, 0);
  take(6_000, 4);
  assert.deepEqual(track.points.map(({ value }) => value), [10, 2]);
  assert.equal(track.latest(20_000, 1_000), undefined, "an old value is not the present one");
});

test("figures are kept for the window and no longer", () => {
  const track = new Track({ title: "", unit: "", names: ["a"], rate: false, scale: 1, together: "sum" });
  for (let at = 0; at <= 2 * WINDOW_MS; at += 2_000) track.take(at, new Map([["a", at]]));
  assert.equal(track.points[0]?.at, WINDOW_MS);
  assert.equal(track.points.length, WINDOW_MS / 2_000 + 1);
});

test("nodes' values are added, or the largest counts, and silence is not zero", () => {
  assert.equal(combine([1, undefined, 2], "sum"), 3);
  assert.equal(combine([1, undefined, 2], "max"), 2);
  assert.equal(combine([undefined], "sum"), undefined);
});

test("numbers have about three digits", () => {
  assert.deepEqual([0, 7, 0.123, 12.34, 1234, 12_345, 2_345_678].map(short), ["0", "7", "0.12", "12.3", "1234", "12.3 k", "2.35 M"]);
});

test("who leads is what the highest term says, and who is behind is seen", () => {
  const state = clusterState([status(3, { leader: 3, term: 4, applied: 90, last: 95 }), status(1, {})]);
  assert.equal(state?.leader, 1);
  assert.deepEqual(state?.nodes.map(({ node, leads, state, lag }) => [node, leads, state, lag]), [[1, true, "up", 0], [2, false, "gone", undefined], [3, false, "up", 10]]);
  assert.equal(clusterState([]), undefined);
});

test("of equal terms the one that knows a leader is believed", () => {
  assert.equal(clusterState([status(2, { leader: null }), status(3, { leader: 3 })])?.leader, 3);
});

test("an operator is told what is wrong and what to do", () => {
  const told = (answers: Status[]) => alarm(clusterState(answers) ?? assert.fail());
  const all = [1, 2, 3].map((node) => status(node, {}));
  assert.equal(told(all), "");
  assert.match(told(all.slice(0, 2)), /Node 3 cannot be reached/);
  assert.match(told(all.slice(0, 1)), /Only 1 of 3 voters .* Start the others/);
  assert.match(told([status(1, { nodes: members.slice(0, 2) })]), /Only 1 of 2 voters/, "half is no majority");
  const linked = members.map((member) => ({ ...member, linked: true }));
  assert.match(told([status(1, { nodes: linked })]), /Node 2, 3 is up, but this browser does not reach it/);
  assert.match(told(all.map((one) => ({ ...one, leader: null }))), /election/);
});

test("errors of both kinds have a sentence, a code and what to do", () => {
  const problem = refusal(403, '{"title":"forbidden","detail":"the access token does not grant nodeAdmin","action":"Issue a token with it.","code":1006}');
  assert.deepEqual([problem.message, problem.code, problem.advice], ["The access token does not grant nodeAdmin.", "1006", "Issue a token with it."]);
  const twirp = refusal(401, '{"code":"unauthenticated","msg":"no token","meta":{"code":"1001"}}');
  assert.deepEqual([twirp.message, twirp.code], ["No token.", "1001"]);
  assert.match(twirp.advice, /token/);
  assert.match(refusal(502, "<html>").message, /HTTP 502/);
});

test("a search ends where the letters end", () => {
  const id = (text: string) => text;
  assert.deepEqual(rowsFrom(["anna", "anton"], id, "an"), { rows: ["anna", "anton"], over: false });
  assert.deepEqual(rowsFrom(["anna", "ben"], id, "an"), { rows: ["anna"], over: true });
  assert.deepEqual(rowsFrom([], id, ""), { rows: [], over: false });
});
