// Sending something else than text: a small picture of one's own, or what lies at an address. There is no upload yet.

import type { Content } from "@stoa/im";
import { h } from "../../core/dom";

/** Base64 of a picture that still fits into a message of 16 KiB with its name. */
const URL_CHARS_MAX = 15_000;
/** Widths and qualities that are tried, the best first. */
const TRIES: [number, number][] = [
  [480, 0.7],
  [400, 0.6],
  [320, 0.55],
  [240, 0.5],
  [160, 0.45],
  [96, 0.4],
];

/** The panel. */
export function attachForm(send: (content: Content) => void, fail: (text: string) => void): HTMLElement {
  const file = h("input", { attrs: { type: "file", accept: "image/*", "aria-label": "A picture from this device" } });
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    file.value = "";
    if (chosen !== undefined) void picture(chosen).then(send, () => fail("This picture cannot be read."));
  });
  const address = h("input", { attrs: { type: "text", "aria-label": "Address or place", placeholder: "https://… or 48.2082, 16.3738", autocomplete: "off", spellcheck: "false", maxlength: "2000", required: "" } });
  const form = h("form", { class: "invite" }, address, h("button", { class: "quiet small", text: "Send", attrs: { type: "submit" } }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const content = contentAt(address.value.trim());
    if (content === undefined) return fail("That is neither an address that begins with https:// nor a place such as 48.2082, 16.3738.");
    address.value = "";
    send(content);
  });
  const label = h("label", { class: "field" }, h("span", { class: "label", text: "Picture, made small enough to travel in the message" }), file);
  const other = h("label", { class: "label", text: "Picture, film, sound or file by its address; or a place" });
  return h("div", { class: "attach" }, label, other, form);
}

/** What an address or a place is as a message; undefined when it is neither. */
export function contentAt(text: string): Content | undefined {
  const place = /^(-?\d{1,2}(?:\.\d+)?)\s*[,;]\s*(-?\d{1,3}(?:\.\d+)?)$/.exec(text);
  if (place !== null) {
    const [latitude, longitude] = [Number(place[1]), Number(place[2])];
    if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
    return { location: { latitudeE6: Math.round(latitude * 1e6), longitudeE6: Math.round(longitude * 1e6) } };
  }
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const name = decoded(url.pathname.split("/").at(-1) ?? "") || url.host;
  const file = { url: url.href, name: name.slice(0, 100) };
  if (/\.(png|jpe?g|gif|webp|avif|svg)$/i.test(url.pathname)) return { image: { file } };
  if (/\.(mp4|webm|mov|mkv)$/i.test(url.pathname)) return { video: { file } };
  return { file: { file } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A file as a picture that travels in the message itself. */
async function picture(file: File): Promise<Content> {
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  for (const [side, quality] of TRIES) {
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    if (context === null) break;
    // Pictures without colour in places get the page's paper instead of black.
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const url = canvas.toDataURL("image/jpeg", quality);
    if (url.length <= URL_CHARS_MAX) {
      const { width, height } = canvas;
      return { image: { file: { url, name: file.name.slice(0, 60), mime: "image/jpeg" }, width, height } };
    }
  }
  throw new Error("it does not fit");
}
