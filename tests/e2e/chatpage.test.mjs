// Messages on the demo page as people meet them: two windows, a node that dies, a phone.

import { strict as assert } from "node:assert";
import { join } from "node:path";

import { ROOT } from "../harness/node.mjs";
import { scenario, stage } from "../harness/scenario.mjs";
import { until } from "../harness/wait.mjs";

const shared = stage({ chromium: true });
const PICTURE = join(ROOT, "docs/images/call.png");
const PHONE = { width: 360, height: 740 };

let people = 0;
/** A user name of this run's own. */
const newName = (name) => `${name}-${(people += 1)}`;

/** Somebody at the page. Everything is looked for as a person does: by words. */
class Person {
  static async signUp(name, later, size) {
    const page = await shared.chromium.open(`${shared.node.http}/#messages`, size);
    const person = new Person(name, page);
    later({ page, identity: name, close: () => page.close() });
    await person.type("User name", name, false);
    await person.type("Password", `password of ${name}`, false);
    await person.press("Sign up");
    await person.reads("People");
    return person;
  }

  constructor(name, page) {
    Object.assign(this, { name, page });
  }

  text(selector = "body") {
    return this.page.$eval(selector, (element) => element.innerText);
  }

  async reads(words, selector = "body") {
    await until(`${this.name} to read ${words}`, async () => (await this.text(selector)).includes(words));
  }

  /** Presses the button in sight that is called so, within what `selector` finds. */
  async press(label, selector = "body") {
    await until(`${this.name} to press ${label}`, () =>
      this.page.$eval(selector, (root, label) => {
        const called = (b) => b.getAttribute("aria-label") ?? b.innerText;
        const button = [...root.querySelectorAll("button, a")].find((b) => b.checkVisibility() && called(b).startsWith(label));
        button?.click();
        return Boolean(button);
      }, label));
  }

  /** Types into the field in sight that is called so. */
  async type(label, words, enter = true) {
    const field = await until(`${this.name} to find ${label}`, async () => {
      for (const field of await this.page.$$("input, textarea")) {
        const called = await field.evaluate((f) => f.getAttribute("aria-label") ?? f.closest("label")?.innerText ?? "");
        if (called.startsWith(label) && (await field.isVisible())) return field;
      }
      return undefined;
    });
    await field.type(words);
    if (enter) await field.press("Enter");
  }

  say(words) {
    return this.type("Message", words);
  }

  hears(words) {
    return this.reads(words, ".said-log");
  }

  async openChat(name) {
    await this.press("Chats", ".tabs");
    await until(`${this.name} to open the chat with ${name}`, () =>
      this.page.evaluate((name) => {
        const row = [...document.querySelectorAll(".talk")].find((row) => row.querySelector(".talk-name").innerText.includes(name));
        row?.click();
        return Boolean(row);
      }, name));
    await until("the chat to open", () => this.page.$(".thread"));
  }

  unread() {
    return this.page.evaluate(() => document.querySelector(".talk .unread:not([hidden])")?.innerText ?? "");
  }

  /** How often a message stands there. */
  times(words) {
    return this.page.$$eval(".words", (all, words) => all.filter((one) => one.innerText === words).length, words);
  }

  /** Presses what wants to be pressed twice. */
  async pressSurely(label, selector) {
    await this.press(label, selector);
    await this.press("Really", selector);
  }

  /** Presses a key without a field. */
  key(name) {
    return this.page.keyboard.press(name);
  }

  assertSound() {
    assert.deepEqual(this.page.lines.filter((line) => line.startsWith("page error")), []);
  }
}

/** Two people who have become friends; the second one has the chat open. */
async function friends(later, size) {
  const ana = await Person.signUp(newName("ana"), later, size);
  const ben = await Person.signUp(newName("ben"), later, size);
  await ana.press("People", ".tabs");
  await ana.type("User name", ben.name, false);
  await ana.press("Add friend");
  await ana.reads("was asked");
  await ben.press("People", ".tabs");
  await ben.reads(ana.name, ".people-pane");
  await ben.press("Accept");
  await ana.reads(ben.name, "ul[aria-label=Friends]");
  await ben.press("Chat", "ul[aria-label=Friends]");
  await ben.page.waitForSelector(".thread");
  return { ana, ben };
}

