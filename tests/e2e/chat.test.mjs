// Chat, by clients that know docs/im.md and the schema, and nothing else of the node.

import { strict as assert } from "node:assert";

import {
  Chatter, backendToken, chatToken, enroll, logIn, newCmid, ok, privately, rest, signUp, text, words,
} from "../harness/chat.mjs";
import { StoaNode } from "../harness/node.mjs";
import { Proxy } from "../harness/proxy.mjs";
import { Puppet } from "../harness/puppet.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage();
const count = (n, make) => Array.from({ length: n }, (_, index) => make(index));
const seqs = (messages) => messages.map(({ seq }) => Number(seq));
const dense = (n) => count(n, (index) => index + 1);
/** Names of people that no other scenario has. */
const people = (room, ...names) => names.map((name) => `${name}.${room}`);

/** Accounts made by the back end, each with an open socket. */
async function online(later, users, options = {}) {
  await enroll(options.node ?? shared.node, users);
  return Promise.all(users.map(async (user) => later(await Chatter.connect(options.node ?? shared.node, user, options))));
}

function onceEach(chatter, conversation, n) {
  for (const seq of dense(n)) {
    assert.equal(chatter.pushed.get(`${conversation}/${seq}`), 1, `${chatter.user} was pushed message ${seq} of ${n} not once`);
  }
}

function unharmed(...chatters) {
  for (const { user, faults } of chatters) assert.deepEqual(faults.map(String), [], `what ${user} was sent that was not right`);
}

for (const [encodings, first, second] of [["JSON", "json", "json"], ["protobuf and JSON", "pb", "json"]]) {
  scenario(`two people sign up, become friends and chat in private in ${encodings}`, shared, async ({ room, later }) => {
    const { node } = shared;
    const [a, b] = people(room, "ana", "ben");
    for (const user of [a, b]) await signUp(node, user);
    const enter = async (user, encoding, device) =>
      later(await Chatter.connect(node, user, { token: (await logIn(node, user, device)).accessToken, device, encoding }));
    const [ana, ben] = [await enter(a, first, "d1"), await enter(b, second, "d1")];
    const c = privately(a, b);

    assert.ok(!(await ana.ask({ friendRequest: { user: b, message: "hi, Ben" } })).accepted);
    await ben.push("changed", ({ entity, id }) => entity === "ENTITY_REQUEST_IN" && id === a);
    const { requests } = await ben.ask({ friendRequestList: {} });
    assert.deepEqual(requests.map(({ user, message }) => [user, message]), [[a, "hi, Ben"]]);
    await ben.ask({ friendAnswer: { user: a, accept: true } });
    await ana.push("changed", ({ entity, id }) => entity === "ENTITY_FRIEND" && id === b);
    for (const [who, other] of [[ana, b], [ben, a]]) {
      assert.deepEqual((await who.ask({ friendList: {} })).friends.map(({ user }) => user), [other]);
    }

    const sent = await Promise.all(count(5, (n) => ana.send(b, `one ${n}`)));
    assert.deepEqual(sent.map((one) => [one.conversation, Number(one.seq)]), dense(5).map((seq) => [c, seq]));
    await ben.has(c, 5);
    assert.equal(Number((await ben.ask({ unreadGet: {} })).messages), 5);
    assert.equal(Number((await ana.ask({ unreadGet: {} })).messages ?? 0), 0);
    await ben.ask({ read: { conversation: c, seq: "3" } });
    assert.equal(Number((await ben.ask({ unreadGet: {} })).messages), 2);
    await ana.push("receipt", ({ conversation, user, read }) => conversation === c && user === b && read === "3");
    await ben.ask({ read: { conversation: c, seq: "5" } });
    assert.equal(Number((await ben.ask({ unreadGet: {} })).messages ?? 0), 0);
    assert.deepEqual((await ana.ask({ receiptsGet: { conversation: c, seq: "5" } })).read, [b]);

    // Both at once: one order, each message once.
    await Promise.all([...count(10, (n) => ana.send(c, `a ${n}`)), ...count(10, (n) => ben.send(a, `b ${n}`))]);
    for (const who of [ana, ben]) {
      assert.deepEqual(seqs(await who.has(c, 25)), dense(25));
      onceEach(who, c, 25);
    }
    assert.deepEqual(ana.said(c), ben.said(c));
    const order = (from, prefix) => ben.messages(c).filter(({ sender }) => sender === from).map(words).filter((said) => said.startsWith(prefix));
    assert.deepEqual(order(a, "a"), count(10, (n) => `a ${n}`), "each one's messages are in the order sent");
    assert.deepEqual(order(b, "b"), count(10, (n) => `b ${n}`));

    ana.tell({ typing: { conversation: c, typing: true } });
    await ben.push("typing", (one) => one.conversation === c && one.user === a && one.typing);
    const seen = (status) => ben.push("presence", ({ presences }) => presences.at(-1).user === a && (presences.at(-1).status ?? "STATUS_OFFLINE") === status);
    const now = await ben.ask({ presenceSubscribe: { users: [a] } });
    if (now.presences[0].status !== "STATUS_ONLINE") await seen("STATUS_ONLINE");
    await ana.ask({ presenceSet: { status: "STATUS_BUSY", text: "at work" } });
    await seen("STATUS_BUSY");
    await ana.ask({ presenceSet: { status: "STATUS_INVISIBLE" } });
    await seen("STATUS_OFFLINE");
    await ana.ask({ presenceSet: { status: "STATUS_AWAY" } });
    await seen("STATUS_AWAY");
    await ana.ask({ presenceSet: { status: "STATUS_INVISIBLE" } });
    await ben.send(a, "where are you?");
    await ana.has(c, 26);
    assert.ok(!ana.closed, "who is invisible gets messages");
    unharmed(ana, ben);
  });
}

