// People who chat through every node of a cluster while something goes wrong, and what must hold of it afterwards.

import { strict as assert } from "node:assert";

import { Chatter, chatToken, enroll, newCmid, ok, privately, words } from "./chat.mjs";
import { faults } from "./history.mjs";
import { protocolTimer, until } from "./wait.mjs";

/** What everybody is in. */
export const CLUB = "g:club";
/** A person writes some twenty messages a second. */
const WRITES_EVERY_MS = 50;
const TOKEN_S = 7_200;

const beat = () => new Promise((done) => protocolTimer(WRITES_EVERY_MS, done));
const plain = ({ seq, sender, ...rest }) => ({ seq: Number(seq), sender, said: sender && words(rest) });

export class Crowd {
  /** Two people for each node, with a device there to write with and another at the next node to read with. */
  static async gather(cluster) {
    const crowd = new Crowd();
    Object.assign(crowd, { cluster, acknowledged: [], errors: [], people: [], stopped: false });
    const nodes = cluster.all;
    const users = nodes.flatMap((_, index) => [`a${index}`, `b${index}`]);
    await enroll(nodes[0], users);
    for (const [index, node] of nodes.entries()) {
      for (const user of users.slice(2 * index, 2 * index + 2)) {
        const token = chatToken({ sub: user, exp: Math.floor(Date.now() / 1000) + TOKEN_S });
        const writer = await Chatter.connect(node, user, { token, device: "writer", auto: true });
        const reader = await Chatter.connect(nodes[(index + 1) % nodes.length], user, { token, device: "reader", auto: true });
        crowd.people.push({ user, node, token, writer, reader, written: 0 });
      }
    }
    await crowd.people[0].writer.ask({ groupCreate: { kind: "GROUP_KIND_COMMUNITY", name: "Club", id: "club", members: users.slice(1) } });
    await until("everybody to be in the club", async () => {
      const heads = await Promise.all(crowd.people.map(({ reader }) => reader.refusedOr({ conversationGet: { conversation: CLUB } })));
      return heads.every((one) => one.id === CLUB);
    });
    crowd.work = [...crowd.people.map((person) => crowd.write(person)), crowd.befriend()];
    return crowd;
  }

  /** With whom each writes in private: somebody of another node. */
  partner(person) {
    const index = this.people.indexOf(person);
    return this.people[(index + 2) % this.people.length].user;
  }

  async write(person) {
    const { user, writer } = person;
    for (let n = 0; !this.stopped; n += 1) {
      const said = `${user} ${n}`;
      try {
        const { conversation, seq } = await writer.send(n % 2 ? CLUB : this.partner(person), said);
        this.acknowledged.push({ conversation, seq: Number(seq), sender: user, said });
        person.written += 1;
      } catch (error) {
        this.errors.push(new Error(`${user} could not write: ${error.message}`));
        return;
      }
      await beat();
    }
  }

  /** Friendships begin and end, each side through another node. Refusals are part of it. */
  async befriend() {
    for (let n = 0; !this.stopped; n += 1) {
      const [one, other] = [this.people[n % 6], this.people[(n + 1 + (n % 4)) % 6]];
      await one.writer.refusedOr({ friendRequest: { user: other.user } });
      await other.reader.refusedOr({ friendAnswer: { user: one.user, accept: n % 5 > 0 } });
      if (n % 3 === 0) await one.reader.refusedOr({ friendRemove: { user: other.user } });
      await beat();
    }
  }

  /** The people whose own node is one of these. */
  of(...nodes) {
    return this.people.filter((person) => nodes.includes(person.node));
  }

  /** Waits until each of these has written some more. */
  async progress(what, people = this.people, count = 5) {
    const before = people.map((person) => person.written);
    await until(`${people.length} people to write ${what}`, () => {
      if (this.errors.length) throw Object.assign(this.errors[0], { fatal: true });
      return people.every((person, index) => person.written >= before[index] + count);
    });
  }

