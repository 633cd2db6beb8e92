// Bad input to chat: tokens that are not good, other people's conversations, crowds of which some never read, bodies that are none.

import { strict as assert } from "node:assert";
import { createHmac } from "node:crypto";

import { Chatter, backendToken, chatToken, enroll, logIn, newCmid, ok, privately, rest, signUp, text } from "../../harness/chat.mjs";
import { KEY, SECRET } from "../../harness/node.mjs";
import { scenario, stage } from "../../harness/scenario.mjs";
import { until } from "../../harness/wait.mjs";

const shared = stage();
const people = (room, ...names) => names.map((name) => `${name}.${room}`);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1_000);

/** A token of any kind. */
function jwt(claims, { secret = SECRET, alg = "HS256", head = {} } = {}) {
  const body = `${part({ alg, typ: "JWT", ...head })}.${part({ iss: KEY, exp: now() + 600, ...claims })}`;
  return `${body}.${alg === "none" ? "" : createHmac(alg === "HS512" ? "sha512" : "sha256", secret).update(body).digest("base64url")}`;
}

scenario("tokens that are not good open nothing, by socket or by REST", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b] = people(room, "ana", "ben");
  await signUp(node, a);
  await enroll(node, [b]);
  const login = await logIn(node, a);
  const [head, body, signature] = login.accessToken.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url"));
  const good = { sub: a, im: true };
  const cases = {
    "forged with another secret": jwt(good, { secret: "another secret" }),
    "unsigned": jwt(good, { alg: "none" }),
    "signed by another algorithm": jwt(good, { alg: "HS512" }),
    "that names a key to fetch": jwt(good, { secret: "x", head: { kid: "../../dev/null", jku: "http://127.0.0.1:1/" } }),
    "expired": jwt({ ...good, exp: now() - 3_600 }),
    "without end": jwt({ ...good, exp: undefined }),
    "not valid yet": jwt({ ...good, nbf: now() + 3_600 }),
    "of an unknown key": jwt({ ...good, iss: "nobody" }),
    "without a subject": jwt({ im: true }),
    "not for chat": jwt({ sub: a }),
    "for a call that may not be joined": jwt({ sub: a, video: { roomJoin: false, room } }),
    "of an access token, for another": `${head}.${part({ ...claims, sub: b })}.${signature}`,
    "of an access token, raised to a back end's": `${head}.${part({ ...claims, imAdmin: true })}.${signature}`,
    "cut": login.accessToken.slice(0, -4),
    "of a stranger who has no account": jwt({ sub: `eve.${room}`, im: true }),
    "that is a refresh token": login.refreshToken,
    "that is nothing": "nonsense",
    "that is very long": `${"a".repeat(7_000)}.b.c`,
  };
  for (const [what, token] of Object.entries(cases)) {
    const read = await rest(node, "GET", "/account", { token });
    // 400: a good token that names nobody.
    assert.ok([400, 401, 403, 404].includes(read.status), `a token ${what}: ${read.status} ${JSON.stringify(read.body)}`);
    const made = await rest(node, "POST", "/accounts/import", { token, body: { accounts: [{ user: `mallory.${room}` }] } });
    assert.ok([400, 401, 403, 404].includes(made.status), `a token ${what}: ${made.status}`);
    const eve = later(new Chatter(node, a, { token }));
    await assert.rejects(eve.open(), `a token ${what} opened a socket`);
    assert.ok([4401, 4403, undefined].includes(eve.closed), `a token ${what}: ${eve.closed}`);
  }
  assert.equal((await rest(node, "GET", `/accounts/mallory.${room}`, { token: backendToken() })).status, 404);

  // The token of a call opens the live room of that call, and nothing of the account of the same name.
  const guest = later(await Chatter.connect(node, a, { token: jwt({ sub: a, video: { roomJoin: true, room } }) }));
  await guest.ask({ liveJoin: { room } });
  await assert.rejects(guest.ask({ liveJoin: { room: `${room}-2` } }), (e) => e.name === "WrongRoom" || /WrongRoom/.test(e.message));
  await assert.rejects(guest.ask({ sync: {} }), (e) => e.name === "GrantMissing" || /GrantMissing/.test(e.message));

  // What is replayed after its log-in ended is worth nothing, wherever.
  const ana = later(await Chatter.connect(node, a, { token: login.accessToken, device: "d1" }));
  const { session } = ana;
  await ok(node, "DELETE", "/sessions/current", { token: login.accessToken });
  assert.equal(await ana.ends(), 4401);
  const again = later(new Chatter(node, a, { token: login.accessToken, device: "d1" }));
  await again.dial();
  await assert.rejects(again.ask({ connect: { token: login.accessToken, device: "d1", resume: { session, push: "0" } } }));
  assert.equal((await rest(node, "GET", "/account", { token: login.accessToken })).status, 401);
  assert.equal((await rest(node, "POST", "/sessions/refresh", { body: { refreshToken: login.refreshToken } })).status, 401);
  // Another's session is not resumed with one's own good token.
  const fresh = await logIn(node, a);
  const mine = later(await Chatter.connect(node, a, { token: fresh.accessToken, device: "d1" }));
  const ben = later(new Chatter(node, b, {}));
  await ben.dial();
  const entered = await ben.ask({ connect: { token: chatToken({ sub: b }), device: "dev-b", resume: { session: mine.session, push: "0" } } });
  assert.ok(!entered.resumed, "a stranger resumed a session");
  const secrets = [signature, fresh.refreshToken, fresh.accessToken.split(".")[2]];
  for (const secret of secrets) assert.ok(!node.log.some((line) => line.includes(secret)), "a token reached the log");
});