scenario("a group is joined by approval, moderated and dismissed, and strangers neither write nor read in it", shared, async ({ room, later }) => {
  const [o, b, c, d] = people(room, "olga", "ben", "cat", "dan");
  const [olga, ben, cat, dan] = await online(later, [o, b, c, d]);
  const far = `${Date.now() + 3_600_000}`;
  const made = await olga.ask({ groupCreate: { kind: "GROUP_KIND_PUBLIC", name: "Chess" } });
  const group = made.id;
  const g = `g:${group}`;
  assert.equal(made.rules.join, "JOIN_RULE_APPROVAL");

  for (const [who, user] of [[ben, b], [cat, c]]) {
    assert.ok(!(await who.ask({ groupJoin: { group, message: "let me in" } })).accepted);
    assert.equal((await who.refused({ send: { conversation: g, cmid: newCmid(), content: text("too early") } })).name, "NotMember");
    await olga.push("groupChanged", (one) => one.group === group && one.part === "GROUP_PART_REQUESTS");
    const { joins } = await olga.ask({ groupJoinList: { group } });
    assert.deepEqual(joins.map((join) => [join.user, join.message]), [[user, "let me in"]]);
    await olga.ask({ groupJoinAnswer: { group, user, accept: true } });
  }
  const { members } = await ben.ask({ groupMemberList: { group } });
  assert.deepEqual(members.map(({ user, role }) => [user, role ?? "ROLE_MEMBER"]).sort(),
    [[b, "ROLE_MEMBER"], [c, "ROLE_MEMBER"], [o, "ROLE_OWNER"]].sort());

  // Roles.
  assert.equal((await ben.refused({ groupMute: { group, user: c, until: far } })).name, "ChatNotPermitted");
  await olga.ask({ groupRole: { group, user: b, role: "ROLE_ADMIN" } });
  await ben.ask({ groupMute: { group, user: c, until: far } });
  assert.equal((await cat.refused({ send: { conversation: g, cmid: newCmid(), content: text("m") } })).name, "Muted");
  await ben.ask({ groupMute: { group, user: c, until: "0" } });
  await olga.ask({ groupMuteAll: { group, on: true } });
  assert.equal((await cat.refused({ send: { conversation: g, cmid: newCmid(), content: text("m") } })).name, "Muted");
  await olga.ask({ groupMuteAll: { group, on: false } });

  // Messages, a mention, an edit, a reaction, a recall.
  const one = await cat.send(g, "first");
  const three = await cat.send(g, "rubbish");
  const two = await olga.send(g, "see this", { options: { mentions: [c] } });
  for (const who of [olga, ben, cat]) {
    await until(`${who.user} to have the last message`, () => who.held(g).last >= Number(two.seq));
    assert.deepEqual(who.said(g).slice(-3), ["first", "rubbish", "see this"]);
  }
  assert.deepEqual((await cat.ask({ mentionsGet: { conversation: g } })).seqs, [two.seq]);
  assert.equal((await ben.ask({ mentionsGet: { conversation: g } })).seqs, undefined);
  const before = (await ben.ask({ conversationGet: { conversation: g } })).revision ?? "0";
  assert.equal((await ben.refused({ edit: { conversation: g, seq: one.seq, content: text("not mine") } })).name, "ChatNotPermitted");
  await cat.ask({ edit: { conversation: g, seq: one.seq, content: text("first, corrected") } });
  await ben.ask({ react: { conversation: g, seq: two.seq, reaction: "+1" } });
  await ben.ask({ withdraw: { conversation: g, seq: three.seq } });
  await ben.push("hint", ({ conversation, changed }) => conversation === g && changed);
  const revised = await ben.ask({ revisionsGet: { conversation: g, after: before } });
  const by = new Map(revised.messages.map((message) => [message.seq, message]));
  assert.equal(words(by.get(one.seq)), "first, corrected");
  assert.deepEqual(by.get(two.seq).reactions, { "+1": 1 });
  assert.equal(by.get(three.seq).gone.how, "GONE_HOW_RECALLED");
  assert.equal(by.get(three.seq).content, undefined, "what was recalled is gone");
  assert.deepEqual((await cat.ask({ editsGet: { conversation: g, seq: one.seq } })).edits.map(words), ["first"]);
  assert.deepEqual((await cat.ask({ reactionsGet: { conversation: g, seq: two.seq, reaction: "+1" } })).users, [b]);

  // Strangers.
  const reads = [{ pull: { conversation: g, from: "1" } }, { conversationGet: { conversation: g } }, { revisionsGet: { conversation: g, after: "0" } }, { groupMemberList: { group } }];
  for (const ask of reads) {
    const { name } = await dan.refused(ask);
    assert.ok(["NotMember", "ConversationNotFound"].includes(name), `${Object.keys(ask)} of a stranger: ${name}`);
  }
  assert.equal((await dan.refused({ send: { conversation: g, cmid: newCmid(), content: text("x") } })).name, "NotMember");

  // Who is banned is out, and stays out.
  assert.equal((await ben.refused({ groupBan: { group, user: c } })).name, "AlreadyMember", "a member is removed, and banned with it");
  await ben.ask({ groupRemove: { group, users: [c], banUntil: far } });
  assert.ok(["NotMember", "Banned"].includes((await cat.refused({ send: { conversation: g, cmid: newCmid(), content: text("x") } })).name));
  assert.equal((await cat.refused({ groupJoin: { group } })).name, "Banned");
  assert.deepEqual((await ben.ask({ groupBanList: { group } })).bans.map(({ user }) => user), [c]);
  const heard = cat.pushes.length;
  await olga.send(g, "without Cat");
  await until("ben to hear it", () => ben.said(g).includes("without Cat"));

  assert.equal((await ben.refused({ groupDismiss: { group } })).name, "ChatNotPermitted");
  await olga.ask({ groupDismiss: { group } });
  await ben.push("groupChanged", ({ part }) => part === "GROUP_PART_DISMISSED");
  assert.ok(["GroupNotFound", "ConversationNotFound"].includes((await ben.refused({ send: { conversation: g, cmid: newCmid(), content: text("x") } })).name));
  assert.ok(!cat.pushes.slice(heard).some(({ message }) => message), "who was banned hears nothing");
  unharmed(olga, ben, cat, dan);
});