  /** Stops writing and compares what everybody holds with what was acknowledged. */
  async check() {
    this.stopped = true;
    await Promise.all(this.work);
    assert.deepEqual(this.errors.map(String), []);
    const conversations = [...new Set(this.acknowledged.map((one) => one.conversation))];
    const shown = await Promise.all(conversations.map((conversation) => this.shown(conversation)));
    const [friends, unread] = [await this.friends(), await this.unread(conversations)];
    const wrong = faults({ shown: shown.flat(), acknowledged: this.acknowledged, friends, unread });
    assert.deepEqual(wrong.slice(0, 10), []);
    for (const { writer, reader } of this.people) {
      for (const device of [writer, reader]) assert.deepEqual(device.faults.map(String), [], `what ${device.user}'s ${device.device} was sent`);
    }
    return { messages: this.acknowledged.length, friendships: Object.values(friends).flat().length, unread: unread.length };
  }

  /** A conversation as each device of its members and each node has it, when all have come as far as any. */
  async shown(conversation) {
    const members = this.people.filter(({ user }) => conversation === CLUB || conversation.split(":").includes(user));
    const devices = members.flatMap(({ writer, reader }) => [writer, reader]);
    const last = Math.max(...this.acknowledged.filter((one) => one.conversation === conversation).map(({ seq }) => seq));
    const byNode = [];
    for (const node of this.cluster.all) byNode.push({ by: `node at ${node.base}`, conversation, messages: await history(node, members[0], conversation, last) });
    const head = Math.max(...byNode.map(({ messages }) => messages.length));
    const byDevice = await Promise.all(devices.map(async (device) => {
      await until(`${device.user}'s ${device.device} to have all of ${conversation}`, async () => {
        if (device.held(conversation).last < head) await device.pull(conversation);
        return device.held(conversation).last >= head;
      });
      return { by: `${device.user}'s ${device.device}`, conversation, messages: device.messages(conversation).slice(0, head).map(plain) };
    }));
    return [...byNode, ...byDevice];
  }

  async friends() {
    const lists = this.people.map(async ({ user, reader }) => {
      const { friends = [] } = await reader.ask({ friendList: {} });
      return [user, friends.map((friend) => friend.user)];
    });
    return Object.fromEntries(await Promise.all(lists));
  }

  /** Everybody reads half of what is there with one device, and the other device is told what is left. */
  async unread(known) {
    const counts = [];
    for (const [index, { user, writer, reader }] of this.people.entries()) {
      const head = writer.held(CLUB).last;
      await writer.ask({ read: { conversation: CLUB, seq: `${Math.ceil((head * (index + 1)) / 7)}` } });
      const { conversations = [] } = await reader.ask({ conversationList: {} });
      for (const { id, read = 0, unread = 0 } of conversations.filter(({ id }) => known.includes(id))) {
        counts.push({ user, conversation: id, read: Number(read), unread: Number(unread) });
      }
    }
    return counts;
  }

  async close() {
    this.stopped = true;
    await Promise.all(this.people.flatMap(({ writer, reader }) => [writer.close(), reader.close()]));
  }
}

/** What a node shows, once it has what was acknowledged. */
async function history(node, { token }, conversation, last) {
  return until(`the node to have ${last} messages of ${conversation}`, async () => {
    const all = [];
    for (let page; !page || (page.messages?.length && all.length < Number(page.head)); ) {
      page = await ok(node, "GET", `/conversations/${conversation}/messages?from=${all.length + 1}&limit=100`, { token });
      all.push(...(page.messages ?? []).map(plain));
    }
    return all.length >= last && all;
  });
}

/** A send that a node without a majority must not acknowledge: what it answers. */
export async function unacknowledged(node, { token, user }, to) {
  const body = { user: to, cmid: newCmid(), content: { text: { text: `${user} never` } } };
  const init = { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${node.http}/v1/messages`, init);
  return { status: answer.status, name: (await answer.json()).name };
}