scenario("a stranger gets nothing out of other people's conversations, and changes nothing in them", shared, async ({ room, later }) => {
  const { node } = shared;
  const [a, b, e] = people(room, "ana", "ben", "eve");
  await enroll(node, [a, b, e]);
  const [ana, ben, eve] = await Promise.all([a, b, e].map(async (user) => later(await Chatter.connect(node, user, {}))));
  const { id } = await ana.ask({ groupCreate: { kind: "GROUP_KIND_PRIVATE", name: "secret", members: [b] } });
  await ana.send(b, "our secret");
  await ana.ask({ send: { conversation: `g:${id}`, cmid: newCmid(), content: text("the group's secret") } });
  const refused = new Set(["ConversationNotFound", "NotMember", "ChatNotPermitted", "MessageNotFound", "JoinClosed", "MalformedRequest"]);
  for (const conversation of [privately(a, b), `g:${id}`]) {
    const before = JSON.stringify(await ana.ask({ pull: { conversation, from: "1" } }));
    const seq = conversation.startsWith("c:") ? "1" : "2";
    const about = { conversation, seq };
    const tries = [
      { send: { conversation, cmid: newCmid(), content: text("let me in") } },
      { pull: { conversation, from: "1" } },
      { read: about },
      { delivered: about },
      { edit: { ...about, content: text("forged") } },
      { withdraw: about },
      { react: { ...about, reaction: "+1" } },
      { pinMessage: about },
      { hideMessages: { conversation, seqs: [seq] } },
      { revisionsGet: { conversation } },
      { receiptsGet: about },
      { cursorsGet: { conversation } },
      { reactionsGet: { ...about, reaction: "+1" } },
      { pinsGet: { conversation } },
      { mentionsGet: { conversation } },
      { editsGet: about },
      { conversationGet: { conversation } },
      { conversationSet: { conversation, pinned: true } },
      { conversationHide: { conversation } },
      { search: { words: "secret", conversation } },
    ];
    for (const one of tries) {
      const told = await eve.ask(one).catch((error) => error);
      assert.ok(told instanceof Error && refused.has(told.name), `${JSON.stringify(one)}: ${told.name ?? JSON.stringify(told)}`);
      assert.ok(!JSON.stringify(told.message).includes("secret"));
    }
    assert.equal(JSON.stringify(await ana.ask({ pull: { conversation, from: "1" } })), before);
  }
  const group = { group: id };
  for (const one of [
    { groupMemberList: group }, { groupInvite: { ...group, users: [e] } }, { groupJoin: group }, { groupUpdate: { ...group, name: "mine" } },
    { groupRemove: { ...group, users: [b] } }, { groupDismiss: group }, { groupTransfer: { ...group, to: e } }, { groupRulesSet: { ...group, rules: {} } },
    { groupRole: { ...group, user: e, role: "ROLE_ADMIN" } }, { groupMute: { ...group, user: a, until: "9999999999999" } }, { groupMuteAll: { ...group, on: true } },
    { groupJoinList: group }, { groupBanList: group }, { groupAttributesGet: group }, { groupAttributeSet: { ...group, key: "k", value: "v" } }, { groupCountersGet: group },
  ]) {
    const told = await eve.ask(one).catch((error) => error);
    assert.ok(told instanceof Error, `${JSON.stringify(one)}: ${JSON.stringify(told)}`);
  }
  const seen = await eve.ask({ search: { words: "secret" } });
  assert.deepEqual(seen.messages ?? [], []);
  assert.deepEqual((await eve.ask({ conversationList: {} })).conversations ?? [], []);
  assert.deepEqual(eve.pushes.filter((push) => push.message || push.hint), []);
  // In a person's own token `as` does nothing.
  const forged = await rest(node, "POST", `/messages?as=${a}`, { token: chatToken({ sub: e }), body: { user: b, cmid: newCmid(), content: text("in whose name?") } });
  assert.equal(forged.body.conversation, privately(e, b));
  for (const who of [ana, ben, eve]) assert.deepEqual(who.faults.map(String), []);
});

