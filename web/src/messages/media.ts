// What a message shows that is not text. Nothing is fetched from other servers: they would learn who reads.

import type { Content } from "@stoa/im";
import { h } from "../core/dom";
import { icon, type IconName } from "../core/icons";

/** Draws it; undefined: text says it all. */
export function media(content: Content): HTMLElement | undefined {
  const { image, video, voice, file, location } = content;
  if (image !== undefined) return pictureOf(image);
  if (video !== undefined) return card("camera", video.file?.name || "Film", video.file?.url);
  if (voice !== undefined) return card("sound", `Voice message${voice.durationMs ? `, ${Math.round(voice.durationMs / 1_000)} s` : ""}`, voice.file?.url);
  if (file !== undefined) return card("file", file.file?.name || "File", file.file?.url);
  if (location !== undefined) return place(location);
  return undefined;
}

/** Whether the page may show a picture from there: it is in the message, or this node's own. */
export function isOwn(url: string, origin: string): boolean {
  return /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/.test(url) || (URL.canParse(url) && new URL(url).origin === origin);
}

function pictureOf({ file, width, height, thumbnail }: NonNullable<Content["image"]>): HTMLElement {
  const sources = [file?.url ?? "", thumbnail ?? ""];
  const source = sources.find((url) => isOwn(url, location.origin));
  const name = file?.name || "Picture";
  if (source === undefined) return card("image", name, file?.url);
  const size = width && height ? { width: String(width), height: String(height) } : {};
  const image = h("img", { class: "picture", attrs: { src: source, alt: name, loading: "lazy", ...size } });
  const href = link(file?.url);
  return href === undefined ? image : h("a", { attrs: { href, target: "_blank", rel: "noopener noreferrer nofollow" } }, image);
}

function place({ latitudeE6 = 0, longitudeE6 = 0, title }: NonNullable<Content["location"]>): HTMLElement {
  const [latitude, longitude] = [latitudeE6 / 1e6, longitudeE6 / 1e6];
  const words = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=15/${latitude}/${longitude}`;
  return card("place", title === undefined || title === "" ? words : `${title} (${words})`, href);
}

function card(shape: IconName, name: string, url: string | undefined): HTMLElement {
  const href = link(url);
  const parts = [icon(shape), h("span", {}, h("span", { class: "card-name", text: name }), href === undefined ? undefined : h("span", { class: "talk-line", text: new URL(href).host }))];
  return href === undefined ? h("span", { class: "card" }, ...parts) : h("a", { class: "card", attrs: { href, target: "_blank", rel: "noopener noreferrer nofollow" } }, ...parts);
}

/** An address that a press may open. */
function link(url: string | undefined): string | undefined {
  return url !== undefined && /^https?:\/\//.test(url) && URL.canParse(url) ? new URL(url).href : undefined;
}