scenario("a client whose socket is cut resumes without loss and without duplicates", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b] = people(room, "ana", "ben");
  const proxy = later(await Proxy.to(node.base));
  const [ana] = await online(later, [a]);
  await enroll(node, [b]);
  const ben = later(await Chatter.connect(node, b, { url: proxy.ws, auto: true }));
  const c = privately(a, b);
  let said = 0;
  for (const round of [1, 2, 3]) {
    await Promise.all(count(10, () => ana.send(b, `${(said += 1)}`)));
    proxy.cut();
    await Promise.all(count(10, () => ana.send(b, `${(said += 1)}`)));
    await until("ben to be back", () => proxy.accepted > round && ben.connected.resumed && ben.closed === undefined);
  }
  await ben.has(c, said);
  onceEach(ben, c, said);
  assert.deepEqual(ben.said(c).toSorted((x, y) => x - y), dense(said).map(String));
  assert.deepEqual(ben.said(c), (await ana.has(c, said)).map(words));
  unharmed(ana, ben);
});

scenario("a client that was away long syncs and pulls what it missed", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b] = people(room, "ana", "ben");
  const [ana, ben] = await online(later, [a, b]);
  const c = privately(a, b);
  await ana.send(b, "before");
  await ben.has(c, 1);
  await ben.catchUp();
  await ben.cut();
  // More than the 512 pushes that are kept.
  const missed = 600;
  const sends = count(missed, (n) => n);
  await Promise.all(count(4, async (lane) => {
    for (let n; (n = sends.shift()) !== undefined; ) {
      const body = { user: b, content: text(`missed ${n}`) };
      await ok(node, "POST", `/messages?as=${a}`, { token: backendToken(), body, key: `${room}-${lane}-${n}` });
    }
  }));
  await ben.open();
  await ben.has(c, missed + 1);
  assert.ok(ben.pushes.length < missed, "what was missed is not all pushed");
  assert.deepEqual(seqs(ben.messages(c)), dense(missed + 1));
  assert.equal(new Set(ben.said(c)).size, missed + 1);
  assert.equal(Number((await ben.ask({ unreadGet: {} })).messages), missed + 1);
  await ben.close();
  // A new session, which knows from its last sync what it has.
  await ana.send(b, "after");
  await ana.ask({ profileSet: { name: "Ana" } });
  ben.ended = false;
  assert.ok(!(await ben.open({ resume: false })).resumed);
  assert.deepEqual(seqs(ben.messages(c)), dense(missed + 2));
  // Another installation knows nothing and gets everything.
  const tablet = later(await Chatter.connect(node, b, { device: "tablet" }));
  await tablet.catchUp();
  assert.deepEqual(tablet.said(c), ben.said(c));
  unharmed(ana, ben, tablet);
});

