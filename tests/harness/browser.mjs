// Real browsers with fake cameras and microphones, and participants in their pages.

import { once } from "node:events";
import { createReadStream, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

import { joinToken } from "./token.mjs";
import { until, within } from "./wait.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "../out");
const SDK = join(HERE, "../node_modules/livekit-client/dist");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"];
const FIREFOX = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Pages that nobody looks at must go on as if somebody did.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion",
];

const SAMPLES_PER_SECOND = 48_000;
const VOICE_SECONDS = 2;
const VOICE_HERTZ = 300;

/** A sound file of somebody who never falls silent: the fake microphone's own beeps are too short to be speech. */
function voice() {
  mkdirSync(OUT, { recursive: true });
  const path = join(OUT, "voice.wav");
  const samples = SAMPLES_PER_SECOND * VOICE_SECONDS;
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(SAMPLES_PER_SECOND, 24);
  wav.writeUInt32LE(SAMPLES_PER_SECOND * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let n = 0; n < samples; n += 1) {
    const turn = (2 * Math.PI * VOICE_HERTZ * n) / SAMPLES_PER_SECOND;
    const loud = 0.6 + 0.4 * Math.sin(turn / 60);
    wav.writeInt16LE(Math.round(9_000 * loud * (Math.sin(turn) + 0.5 * Math.sin(turn * 2.5))), 44 + n * 2);
  }
  writeFileSync(path, wav);
  return path;
}

const FIREFOX_PREFS = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "dom.min_background_timeout_value": 4,
  "media.gmp-manager.updateEnabled": false,
  "media.gmp-provider.enabled": false,
};

const MIME = { html: "text/html", mjs: "text/javascript", js: "text/javascript", map: "application/json" };

/** Serves the participants' page and the client SDK on an origin of its own: as an application would. */
async function servePages() {
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://x").pathname.slice(1) || "index.html";
    const path = [join(HERE, "page", name), join(SDK, name)].find((path) => existsSync(path));
    if (!path || name.includes("..")) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": MIME[name.split(".").pop()] ?? "text/plain" });
    createReadStream(path).pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

export class Browser {
  static async chromium(extraArgs = []) {
    const args = [...CHROMIUM_ARGS, `--use-file-for-fake-audio-capture=${voice()}`, ...extraArgs];
    const executablePath = CHROMIUM.find(existsSync);
    return Browser.over("chromium", await puppeteer.launch({ executablePath, args, headless: true }));
  }

  static async firefox() {
    const options = { browser: "firefox", executablePath: FIREFOX.find(existsSync), headless: true };
    const launched = await puppeteer.launch({ ...options, extraPrefsFirefox: FIREFOX_PREFS });
    return Browser.over("firefox", launched);
  }

  static async over(kind, puppet) {
    const browser = new Browser();
    Object.assign(browser, { kind, puppet, pages: await servePages(), participants: [] });
    return browser;
  }

  /** Opens any address in a window of its own. */
  async open(url, { width = 1000, height = 700 } = {}) {
    const context = this.kind === "chromium" ? await this.puppet.createBrowserContext() : this.puppet;
    const page = await context.newPage();
    if (this.kind === "chromium") await page.setViewport({ width, height });
    page.lines = [];
    page.on("console", (message) => page.lines.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => page.lines.push(`page error: ${error.message}`));
    await within(`${url} to load`, page.goto(url, { waitUntil: "load" }));
    return page;
  }

  /** A participant's page, not joined yet. */
  async participant(identity) {
    const page = await this.open(`${this.pages.origin}/index.html?${identity}`);
    await until("the SDK to be loaded", () => page.evaluate(() => Boolean(window.ready)));
    const participant = new Participant(identity, page);
    this.participants.push(participant);
    return participant;
  }

  /** A participant that is in a room. `publish`: any of "camera", "microphone". */
  async join(node, room, identity, { publish = [], grants, token, url, ...options } = {}) {
    const participant = await this.participant(identity);
    const access = token ?? (await joinToken(room, identity, grants));
    await participant.connect(url ?? node.ws, access, options);
    for (const source of publish) await participant.publish(source);
    return participant;
  }

  async screenshots(name) {
    mkdirSync(OUT, { recursive: true });
    const pages = await this.puppet.pages();
    for (const [index, page] of pages.entries()) {
      await page.screenshot({ path: join(OUT, `${name}-${this.kind}-${index}.png`) }).catch(() => {});
    }
  }

  async close() {
    this.pages.server.close();
    await this.puppet.close();
  }
}

/** A participant in a browser's page; `window.room` is its room there. */
export class Participant {
  constructor(identity, page) {
    this.identity = identity;
    this.page = page;
  }

  run(work, ...args) {
    return this.page.evaluate(work, ...args);
  }

  connect(url, token, options = {}) {
    const done = this.run((...args) => window.connect(...args), url, token, options);
    return within(`${this.identity} to join`, done);
  }

  publish(source) {
    return within(`${this.identity} to publish its ${source}`, this.run((source) => window.publish(source), source));
  }

  /** What it receives: `{identity: {camera: {frames, width, ..}, microphone: {loudness, ..}}}`. */
  received() {
    return this.run(() => window.received());
  }

  /** What it sends, by rid. */
  sent() {
    return this.run(() => window.sent());
  }

  state() {
    return this.run(() => window.room.state);
  }

  /** Events of its room so far with this name. */
  events(name) {
    return this.run((name) => window.events.filter((event) => event.name === name), name);
  }

  event(name, test = () => true) {
    return until(`${this.identity} to be told ${name}`, async () => (await this.events(name)).find(test));
  }

  /** Waits until frames of somebody are shown, more and more of them. */
  async sees(other, source = "camera", frames = 5) {
    const read = async () => (await this.received())[other]?.[source]?.frames ?? 0;
    const seen = await until(`${this.identity} to see ${other}`, async () => (await read()) > 0 && read());
    return until(`${this.identity} to go on seeing ${other}`, async () => (await read()) >= seen + frames);
  }

  /** Waits until sound of somebody is heard. */
  async hears(other) {
    const read = async () => (await this.received())[other]?.microphone?.loudness ?? 0;
    const heard = await until(`${this.identity} to hear ${other}`, async () => (await read()) > 0 && read());
    return until(`${this.identity} to go on hearing ${other}`, async () => (await read()) > heard);
  }

  async close() {
    await this.page.close();
  }
}