scenario("of a group's members one in ten never reads: the others get everything, and the node holds little", shared, async ({ room, later }) => {
  const { node } = shared;
  const [COUNT, DEAF, SAID, BYTES] = [50, 5, 400, 8_000];
  const users = Array.from({ length: COUNT }, (_, n) => `m${n}.${room}`);
  const [o] = people(room, "olga");
  await enroll(node, [o, ...users]);
  const g = `crowd-${room}`;
  const token = backendToken();
  await ok(node, "POST", "/groups/import", { token, body: { groups: [{ id: g, owner: o, kind: "GROUP_KIND_COMMUNITY", members: users }] } });
  const crowd = await Promise.all(users.map(async (user) => later(await Chatter.connect(node, user, {}))));
  const [deaf, rest_] = [crowd.slice(0, DEAF), crowd.slice(DEAF)];
  for (const one of deaf) one.socket.pause();
  const memory = await node.memory();
  const took = [];
  const body = text("x".repeat(BYTES));
  const lanes = Array.from({ length: 4 }, async () => {
    for (let n = 0; n < SAID / 4; n += 1) {
      const since = performance.now();
      await ok(node, "POST", `/messages?as=${o}`, { token, body: { conversation: `g:${g}`, cmid: newCmid(), content: body } });
      took.push(performance.now() - since);
    }
  });
  await Promise.all(lanes);
  const grown = (await node.memory()) - memory;
  // Each who does not read may have 1 MB waiting and half of that to resume with; the system's own buffers are not the node's.
  assert.ok(grown < 96 << 20, `the node grew by ${grown >> 20} MiB`);
  for (const who of rest_) await until(`${who.user} to have everything`, () => who.held(`g:${g}`).last === SAID);
  took.sort((one, other) => one - other);
  assert.ok(took[Math.floor(took.length * 0.95)] < 1_000, `a message took ${took.at(-1)} ms`);
  for (const who of rest_) {
    assert.deepEqual(who.faults.map(String), []);
    assert.equal(who.closed, undefined);
  }
  // Those who read at last catch up, by what waited, by hints and by pulling, or are sent away and come back.
  for (const who of deaf) who.socket.resume();
  for (const who of deaf) {
    await until(`${who.user} to catch up`, async () => {
      if (who.closed !== undefined) await who.open();
      return who.held(`g:${g}`).last === SAID;
    });
  }
});

scenario("bodies that are none are refused one by one, and requests beside them are served", shared, async ({ room }) => {
  const { node } = shared;
  const token = backendToken();
  const raw = (body, headers = {}) =>
    fetch(`${node.http}/v1/accounts/import`, { method: "POST", duplex: "half", headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers }, body });
  const deep = (n) => "[".repeat(n) + "]".repeat(n);
  const memory = await node.memory();
  const cases = [
    ["nothing", undefined, 400],
    ["not JSON", "{", 400],
    ["a list", "[]", 400],
    ["a number", "17", 400],
    ["not UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 400],
    ["of wrong types", '{"accounts":{"user":1}}', 400],
    ["an unknown enumeration", '{"accounts":[{"user":"x","rules":{"friends":"ALL"}}]}', 400],
    ["deeper than anything", `{"accounts":${deep(100_000)}}`, 400],
    ["too many rows", JSON.stringify({ accounts: Array.from({ length: 501 }, () => ({ user: "x" })) }), 413],
    ["too large", `{"accounts":[],"x":"${"y".repeat(2 << 20)}"}`, 413],
  ];
  for (const [what, body, expected] of cases) {
    const answer = await raw(body);
    const told = await answer.json();
    assert.equal(answer.status, expected, `${what}: ${JSON.stringify(told)}`);
    assert.ok(told.code > 0 && told.name && told.request_id, `${what}: ${JSON.stringify(told)}`);
    assert.match(answer.headers.get("content-type"), /problem\+json/);
  }
  for (const path of ["/v1/accounts/%00", "/v1/accounts/%ff", `/v1/accounts/${"x".repeat(3_000)}`, "/v1/conversations/g:/messages", "/v1/groups/%2e%2e%2f"]) {
    const answer = await fetch(`${node.http}${path}`, { headers: { authorization: `Bearer ${token}` } });
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
  }
  const flood = await Promise.all(Array.from({ length: 200 }, () => raw(`{"accounts":[],"x":"${"y".repeat(900_000)}"}`).then((answer) => answer.status)));
  assert.ok(flood.every((status) => [200, 413, 429, 503].includes(status)), `${flood}`);
  assert.ok((await node.memory()) - memory < 256 << 20, "200 large bodies at once");
  await enroll(node, people(room, "ana"));
  assert.deepEqual(node.log.filter((line) => line.includes("panicked")), []);
});