scenario("a message that is sent again with its cmid is one message", shared, async ({ room, later }) => {
  const [a, b] = people(room, "ana", "ben");
  const [ana, ben] = await online(later, [a, b]);
  const c = privately(a, b);
  const cmid = newCmid();
  const answers = await Promise.all(count(4, () => ana.send(b, "once", { cmid })));
  assert.deepEqual(answers.map(({ seq }) => seq), ["1", "1", "1", "1"]);
  assert.equal(answers.filter(({ duplicate }) => duplicate).length, 3);
  await ana.cut();
  await ana.open();
  assert.ok((await ana.send(c, "once", { cmid })).duplicate);
  await ana.send(b, "twice");
  await ben.has(c, 2);
  assert.deepEqual(ben.said(c), ["once", "twice"]);
  onceEach(ben, c, 2);
  unharmed(ana, ben);
});

scenario("what was acknowledged is there after a node is killed while people write", { get node() { return undefined; } }, async ({ room, later }) => {
  const node = await StoaNode.start();
  later({ close: () => node.stop(), log: node.log });
  const names = people(room, "ana", "ben", "cat");
  const crowd = await online(later, names, { node, auto: true });
  const [ana] = crowd;
  await signUp(node, `zoe.${room}`);
  const login = await logIn(node, `zoe.${room}`);
  const { id } = await ana.ask({ groupCreate: { kind: "GROUP_KIND_PUBLIC", name: "War", members: names.slice(1) } });
  const g = `g:${id}`;
  const acknowledged = new Map();
  let writing = true;
  const writers = crowd.map(async (who) => {
    for (let n = 0; writing; n += 1) {
      const cmid = newCmid();
      const { seq } = await who.send(g, `${who.user} ${n}`, { cmid });
      acknowledged.set(cmid, { seq, said: `${who.user} ${n}` });
    }
  });
  for (let kills = 0; kills < 2; kills += 1) {
    const stored = acknowledged.size;
    await until("something to be acknowledged", () => acknowledged.size > stored + 20);
    const before = acknowledged.size;
    await node.killAndStartAgain();
    await until("people to write on", () => acknowledged.size > before + 10);
  }
  writing = false;
  await Promise.all(writers);
  const reader = later(await Chatter.connect(node, names[0], { device: "reader" }));
  await reader.catchUp();
  const stored = reader.messages(g);
  assert.deepEqual(seqs(stored), dense(stored.length), "sequences are dense");
  const spoken = stored.filter(words);
  const byCmid = new Map(spoken.map((message) => [message.cmid, message]));
  assert.equal(byCmid.size, spoken.length, "no message is there twice");
  for (const [cmid, { seq, said }] of acknowledged) {
    assert.ok(byCmid.has(cmid), `the acknowledged message ${seq} "${said}" is lost`);
    assert.equal(byCmid.get(cmid).seq, seq);
    assert.equal(words(byCmid.get(cmid)), said);
  }
  assert.equal(spoken.length, acknowledged.size);
  for (const who of crowd) {
    await until(`${who.user} to have everything`, () => who.held(g).last === stored.length);
    // Who was brought in does not see what was before.
    assert.deepEqual(who.said(g).filter(Boolean), spoken.map(words));
  }
  // The log-in of before the kills goes on.
  const fresh = await ok(node, "POST", "/sessions/refresh", { body: { refreshToken: login.refreshToken } });
  assert.equal((await ok(node, "GET", "/account", { token: fresh.accessToken })).user, `zoe.${room}`);
  later(await Chatter.connect(node, fresh.user, { token: login.accessToken, device: "d1" }));
  // The last one may be repeated for a while, in case its answer was lost; an older one ends the log-in.
  const refresh = ({ refreshToken }) => rest(node, "POST", "/sessions/refresh", { body: { refreshToken } });
  const newest = (await refresh(fresh)).body;
  assert.equal((await refresh(login)).body.name, "RefreshInvalid");
  assert.ok([401, 403].includes((await refresh(newest)).status));
  await logIn(node, `zoe.${room}`);
});