scenario("two people become friends and write to each other, and the unread count comes and goes", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("good morning");
  await ana.press("Chats", ".tabs");
  await until("the unread count", async () => (await ana.unread()) === "1");
  assert.match(await ana.page.title(), /^\(1\)/);
  await until("two ticks", () => ben.page.$("[data-tick=delivered]"));
  await ana.openChat(ben.name);
  await ana.hears("good morning");
  await until("the count to go", async () => (await ana.unread()) === "");
  await until("read ticks", () => ben.page.$("[data-tick=read]"));
  await ana.type("Message", "writing", false);
  await ben.reads("writing…", ".thread-head");
  await ana.page.keyboard.press("Enter");
  await ben.hears("writing");
  await ben.reads("online", ".thread-head");
  for (const person of [ana, ben]) person.assertSound();
});

scenario("a reload keeps the log-in, the conversation and its place", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  for (let n = 1; n <= 70; n += 1) await ben.say(`line ${n}`);
  await until("all lines to be stored", async () => (await ben.page.$$("[data-tick=sending]")).length === 0);
  await ana.openChat(ben.name);
  await ana.hears("line 70");
  await ana.page.reload({ waitUntil: "load" });
  await ana.hears("line 70");
  assert.equal(await ana.times("line 1"), 0, "more than a page came at once");
  await until("older lines", async () => {
    await ana.page.$eval(".said-log", (log) => (log.scrollTop = 0));
    return (await ana.times("line 1")) === 1;
  });
  await ana.say("still here");
  await ben.hears("still here");
});

scenario("people choose a name, friends give each other names of their own, and how one is can be said", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ana.press("Me", ".tabs");
  await ana.type("Your name", "Ana of the Hills", false);
  await ana.page.select(".people-pane:not([hidden]) select", "STATUS_BUSY");
  await ana.type("In your own words", "walking", false);
  await ana.press("Save");
  await ana.reads("Saved.");
  await ana.reads("Ana of the Hills", ".desk-head");
  await ben.reads("busy · walking", ".thread-head");
  await ben.page.reload({ waitUntil: "load" });
  await ben.reads("Ana of the Hills", ".thread-head");
  await ben.press("About", ".thread-head");
  await ben.type("Your name for this friend", "Annie");
  await ben.reads("Annie", ".thread-head h2");
  await ana.page.select(".people-pane:not([hidden]) select", "STATUS_INVISIBLE");
  await ana.press("Save");
  await ben.reads("offline", ".thread-head");
  await ana.page.reload({ waitUntil: "load" });
  await ana.press("Me", ".tabs");
  assert.equal(await ana.page.$eval(".people-pane:not([hidden]) select", (field) => field.value), "STATUS_INVISIBLE", "a reload keeps it");
  for (const person of [ana, ben]) person.assertSound();
});

scenario("whom somebody blocks cannot write, can again when that ends, and friends can part", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("hello");
  await ana.openChat(ben.name);
  await ana.hears("hello");
  await ana.press("About", ".thread-head");
  await ana.press("Block", ".members");
  await ana.reads("blocked", ".members");
  await ben.say("do you hear me?");
  await ben.hears("blocked");
  await ana.press("People", ".tabs");
  await ana.reads(ben.name, "ul[aria-label=Blocked]");
  await ana.press("Unblock", "ul[aria-label=Blocked]");
  await until("the block to go", async () => (await ana.text("ul[aria-label=Blocked]")) === "");
  await ben.press("Send again");
  await ana.hears("do you hear me?");
  assert.equal(await ana.times("do you hear me?"), 1);
  await ana.pressSurely("Remove friend", ".members");
  await ana.reads("not a friend", ".members");
  await ben.press("People", ".tabs");
  await until("ana to leave the friends of ben", async () => !(await ben.text("ul[aria-label=Friends]")).includes(ana.name));
  for (const person of [ana, ben]) person.assertSound();
});

