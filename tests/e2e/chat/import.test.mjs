// What a back end brings from elsewhere, what is found in it, and what an operator may set.

import { strict as assert } from "node:assert";

import { Chatter, backendToken, chatToken, enroll, logIn, newCmid, ok, privately, rest, signUp, text, words } from "../../harness/chat.mjs";
import { StoaNode } from "../../harness/node.mjs";
import { scenario, stage } from "../../harness/scenario.mjs";
import { until } from "../../harness/wait.mjs";

const shared = stage();
const people = (room, ...names) => names.map((name) => `${name}.${room}`);
const LONG_AGO = 1_500_000_000_000;
/** Rows of one request, at most. */
const BATCH = 500;

const bring = (path, body) => ok(shared.node, "POST", path, { token: backendToken(), body });
const outcomes = ({ rows }) => rows.map(({ outcome, name }) => name ?? outcome);
const old = (sender, after, said, cmid = newCmid()) => ({ sender, cmid, at: `${LONG_AGO + after}`, content: text(said) });

scenario("a back end brings friends, groups, members and messages, row by row, and nobody is disturbed", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b, c] = people(room, "ana", "ben", "cyd");
  await enroll(node, [a, b, c]);
  const ana = later(await Chatter.connect(node, a, {}));

  const pair = { user: a, peer: b, remark: "Benny", peerRemark: "Annie", since: `${LONG_AGO}` };
  const friends = { friends: [pair, { ...pair, user: b, peer: a }, { user: a, peer: "nobody" }, { user: "no id!", peer: a }] };
  assert.deepEqual(outcomes(await bring("/friends/import", friends)), ["created", "exists", "AccountNotFound", "MalformedRequest"]);
  const { friends: [known] } = await ana.ask({ friendList: {} });
  assert.deepEqual([known.user, known.remark, known.since], [b, "Benny", `${LONG_AGO}`]);

  const g = `club-${room}`;
  const groups = [{ id: g, owner: a, kind: "GROUP_KIND_PUBLIC", name: "Club", createdAt: `${LONG_AGO}`, members: [b] }, { id: g, owner: b }];
  assert.deepEqual(outcomes(await bring("/groups/import", { groups })), ["created", "exists"]);
  const members = [{ user: c, role: "ROLE_ADMIN", card: "the boss", joinedAt: `${LONG_AGO + 5}` }, { user: b }, { user: "nobody" }];
  assert.deepEqual(outcomes(await bring(`/groups/${g}/members/import`, { members })), ["created", "exists", "AccountNotFound"]);
  const list = await ana.ask({ groupMemberList: { group: g } });
  const cyd = list.members.find(({ user }) => user === c);
  assert.deepEqual([cyd.role, cyd.card, cyd.joinedAt], ["ROLE_ADMIN", "the boss", `${LONG_AGO + 5}`]);

  for (const [conversation, senders] of [[`g:${g}`, [a, b, c]], [privately(a, b), [a, b, a]]]) {
    const messages = senders.map((sender, n) => old(sender, n, `old ${n}`));
    const path = `/conversations/${conversation}/messages/import`;
    assert.deepEqual(outcomes(await bring(path, { messages })), ["created", "created", "created"]);
    assert.deepEqual(outcomes(await bring(path, { messages })), ["exists", "exists", "exists"]);
    const wrong = [old(b, 1, "too early"), { ...old(b, 9, ""), content: {} }, old(b, 10, "last"), { ...old(b, 11, "x"), cmid: "AAAA" }];
    assert.deepEqual(outcomes(await bring(path, { messages: wrong })), ["OutOfOrder", "MalformedRequest", "created", "MalformedRequest"]);
    const page = await ana.ask({ pull: { conversation, from: "1" } });
    assert.deepEqual(page.messages.map((one) => [one.sender, Number(one.at) - LONG_AGO, words(one)]),
      [...senders.map((sender, n) => [sender, n, `old ${n}`]), [b, 10, "last"]]);
  }
  assert.equal((await ana.ask({ unreadGet: {} })).messages ?? "0", "0");
  assert.deepEqual(ana.pushes.filter((push) => push.message), [], "what is old was pushed");
  // A device finds it by its cursors, and what is said from then on follows without a gap.
  const synced = await ana.ask({ sync: {} });
  assert.deepEqual(synced.conversations.map(({ head }) => head), ["4", "4"]);
  assert.equal((await ana.send(b, "new")).seq, "5");

  const mine = { token: chatToken({ sub: a }) };
  for (const path of ["/friends/import", "/groups/import", `/groups/${g}/members/import`, `/conversations/g:${g}/messages/import`]) {
    assert.equal((await rest(node, "POST", path, { ...mine, body: {} })).status, 403, `${path} by a person`);
    assert.equal((await rest(node, "POST", path, { body: {} })).status, 401, `${path} by nobody`);
    assert.equal((await rest(node, "POST", path, { token: backendToken() })).status, 400, `${path} without a body`);
  }
  const many = { friends: Array.from({ length: BATCH + 1 }, () => pair) };
  assert.equal((await rest(node, "POST", "/friends/import", { token: backendToken(), body: many })).status, 413);
  assert.deepEqual(ana.faults.map(String), []);
});