for (const [what, code, end] of [
  ["a log-in that is ended", 4401, ({ session, accessToken: token }) => ["DELETE", `/sessions/${session}`, { token }]],
  ["an account that is disabled", 4403, ({ user }) => ["PATCH", `/accounts/${user}/state`, { token: backendToken(), body: { disabled: true } }]],
]) {
  scenario(`${what} loses its socket within a second, and its token is worth nothing`, shared, async ({ room, later }) => {
    const { node } = shared;
    const [a, b] = people(room, "ana", "ben");
    await signUp(node, a);
    const login = await logIn(node, a);
    const token = login.accessToken;
    const [ben] = await online(later, [b]);
    const ana = later(await Chatter.connect(node, a, { token, device: "d1" }));
    await ana.send(b, "hello");
    const began = performance.now();
    const [method, path, options] = end(login);
    await ok(node, method, path, options);
    assert.equal(await ana.ends(), code);
    const took = performance.now() - began;
    assert.ok(took < 1_000, `it took ${took} ms`);
    assert.equal(ana.closing?.code, code, "the reason is told before");

    const sent = await rest(node, "POST", "/messages", { token, body: { user: b, content: text("again"), cmid: newCmid() } });
    assert.ok([401, 403].includes(sent.status), `${sent.status} ${JSON.stringify(sent.body)}`);
    const back = new Chatter(node, a, { token, device: "d1" });
    await assert.rejects(back.open());
    assert.ok([undefined, code].includes(back.closed));
    const refreshed = await rest(node, "POST", "/sessions/refresh", { body: { refreshToken: login.refreshToken } });
    assert.ok([401, 403].includes(refreshed.status), `${refreshed.status}`);
    await ben.has(privately(a, b), 1);
    assert.equal((await ben.ask({ pull: { conversation: privately(a, b), from: "1" } })).head, "1");
    if (code === 4403) await ok(node, "PATCH", path, { ...options, body: {} });
    const anew = await logIn(node, a, "d2");
    later(await Chatter.connect(node, a, { token: anew.accessToken, device: "d2" }));
    unharmed(ana, ben);
  });
}

/** Two people whose talk must go on while something is done to the node. */
async function besideATalk(room, later, attack) {
  const { node } = shared;
  const [a, b] = people(room, "ana", "ben");
  const [ana, ben] = await online(later, [a, b]);
  const c = privately(a, b);
  let on = true;
  let said = 0;
  const talk = (async () => {
    while (on) await (said % 2 ? ben : ana).send(c, `${(said += 1)}`);
  })();
  const pid = node.pid;
  await attack({ ana, ben, c, a, b });
  const before = said;
  await until("the talk to go on", () => said > before);
  on = false;
  await talk;
  for (const who of [ana, ben]) {
    await who.has(c, said);
    onceEach(who, c, said);
    assert.equal(who.closed, undefined);
  }
  unharmed(ana, ben);
  assert.equal(node.pid, pid);
  assert.equal(node.child.exitCode, null, node.tail());
  assert.deepEqual(node.log.filter((line) => line.includes("panicked")), []);
}

scenario("frames that are none, or too large, end their own socket with a documented code", shared, async ({ room, later }) => {
  const { node } = shared;
  const [e] = people(room, "eve");
  await enroll(node, [e]);
  await besideATalk(room, later, async () => {
    const bad = [
      ["json", "hello"],
      ["json", "[]"],
      ["json", '{"rid":7,"send":'],
      ["json", '{"rid":"x"}'],
      ["json", "[".repeat(50_000)],
      ["json", Buffer.from([0xff, 0xfe])],
      ["pb", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f])],
      ["pb", Buffer.alloc(5_000, 0x0b)],
      ["pb", "text"],
    ];
    for (const [encoding, frame] of bad) {
      const eve = later(await Chatter.connect(node, e, { encoding }));
      eve.socket.send(frame);
      assert.equal(await eve.ends(), 4400, `${encoding} ${frame.slice(0, 20)}`);
    }
    // Before `connect`, twice `connect`, and no `connect`.
    const early = later(new Chatter(node, e));
    await early.dial();
    early.tell({ ping: {} });
    assert.equal(await early.ends(), 4400);
    const silent = later(new Chatter(node, e));
    await silent.dial();
    assert.equal(await silent.ends(), 4408);
    const large = later(await Chatter.connect(node, e));
    large.socket.send("x".repeat(large.connected.limits.frameBytes + 1));
    assert.ok([1009, 1006].includes(await large.ends()));
    // A token that is no good, in the request and in `connect`.
    const forged = chatToken({ sub: e }, "another secret");
    const stranger = later(new Chatter(node, e, { token: forged }));
    await assert.rejects(stranger.open());
    assert.equal(await stranger.ends(), 4401);
    assert.equal((await rest(node, "GET", "/account", { token: forged })).status, 401);
  });
});