scenario("what was begun is kept, what is pinned stands first, and what is muted makes no number", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("first words");
  await ana.openChat(ben.name);
  await ana.hears("first words");
  await ana.type("Message", "half a thought", false);
  await ana.press("People", ".tabs");
  await ana.page.click("ul[aria-label=Friends] input[type=checkbox]");
  await ana.type("Name of the group", "Newer");
  await ana.reads("Newer", ".thread-head");
  await ana.press("Chats", ".tabs");
  await ana.reads("Draft: half a thought", "ul[aria-label=Conversations]");
  await until("the draft to be stored", async () => {
    await ana.page.reload({ waitUntil: "load" });
    await ana.openChat(ben.name);
    return (await ana.page.$eval(".compose textarea", (field) => field.value)) === "half a thought";
  });
  await ana.press("About", ".thread-head");
  await ana.press("Pin", ".members");
  await until("the pinned one to stand first", async () => (await ana.text(".talk .talk-name")) === ben.name);
  await ana.press("Mute", ".members");
  await ana.reads("Unmute", ".members");
  await ana.openChat("Newer");
  await ben.say("are you there?");
  await until("the unread count", async () => (await ana.unread()) === "1");
  assert.doesNotMatch(await ana.page.title(), /^\(/);
  ana.assertSound();
});

scenario("a message is answered, changed, withdrawn and reacted to", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("a first try");
  await ana.openChat(ben.name);
  await ana.hears("a first try");
  await ana.page.click(".said .bubble");
  await ana.press("React with", ".choices");
  await ben.reads("👍", ".said-log");
  await ben.page.click(".said.own .bubble");
  await ben.press("Edit", ".choices");
  await ben.page.keyboard.down("Control");
  await ben.page.keyboard.press("a");
  await ben.page.keyboard.up("Control");
  await ben.say("a better try");
  await ana.hears("a better try");
  await ana.hears("edited");
  await ana.page.click(".said .bubble");
  await ana.press("Reply", ".choices");
  await ana.say("much better");
  await ben.reads(`${ben.name}: a better try`, ".quote");
  await ben.page.click(".said.own .bubble");
  await ben.press("Withdraw", ".choices");
  await ana.hears("Message withdrawn");
});

scenario("friends make a group and write in it", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ana.page.click("ul[aria-label=Friends] input[type=checkbox]");
  await ana.type("Name of the group", "Walkers");
  await ana.reads("Walkers", ".thread-head");
  await ben.openChat("Walkers");
  await ben.reads("Walkers", ".thread-head");
  await ana.say("where to?");
  await ben.hears("where to?");
  await ben.say("the hills");
  await ana.hears("the hills");
  await ana.press("Members", ".thread-head");
  await ana.reads(ben.name, "ul[aria-label=Members]");
});

scenario("a group that people ask to come in is led by its owner: let in, meant, silenced, made admin, removed, dismissed", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  const cleo = await Person.signUp(newName("cleo"), later);
  await ana.page.click("ul[aria-label=Friends] input[type=checkbox]");
  await ana.page.select("select[aria-label='Kind of group']", "GROUP_KIND_PUBLIC");
  await ana.type("Name of the group", "Climbers");
  await ana.reads("Climbers", ".thread-head");
  await ana.press("Members", ".thread-head");
  await ana.reads("Its id is", ".members");
  const id = /Its id is (\S+)\./.exec(await ana.text(".members"))[1];
  await cleo.press("People", ".tabs");
  await cleo.type("Id of a group", id);
  await cleo.reads("You are not in this group", ".join-group");
  await cleo.press("Come in");
  await cleo.reads("wait for an answer");
  await ana.press("Accept", "ul[aria-label='Requests to come in']");
  await ana.reads(cleo.name, "ul[aria-label=Members]");
  await cleo.page.waitForSelector(".compose:not([hidden])", { visible: true });
  await ben.press("Chats", ".tabs");
  await ben.reads("Climbers", "ul[aria-label=Conversations]");
  await ana.type("Message", `who climbs, @${ben.name.slice(0, 5)}`, false);
  await ana.reads(ben.name, ".matches");
  await ana.key("Tab");
  await ana.key("Enter");
  await ben.reads("@", ".talk .marks");
  await ben.openChat("Climbers");
  await ben.hears("who climbs");
  await ben.page.waitForSelector(".said.meant");
  await cleo.hears("who climbs");
  assert.equal(await cleo.page.$(".said.meant"), null, "nobody else is meant");
  await ana.press("Silence all", ".members");
  await ana.reads("Let all write", ".members");
  await cleo.say("may I?");
  await cleo.hears("muted");
  await ana.press(`Manage ${ben.name}`, ".members");
  await ana.press("Make admin", ".members");
  await ana.reads("admin", "ul[aria-label=Members]");
  await ana.press(`Manage ${cleo.name}`, ".members");
  await ana.pressSurely("Remove", `.members li:has([aria-label="Manage ${cleo.name}"])`);
  await until("cleo to leave the list", async () => !(await ana.text("ul[aria-label=Members]")).includes(cleo.name));
  await ana.pressSurely("Dismiss the group", ".members");
  await until("the group to leave the list of ben", async () => !(await ben.text("ul[aria-label=Conversations]")).includes("Climbers"));
  for (const person of [ana, ben, cleo]) person.assertSound();
});