scenario("a community of thousands comes in evenly, is told in pages, and its neighbours do not notice", shared, async ({ room, later }) => {
  const { node } = shared;
  const COUNT = 9_000;
  const ONLINE = 50;
  const [a, b] = people(room, "ana", "ben");
  await enroll(node, [a, b]);
  const ana = later(await Chatter.connect(node, a, {}));
  let on = true;
  let slowest = 0;
  const talk = (async () => {
    while (on) {
      const since = performance.now();
      await ok(node, "POST", `/messages?as=${b}`, { token: backendToken(), body: { user: a, cmid: newCmid(), content: text("still here") } });
      slowest = Math.max(slowest, performance.now() - since);
    }
  })();
  const users = Array.from({ length: COUNT }, (_, n) => `m${n}.${room}`);
  const g = `all-${room}`;
  const memory = await node.memory();
  const batches = Array.from({ length: COUNT / BATCH }, (_, n) => users.slice(n * BATCH, (n + 1) * BATCH));
  for (const batch of batches) await enroll(node, batch);
  await bring("/groups/import", { groups: [{ id: g, owner: a, kind: "GROUP_KIND_COMMUNITY" }] });
  const costs = [];
  for (const batch of batches) {
    const [cpu, since] = [await node.cpu(), performance.now()];
    const done = await bring(`/groups/${g}/members/import`, { members: batch.map((user) => ({ user })) });
    costs.push({ cpu: (await node.cpu()) - cpu, ms: performance.now() - since });
    assert.ok(done.rows.every(({ outcome }) => outcome === "created"));
  }
  on = false;
  await talk;
  // The last third costs what the first did: nothing grows with the group.
  const third = batches.length / 3;
  const cpu = (some) => some.reduce((sum, one) => sum + one.cpu, 0);
  const [first, last] = [cpu(costs.slice(0, third)), cpu(costs.slice(-third))];
  assert.ok(last < first * 2.5 + 0.3, `the first third took ${first} s of processor, the last ${last} s`);
  const grown = (await node.memory()) - memory;
  assert.ok(grown < COUNT * 20_000, `the node grew by ${grown >> 20} MiB`);
  assert.ok(slowest < 3_000, `a neighbour's message took ${slowest} ms`);

  const some = users.filter((_, n) => n % (COUNT / ONLINE) === 0);
  const crowd = await Promise.all(some.map(async (user) => later(await Chatter.connect(node, user, {}))));
  await ana.send(`g:${g}`, "hello, everybody");
  for (const who of crowd) await who.has(`g:${g}`, 1);
  const seen = new Set();
  for (let after = ""; after !== undefined; ) {
    const page = await ok(node, "GET", `/groups/${g}/members?limit=1000&after=${after}`, { token: backendToken() });
    assert.ok(page.members.length <= 100, `a page holds ${page.members.length}`);
    page.members.forEach(({ user }) => seen.add(user));
    after = page.next || undefined;
  }
  assert.equal(seen.size, COUNT + 1);
  assert.equal((await ana.ask({ groupGet: { group: g } })).members, COUNT + 1);
  const receipts = await ana.ask({ receiptsGet: { conversation: `g:${g}`, seq: "1" } }).catch((error) => error);
  assert.equal(receipts.name, "GroupTooLarge");
});