scenario("requests that are wrong are refused one by one, and the socket stays", shared, async ({ room, later }) => {
  const [e] = people(room, "eve");
  await besideATalk(room, later, async ({ c, a, b }) => {
    const [eve] = await online(later, [e]);
    const cmid = newCmid();
    const cases = [
      [{ pull: { conversation: c, from: "1" } }, ["ConversationNotFound"]],
      [{ conversationGet: { conversation: c } }, ["ConversationNotFound"]],
      [{ read: { conversation: c, seq: "1" } }, ["ConversationNotFound"]],
      [{ send: { conversation: c, cmid, content: text("x") } }, ["ConversationNotFound", "NotMember"]],
      [{ edit: { conversation: c, seq: "1", content: text("x") } }, ["ConversationNotFound", "NotMember"]],
      [{ withdraw: { conversation: c, seq: "1" } }, ["ConversationNotFound", "NotMember"]],
      [{ receiptsGet: { conversation: c, seq: "1" } }, ["ConversationNotFound"]],
      [{ pull: { conversation: "nonsense", from: "1" } }, ["ConversationNotFound", "MalformedRequest", "FieldLength"]],
      [{ send: { user: a, cmid: "AAAA", content: text("x") } }, ["MalformedRequest", "FieldLength"]],
      [{ send: { user: a, cmid, content: {} } }, ["MalformedRequest", "ContentInvalid"]],
      [{ send: { user: a, cmid, content: text("x".repeat(17_000)) } }, ["ContentInvalid", "FieldLength"]],
      [{ send: { user: `nobody.${room}`, cmid, content: text("x") } }, ["AccountNotFound"]],
      [{ friendRequest: { user: e } }, ["Oneself"]],
      [{ groupGet: { group: `none.${room}` } }, ["GroupNotFound"]],
      [{ presenceSubscribe: { users: count(501, (n) => `u${n}`) } }, ["TooMany", "RequestTooLarge"]],
      [{ profileSet: { about: "x".repeat(10_000) } }, ["FieldLength"]],
    ];
    for (const [body, names] of cases) {
      const { name } = await eve.refused(body);
      assert.ok(names.includes(name), `${JSON.stringify(body).slice(0, 100)}: ${name}`);
    }
    eve.tell({ typing: { conversation: c, typing: true } });
    await eve.ask({ ping: {} });
    assert.ok(!eve.closed);
    assert.equal((await eve.ask({ send: { user: b, cmid, content: text("at last") } })).duplicate, undefined);
    unharmed(eve);
  });
});

scenario("who floods is refused with a time to wait, then sent away, and its neighbours do not notice", shared, async ({ room, later }) => {
  await besideATalk(room, later, async ({ ben }) => {
    const [eve] = await online(later, people(room, "eve"));
    const { sendsBurst } = eve.connected.limits;
    const ask = () => eve.ask({ send: { user: ben.user, cmid: newCmid(), content: text("flood") } }).catch((error) => error);
    const answers = await Promise.all(count(sendsBurst + 10, ask));
    const refused = answers.filter((answer) => answer instanceof Error);
    assert.ok(refused.length >= 5, `${refused.length} of a flood were refused`);
    for (const { name, retryAfterMs } of refused) assert.ok(name === "RateLimited" && retryAfterMs > 0, name);
    for (let n = 0; n < 20_000 && eve.closed === undefined; n += 1) eve.tell({ ping: {} });
    assert.equal(await eve.ends(), 4429);
  });
});

scenario("who never reads is let go, and its neighbours do not notice", shared, async ({ room, later }) => {
  const { node } = shared;
  const [s] = people(room, "sam");
  await besideATalk(room, later, async ({ a }) => {
    const [sam] = await online(later, [s]);
    sam.socket.pause();
    const memory = await node.memory();
    const said = "x".repeat(15_000);
    const body = { user: s, content: text(said) };
    const lanes = count(4, async () => {
      for (let n = 0; n < 100; n += 1) await ok(node, "POST", `/messages?as=${a}`, { token: backendToken(), body: { ...body, cmid: newCmid() } });
    });
    await Promise.all(lanes);
    const grown = (await node.memory()) - memory;
    assert.ok(grown < 96 << 20, `the node grew by ${grown >> 20} MiB`);
    // Read at last: what was left out is hinted at, and pulled.
    sam.socket.resume();
    const c = privately(a, s);
    await until("sam to have everything", () => sam.held(c).last === 400 || sam.closed !== undefined);
    if (sam.closed !== undefined) {
      assert.ok([4430, 4408].includes(sam.closed), `${sam.closed}`);
      await sam.open();
      await until("sam to have everything", () => sam.held(c).last === 400);
    }
    assert.deepEqual(seqs(sam.messages(c)), dense(400));
  });
});