scenario("a picture travels in its message, a file and a place are links, and nothing is fetched from elsewhere", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  const asked = [];
  ana.page.on("request", (request) => asked.push(request.url()));
  await ben.press("Attach");
  const field = await ben.page.waitForSelector(".attach input[type=file]");
  await field.uploadFile(PICTURE);
  await ana.openChat(ben.name);
  await until("the picture to be shown", () => ana.page.evaluate(() => document.querySelector(".picture")?.naturalWidth > 90));
  for (const words of ["https://elsewhere.example/map.pdf", "https://elsewhere.example/hut.png", "47.2692, 11.4041"]) {
    await ben.press("Attach");
    await ben.type("Address or place", words);
  }
  await ana.hears("map.pdf");
  await ana.hears("hut.png");
  await ana.hears("47.26920, 11.40410");
  await ben.press("Attach");
  await ben.type("Address or place", "javascript:alert(1)");
  await ben.reads("neither an address");
  const links = await ana.page.$$eval(".card", (cards) => cards.map((card) => card.href));
  assert.deepEqual(links.map((href) => new URL(href).host), ["elsewhere.example", "elsewhere.example", "www.openstreetmap.org"]);
  assert.deepEqual(asked.filter((url) => /^https?:/.test(url) && !url.startsWith(shared.node.http)), []);
  ana.assertSound();
});

scenario("messages are found by their words and shown in their place", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("the marmot lives up there");
  for (let n = 1; n <= 60; n += 1) await ben.say(`line ${n}`);
  await until("all lines to be stored", async () => (await ben.page.$$("[data-tick=sending]")).length === 0);
  await ana.press("Chats", ".tabs");
  await ana.type("Search messages", "Marmot");
  await ana.reads("the marmot lives", "ul[aria-label=Found]");
  await ana.press("", "ul[aria-label=Found]");
  await ana.page.waitForSelector(".said.found");
  await ana.reads("the marmot lives", ".said.found");
  await ana.type("Search messages", " of the moon");
  await ana.reads("Nothing found", ".search-pane");
  ana.assertSound();
});

scenario("one's last message is changed with the keyboard alone", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("helo");
  await ana.openChat(ben.name);
  await ana.hears("helo");
  await until("it to be stored", () => ben.page.$("[data-tick=delivered], [data-tick=read]"));
  await ben.page.focus(".compose textarea");
  await ben.key("ArrowUp");
  await ben.reads("Change your message", ".aside");
  await ben.type("Message", " there", false);
  await ben.key("Enter");
  await ana.hears("helo there");
  await ben.key("ArrowUp");
  await ben.reads("Change your message", ".aside");
  await ben.key("Escape");
  await until("the field to be empty", () => ben.page.$eval(".compose textarea", (field) => field.value === ""));
  await ana.page.focus(".said .bubble");
  await ana.key("Enter");
  await ana.page.waitForSelector(".choices");
});

scenario("who comes late into a call reads what was said before, and nothing stands there twice", shared, async ({ later, room }) => {
  const joins = async (name) => {
    const page = await shared.chromium.open(`${shared.node.http}/?room=${room}&name=${name}&join=1&camera=0&mic=0`);
    const person = new Person(name, page);
    later({ page, identity: name, close: () => page.close() });
    await person.press("Chat");
    await person.reads("who comes later sees the newest", ".chat");
    return person;
  };
  const ana = await joins("Ana");
  const ben = await joins("Ben");
  const lines = (person) => person.page.$$eval(".chat-text", (all) => all.map((one) => one.innerText));
  for (const words of ["good morning", "shall we begin?", "yes", "yes"]) {
    await ana.say(words);
    await until("ben to read it", async () => (await lines(ben)).at(-1) === words);
  }
  await ben.say("gladly");
  await until("ana to read it", async () => (await lines(ana)).includes("gladly"));
  const all = ["good morning", "shall we begin?", "yes", "yes", "gladly"];
  const late = new Person("Cleo", await shared.chromium.open(`${shared.node.http}/?room=${room}&name=Cleo&join=1&camera=0&mic=0`));
  later({ page: late.page, identity: "Cleo", close: () => late.page.close() });
  await late.press("Chat");
  await until("cleo to read all", async () => (await lines(late)).length === all.length);
  await late.reads("Ana", ".chat-log");
  await late.say("good to be here");
  for (const person of [ana, ben, late]) {
    await until("everybody to read the last", async () => (await lines(person)).at(-1) === "good to be here");
    assert.deepEqual(await lines(person), [...all, "good to be here"]);
    person.assertSound();
  }
});

