// One tile: a picture, or the letters of a name, with a bar of facts.

import { h, setAttr, setText, show } from "../core/dom";
import { setIcon } from "../core/icons";
import type { Rect } from "./layout";
import { describeTile, hue, initials, QUALITY_BARS, QUALITY_TEXT, type Picture, type Quality, type Tile } from "./model";

/** A picture taller than its tile by more than this factor is shown whole, with bars: cutting would take the head. */
const CROP_TALL_MAX = 1.8;
/** The same for pictures that are wider: people sit in the middle, so more may be cut. */
const CROP_WIDE_MAX = 2.6;

/** A tile on the page. */
export class TileView {
  readonly element: HTMLElement;
  private readonly video: HTMLVideoElement;
  private readonly avatar = h("div", { class: "avatar", attrs: { "aria-hidden": "true" } });
  private readonly name = h("span", { class: "tile-name" });
  private readonly microphone = h("span", { class: "tile-mic" });
  private readonly bars = qualityBars();
  private readonly note = h("p", { class: "tile-note" });
  private readonly pin: HTMLButtonElement;
  private picture: Picture | undefined;
  private tile: Tile | undefined;

  /** `onPin` is called when somebody wants this tile on the stage, or off it. */
  constructor(onPin: () => void) {
    this.video = h("video", { attrs: { playsinline: "", autoplay: "", "aria-hidden": "true", tabindex: "-1" } });
    this.video.muted = true;
    for (const event of ["resize", "loadeddata", "emptied"]) this.video.addEventListener(event, () => this.onFrames());
    this.pin = h("button", { class: "tile-pin", attrs: { type: "button" }, on: { click: onPin } });
    setIcon(this.pin, "pin");
    setIcon(this.microphone, "micOff");
    const bar = h("div", { class: "tile-bar" }, this.microphone, this.name, this.bars);
    this.element = h("div", { class: "tile", attrs: { role: "group" } }, this.avatar, this.video, this.note, bar, this.pin);
    this.element.addEventListener("dblclick", onPin);
  }

  /** Draws `tile`. */
  render(tile: Tile, pinned: boolean): void {
    this.setPicture(tile.picture);
    setAttr(this.element, "aria-label", describeTile(tile));
    setAttr(this.element, "data-identity", tile.identity);
    setAttr(this.element, "data-source", tile.source);
    setAttr(this.element, "data-local", String(tile.local));
    this.element.classList.toggle("speaking", tile.speaking);
    this.element.classList.toggle("mirrored", tile.mirrored);
    setText(this.avatar, initials(tile.name));
    this.element.style.setProperty("--hue", String(hue(tile.identity)));
    setText(this.name, tile.source === "screen" ? `${tile.name}’s screen` : tile.local ? "You" : tile.name);
    show(this.microphone, !tile.microphoneOn);
    show(this.bars, tile.source === "camera");
    renderBars(this.bars, tile.quality);
    this.tile = tile;
    this.onFrames();
    setAttr(this.pin, "aria-pressed", String(pinned));
    setAttr(this.pin, "aria-label", `${pinned ? "Take" : "Put"} ${tile.name} ${pinned ? "off" : "on"} the stage`);
    setAttr(this.pin, "title", pinned ? "Take off the stage" : "Put on the stage");
  }

  /** Moves the tile. Undefined: it is not shown, and its picture need not be sent. */
  place(rect: Rect | undefined): void {
    show(this.element, rect !== undefined);
    if (rect === undefined) return;
    const { style } = this.element;
    style.width = `${rect.width}px`;
    style.height = `${rect.height}px`;
    style.transform = `translate(${rect.x}px, ${rect.y}px)`;
    this.element.classList.toggle("small", rect.width < 180);
    style.setProperty("--avatar", `${Math.round(Math.min(rect.width, rect.height) * 0.4)}px`);
    this.fit(rect);
  }

  /** Takes the tile off the page. */
  remove(): void {
    this.setPicture(undefined);
    this.element.remove();
  }

  private setPicture(picture: Picture | undefined): void {
    if (picture === this.picture) return;
    this.picture?.detach(this.video);
    this.picture = picture;
    picture?.attach(this.video);
  }

  /** Shows the picture once there is one; until then, and when it is held back, says so. */
  private onFrames(): void {
    if (this.tile === undefined) return;
    const hasFrames = this.picture !== undefined && this.video.videoWidth > 0;
    this.element.classList.toggle("has-picture", hasFrames);
    const starting = this.picture !== undefined && !hasFrames;
    setText(this.note, this.tile.paused ? "Paused" : "Starting…");
    setAttr(this.note, "title", this.tile.paused ? "The connection is too slow for this picture" : undefined);
    show(this.note, this.tile.paused || (starting && this.tile.source === "screen"));
    this.fit();
  }

  private fit(size: { width: number; height: number } = { width: this.element.clientWidth, height: this.element.clientHeight }): void {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth === 0 || size.height === 0) return;
    const ratio = videoWidth / videoHeight / (size.width / size.height);
    this.element.classList.toggle("whole", ratio > CROP_WIDE_MAX || 1 / ratio > CROP_TALL_MAX);
  }
}

/** Three bars for a quality, dark until drawn. */
export function qualityBars(): HTMLElement {
  return h("span", { class: "bars", attrs: { role: "img" } }, h("i"), h("i"), h("i"));
}

/** Lights the bars. */
export function renderBars(bars: HTMLElement, quality: Quality): void {
  setAttr(bars, "data-lit", String(QUALITY_BARS[quality]));
  setAttr(bars, "data-quality", quality);
  setAttr(bars, "aria-label", QUALITY_TEXT[quality]);
  setAttr(bars, "title", QUALITY_TEXT[quality]);
}