scenario("a live room tells everybody the same in order, throttles with an answer and shows late comers what was said", shared, async ({ room, later }) => {
  const [ana, ben, cat] = await online(later, people(room, "ana", "ben", "cat"));
  const told = (who) => who.pushes.flatMap(({ live }) => (live?.room === room && live.messages) || []);
  const inOrder = (messages) => messages.toSorted((a, b) => Number(a.offset) - Number(b.offset));
  assert.equal((await ana.refused({ liveSend: { room, content: text("too early") } })).name, "LiveNotJoined");
  for (const who of [ana, ben]) await who.ask({ liveJoin: { room } });
  const accepted = new Map();
  const throttled = [];
  const say = async (who, said) => {
    try {
      const { offset } = await who.ask({ liveSend: { room, content: text(said) } });
      accepted.set(offset, said);
    } catch (error) {
      throttled.push(error);
    }
  };
  await Promise.all([...count(12, (n) => say(ana, `ana ${n}`)), ...count(12, (n) => say(ben, `ben ${n}`))]);
  assert.ok(throttled.length >= 4, `${throttled.length} were throttled`);
  for (const { name, retryAfterMs } of throttled) {
    assert.ok(["LiveThrottled", "RateLimited"].includes(name) && retryAfterMs > 0, `${name} ${retryAfterMs}`);
  }
  assert.ok(throttled.some(({ name }) => name === "LiveThrottled"));
  for (const who of [ana, ben]) {
    await until(`${who.user} to be told all`, () => told(who).length >= accepted.size);
    assert.deepEqual(inOrder(told(who)).map((one) => [one.offset, words(one)]),
      [...accepted].sort(([a], [b]) => Number(a) - Number(b)), "what was accepted was told, and nothing else");
  }
  const late = await cat.ask({ liveJoin: { room } });
  assert.deepEqual(inOrder(late.state.messages).map(words), inOrder(told(ana)).map(words));
  await ana.push("live", ({ audience }) => Number(audience) === 3);
  cat.tell({ liveLike: { room, count: 7 } });
  await ben.push("live", ({ likes }) => Number(likes) === 7);
  await ben.ask({ liveLeave: { room } });
  await ana.push("live", ({ went, audience }) => went === 1 && Number(audience) === 2);
  assert.equal((await ben.refused({ liveSend: { room, content: text("gone") } })).name, "LiveNotJoined");
  unharmed(ana, ben, cat);
});