scenario("the chat goes on after the node was killed", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("before");
  await ana.openChat(ben.name);
  await ana.hears("before");
  await shared.node.end("SIGKILL");
  await ben.reads("Connecting…", ".notice");
  await ben.say("while nobody listened");
  await shared.node.spawn();
  await ana.hears("while nobody listened");
  await ana.say("after");
  await ben.hears("after");
  for (const person of [ana, ben]) {
    for (const words of ["before", "while nobody listened", "after"]) assert.equal(await person.times(words), 1, words);
    person.assertSound();
  }
});

scenario("a second window takes the messages over, and the first takes them back", shared, async ({ later }) => {
  const { ana, ben } = await friends(later);
  await ben.say("which window?");
  await ana.openChat(ben.name);
  const page = await ana.page.browserContext().newPage();
  const second = later(Object.assign(new Person(ana.name, page), { close: () => page.close() }));
  await page.goto(ana.page.url(), { waitUntil: "load" });
  await second.hears("which window?");
  await ana.reads("open in another window", ".notice");
  await ana.page.bringToFront();
  await ana.press("Use here");
  await second.reads("open in another window", ".notice");
  await ana.say("this one");
  await ben.hears("this one");
});

scenario("a token that ended is renewed, and the end of the log-in brings the form back", shared, async ({ later }) => {
  const ana = await Person.signUp(newName("ana"), later);
  const kept = () => ana.page.evaluate(() => JSON.parse(localStorage.getItem("stoa.login")));
  const first = await kept();
  await ana.page.evaluate((login) => localStorage.setItem("stoa.login", JSON.stringify({ ...login, accessExpiresAt: 0 })), first);
  await ana.page.reload({ waitUntil: "load" });
  await ana.reads("No conversations yet");
  const second = await kept();
  assert.notEqual(second.refreshToken, first.refreshToken);
  const headers = { authorization: `Bearer ${second.accessToken}` };
  const ended = await fetch(`${shared.node.http}/v1/sessions/current`, { method: "DELETE", headers });
  assert.equal(ended.status, 200);
  await ana.reads("Sign up");
  assert.equal(await kept(), null);
});

scenario("who may not come in is told why", shared, async ({ later }) => {
  const ana = await Person.signUp(newName("ana"), later);
  await ana.press("Log out");
  await ana.press("Sign up");
  await ana.reads("At least 8 characters");
  await ana.page.$eval("input[name=username]", (field) => (field.value = ""));
  await ana.type("User name", ana.name, false);
  await ana.type("Password", "not the password", false);
  await ana.press("Log in");
  await ana.reads("password is wrong");
  await ana.press("Sign up");
  await ana.reads("taken");
});

scenario("messages fit a phone", shared, async ({ later }) => {
  const { ana, ben } = await friends(later, PHONE);
  await ben.say(`a word of ${"m".repeat(200)} and an address: https://example.org/${"path/".repeat(30)}`);
  await ana.openChat(ben.name);
  await ana.hears("a word of");
  const fits = async (what) => {
    const wide = await ana.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= PHONE.width, `${what} is ${wide} wide`);
  };
  await fits("the conversation");
  await ana.press("About", ".thread-head");
  await ana.press("Attach");
  await fits("what lies beside the conversation");
  await ana.press("All conversations");
  await until("the list", async () => (await ana.page.$(".thread")) === null);
  await fits("the list");
  await ana.press("People", ".tabs");
  await fits("the people");
  await ana.press("Me", ".tabs");
  await fits("oneself");
  await ana.press("Log out");
  await ana.reads("Sign up");
  await fits("the form");
});