scenario("people find words in what they may read, and nowhere else", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b, c] = people(room, "ana", "ben", "cyd");
  await enroll(node, [a, b, c]);
  const [ana, ben, cyd] = await Promise.all([a, b, c].map(async (user) => later(await Chatter.connect(node, user, {}))));
  await ana.send(b, "Shall we meet at the OLD mill?");
  await ben.send(a, "at the mill, the old one");
  await ben.send(c, "the old mill, tomorrow");
  const { seq } = await ana.send(b, "forget the old mill");
  await ana.ask({ withdraw: { conversation: privately(a, b), seq } });
  const found = async (who, search) => (await who.ask({ search })).messages?.map(({ conversation, message }) => `${conversation}/${message.seq}`) ?? [];
  const ab = privately(a, b);
  assert.deepEqual(await found(ana, { words: "old MILL" }), [`${ab}/2`, `${ab}/1`]);
  assert.deepEqual(await found(ana, { words: "mill", sender: a }), [`${ab}/1`]);
  assert.deepEqual(await found(cyd, { words: "mill" }), [`${privately(b, c)}/1`]);
  assert.deepEqual((await found(ben, { words: "mill" })).length, 3);
  assert.deepEqual(await found(ana, { words: "tomorrow" }), []);
  await assert.rejects(cyd.ask({ search: { words: "mill", conversation: ab } }), /ConversationNotFound/);
  await assert.rejects(cyd.ask({ search: { words: " " } }), /FieldLength/);
  await assert.rejects(cyd.ask({ search: { words: "mill", after: "nonsense" } }), /MalformedRequest/);
  const page = await ok(node, "GET", `/search?as=${b}&words=mill&limit=2`, { token: backendToken() });
  assert.equal(page.messages.length, 2);
  const rest_ = await ok(node, "GET", `/search?as=${b}&words=mill&limit=2&after=${page.next}`, { token: backendToken() });
  assert.deepEqual([rest_.messages.length, rest_.next ?? ""], [1, ""]);
});

scenario("the device policy is a setting of the installation", shared, async ({ room, later }) => {
  const { node } = shared;
  const token = backendToken();
  const [a] = people(room, "ana");
  await signUp(node, a);
  const enter = async (device) => later(await Chatter.connect(node, a, { token: (await logIn(node, a, device)).accessToken, device }));
  const before = await ok(node, "GET", "/settings", { token });
  assert.equal(before.devices, "DEVICE_POLICY_MULTI");
  const [one, two] = [await enter("one"), await enter("two")];
  try {
    const changed = await ok(node, "PATCH", "/settings", { token, body: { devices: "DEVICE_POLICY_SINGLE" } });
    assert.deepEqual({ ...changed, devices: before.devices }, before, "what was not named has changed");
    await enter("three");
    // Both were there; the new log-in cannot live with either.
    assert.deepEqual([await one.ends(), await two.ends()], [4409, 4409]);
    const person = { token: (await logIn(node, a, "four")).accessToken };
    assert.equal((await rest(node, "PATCH", "/settings", { ...person, body: { devices: "DEVICE_POLICY_MULTI" } })).status, 403);
    assert.equal((await rest(node, "PATCH", "/settings", { token, body: { devices: "DEVICE_POLICY_NONE" } })).status, 400);
    assert.equal((await rest(node, "PATCH", "/settings", { token, body: { retentionMs: "1" } })).status, 400);
  } finally {
    await ok(node, "PATCH", "/settings", { token, body: { devices: "DEVICE_POLICY_MULTI" } });
  }
});

scenario("the bounds of chat are configuration", shared, async ({ room, later }) => {
  const limits = "frame_bytes = 8192\nsends_per_second = 1\nsends_burst = 3\nlogins_per_minute = 2\nrest_per_second = 1\n";
  const node = await StoaNode.start({ config: `[chat.limits]\n${limits}` });
  later({ close: () => node.stop() });
  const [a, b] = people(room, "ana", "ben");
  await signUp(node, a);
  await enroll(node, [b]);
  const login = await logIn(node, a);
  const ana = later(await Chatter.connect(node, a, { token: login.accessToken, device: "d1" }));
  const { frameBytes, sendsBurst, sendsPerSecond, framesPerSecond } = ana.connected.limits;
  assert.deepEqual([frameBytes, sendsBurst, sendsPerSecond, framesPerSecond], [8_192, 3, 1, 20]);
  const sends = await Promise.all(Array.from({ length: 6 }, () =>
    ana.ask({ send: { user: b, cmid: newCmid(), content: text("hello") } }).catch((error) => error)));
  assert.ok(sends.filter((one) => one.name === "RateLimited").length >= 2);
  const answers = await Promise.all(Array.from({ length: 12 }, () => rest(node, "GET", "/account", { token: login.accessToken })));
  assert.ok(answers.some(({ status }) => status === 429), "nobody was told to wait");
  const tries = [];
  for (let n = 0; n < 4; n += 1) tries.push((await rest(node, "POST", "/sessions", { body: { user: a, password: "wrong", device: "d2" } })).status);
  assert.ok(tries.includes(429), `log-ins answered ${tries}`);
  const big = ana.ask({ send: { user: b, cmid: newCmid(), content: text("x".repeat(10_000)) } }).catch((error) => error);
  await ana.ends();
  assert.ok((await big) instanceof Error);
  await until("the node to be well", async () => (await fetch(`${node.http}/healthz`)).ok);
});