scenario("a back end drives accounts, groups and messages by REST", shared, async ({ room, later }) => {
  const { node } = shared;
  const token = backendToken();
  const users = count(500, (n) => `u${String(n).padStart(3, "0")}.${room}`);
  const began = await ok(node, "POST", "/accounts/import", { token, body: { accounts: users.map((user) => ({ user, profile: { name: user.slice(0, 4) } })) } });
  assert.deepEqual(began.accounts.map(({ outcome }) => outcome), users.map(() => "created"));
  const again = await ok(node, "POST", "/accounts/import", { token, body: { accounts: [{ user: users[0] }, { user: `weak.${room}`, password: "short" }, { user: "not a name" }, { user: `late.${room}` }] } });
  assert.deepEqual(again.accounts.map(({ outcome }) => outcome), ["exists", "refused", "refused", "created"]);
  assert.equal((await rest(node, "POST", "/accounts/import", { token, body: { accounts: count(501, (n) => ({ user: `v${n}` })) } })).status >= 400, true);

  const listed = [];
  for (let after = ""; ; ) {
    const page = await ok(node, "GET", `/accounts?limit=100&after=${encodeURIComponent(after)}`, { token });
    assert.ok(page.accounts.length <= 100);
    listed.push(...page.accounts.map(({ user }) => user));
    if (!(after = page.next)) break;
  }
  assert.equal(new Set(listed).size, listed.length, "no account is listed twice");
  for (const user of users) assert.ok(listed.includes(user), `${user} is not listed`);
  // People's own tokens may not do that.
  const own = chatToken({ sub: users[0] });
  for (const [method, path, body] of [["GET", "/accounts"], ["POST", "/accounts/import", { accounts: [] }], ["PATCH", `/accounts/${users[1]}/state`, { disabled: true }]]) {
    const { status, body: problem } = await rest(node, method, path, { token: own, body });
    assert.ok([401, 403].includes(status), `${method} ${path}: ${status} ${JSON.stringify(problem)}`);
    assert.ok(problem.code && problem.name && problem.request_id);
  }

  assert.equal((await ok(node, "GET", `/account?as=${users[1]}`, { token: own })).user, users[0], "only a back end speaks for others");

  const [owner, member] = users;
  const body = { kind: "GROUP_KIND_PUBLIC", name: "All hands", members: users.slice(1, 100) };
  const made = await ok(node, "POST", `/groups?as=${owner}`, { token, body, key: `group-${room}` });
  const same = await ok(node, "POST", `/groups?as=${owner}`, { token, body, key: `group-${room}` });
  assert.equal(same.id, made.id, "a group made with one key is made once");
  const rows = [];
  for (let after = ""; ; ) {
    const page = await ok(node, "GET", `/groups/${made.id}/members?as=${owner}&limit=30&after=${encodeURIComponent(after)}`, { token });
    rows.push(...page.members.map(({ user }) => user));
    if (!(after = page.next)) break;
  }
  assert.deepEqual(rows.toSorted(), users.slice(0, 100));
  const invited = await ok(node, "POST", `/groups/${made.id}/members?as=${owner}`, { token, body: { users: [users[100], users[1], `nobody.${room}`] } });
  assert.equal(invited.done, 1);
  assert.deepEqual(invited.failed.map(({ user, name }) => [user, name]).sort(),
    [[`nobody.${room}`, "AccountNotFound"], [users[1], "AlreadyMember"]]);

  const g = `g:${made.id}`;
  const listener = later(await Chatter.connect(node, member));
  const post = (said, key) => rest(node, "POST", `/conversations/${g}/messages?as=${owner}`, { token, body: { content: text(said) }, key });
  const [one, two] = [await post("once", `m-${room}`), await post("once", `m-${room}`)];
  assert.deepEqual([one.status, two.status, two.body.seq], [200, 200, one.body.seq]);
  const reused = await post("other", `m-${room}`);
  assert.equal(reused.body.code, 1015);
  await listener.push("message", ({ conversation, message }) => conversation === g && words(message) === "once");
  for (const n of dense(25)) assert.equal((await post(`line ${n}`, `line-${n}-${room}`)).status, 200);
  const history = [];
  for (let from = "1"; from; ) {
    const page = await ok(node, "GET", `/conversations/${g}/messages?as=${member}&from=${from}&limit=10`, { token });
    history.push(...page.messages);
    from = page.next;
  }
  assert.deepEqual(seqs(history), dense(history.length).map((n) => n + seqs(history)[0] - 1));
  assert.deepEqual(history.map(words).filter(Boolean), ["once", ...dense(25).map((n) => `line ${n}`)]);
  const newest = await ok(node, "GET", `/conversations/${g}/messages?as=${member}&down=true&limit=3`, { token });
  assert.deepEqual(newest.messages.map(words), ["line 25", "line 24", "line 23"]);
  const outside = await rest(node, "GET", `/conversations/${g}/messages`, { token: chatToken({ sub: users[200] }) });
  assert.equal(outside.body.name, "ConversationNotFound", "a back end reads everything, a person does not");
  await ok(node, "DELETE", `/groups/${made.id}?as=${owner}`, { token });
  assert.equal((await rest(node, "GET", `/groups/${made.id}?as=${owner}`, { token })).status, 404);
  unharmed(listener);
});

scenario("a client in Python and one in JavaScript have one conversation", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, p] = people(room, "ana", "py");
  const [ana] = await online(later, [a], { encoding: "pb" });
  await enroll(node, [p]);
  const py = later(new Puppet("chat.py"));
  await py.ask("connect", { url: node.ws, token: chatToken({ sub: p }), device: "snake" });
  const c = privately(a, p);
  const lines = (who) => count(10, (n) => `${who} ${n}, with ünïcode and 🐍`);
  await Promise.all([
    py.ask("say", { to: "user", whom: a, texts: lines("py") }),
    ...lines("ana").map((said) => ana.send(p, said)),
  ]);
  await ana.has(c, 20);
  const heard = await until("py to have all", async () => {
    const messages = await py.ask("messages", { conversation: c });
    return messages.length === 20 && messages;
  });
  assert.deepEqual(heard.map(words), ana.said(c));
  assert.deepEqual(heard.map(({ cmid }) => cmid), ana.messages(c).map(({ cmid }) => cmid));
  assert.deepEqual(Object.values(await py.ask("times", { conversation: c })), count(20, () => 1));
  onceEach(ana, c, 20);
  // Who writes has read what was before, so that only a message from the other is left to be read.
  await ana.send(p, "read this");
  await py.ask("ask", { body: { read: { conversation: c, seq: "21" } } });
  await ana.push("receipt", ({ user, read }) => user === p && read === "21");
  await ana.ask({ edit: { conversation: c, seq: heard.find(({ sender }) => sender === a).seq, content: text("edited") } });
  await until("py to see the edit", async () => (await py.ask("told", { kind: "messageChanged" })).some(({ message }) => words(message) === "edited"));
  const refused = await py.ask("ask", { body: { pull: { conversation: `c:${a}:zed`, from: "1" } } }).catch((error) => error);
  assert.match(String(refused), /ConversationNotFound/);
  unharmed(ana);
});
