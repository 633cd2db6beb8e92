// The page's icons, drawn on a 24 by 24 grid.

const SHAPES = {
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21M8.5 21h7",
  micOff: "M9 9.5V6a3 3 0 0 1 6 0v5a3 3 0 0 1-.3 1.3M13 13.8A3 3 0 0 1 9 11M5.5 11a6.5 6.5 0 0 0 10 5.5M18.5 11a6.5 6.5 0 0 1-.7 3M12 17.5V21M8.5 21h7M3.5 3.5l17 17",
  camera: "M4 6.5h9.5a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2zM15.5 11l6-3.5v9l-6-3.5",
  cameraOff: "M8.5 6.5h5a2 2 0 0 1 2 2v5M15.5 16a2 2 0 0 1-2 1.5H4a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2M15.5 11l6-3.5v9l-3-1.7M3.5 3.5l17 17",
  screen: "M4 4.5h16a1.5 1.5 0 0 1 1.5 1.5v9.5A1.5 1.5 0 0 1 20 17H4a1.5 1.5 0 0 1-1.5-1.5V6A1.5 1.5 0 0 1 4 4.5zM8.5 20.5h7M12 14V8M9.3 10.5 12 7.8l2.7 2.7",
  chat: "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9.5a1.5 1.5 0 0 1-1.5 1.5H11l-4.5 4v-4h-2A1.5 1.5 0 0 1 3 15.5V6a1.5 1.5 0 0 1 1.5-1.5zM7.5 9h9M7.5 12.5h6",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20v-1a5 5 0 0 1 5-5h3a5 5 0 0 1 5 5v1M16 11.3a3.4 3.4 0 0 0 0-6.6M18 14.3a5 5 0 0 1 3.5 4.7v1",
  leave: "M3 14.5v-2c0-1 .5-2 1.5-2.4a20 20 0 0 1 15 0c1 .4 1.5 1.4 1.5 2.4v2c0 .6-.5 1-1.1 1l-3.4-.6a1 1 0 0 1-.8-1v-2a13 13 0 0 0-7.4 0v2a1 1 0 0 1-.8 1l-3.4.6c-.6 0-1.1-.4-1.1-1z",
  flip: "M20 11a8 8 0 0 0-14.5-3.5L4 9.5M4 4.5v5h5M4 13a8 8 0 0 0 14.5 3.5L20 14.5M20 19.5v-5h-5",
  pin: "M9 3.5h6M10 3.5v6l-3 3.5v1.5h10V13l-3-3.5v-6M12 14.5v6",
  copy: "M9 8.5h9.5A1.5 1.5 0 0 1 20 10v9.5a1.5 1.5 0 0 1-1.5 1.5H9a1.5 1.5 0 0 1-1.5-1.5V10A1.5 1.5 0 0 1 9 8.5zM4.5 15.5A1.5 1.5 0 0 1 4 14.3V5A1.5 1.5 0 0 1 5.5 3.5h8.3a1.5 1.5 0 0 1 1.2.5",
  check: "M4.5 12.5l5 5 10-11",
  close: "M5.5 5.5l13 13M18.5 5.5l-13 13",
  send: "M4 4.5l17 7.5-17 7.5 3-7.5zM7 12h7",
  stats: "M4 20V10M10 20V4M16 20v-8M21 20H2.5",
  settings: "M4 7h9M19 7h1M16 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM4 17h1M11 17h9M8 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  more: "M12 6.5v-.01M12 12.5v-.01M12 18.5v-.01",
  sound: "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  link: "M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7l1.2-1.2",
  back: "M14.5 5.5 8 12l6.5 6.5",
  out: "M10 4.5H6A1.5 1.5 0 0 0 4.5 6v12A1.5 1.5 0 0 0 6 19.5h4M15 8l4 4-4 4M19 12H9.5",
  attach: "M12 5v14M5 12h14",
  image: "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v12a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 18V6a1.5 1.5 0 0 1 1.5-1.5zM3.5 16.5l5-5 4 4 3-3 5 4.5M15.5 9.5v-.01",
  file: "M13.5 3.5H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V8.5zM13.5 3.5v5h5",
  place: "M12 21s7-6.3 7-11.2A7 7 0 0 0 5 9.8C5 14.7 12 21 12 21zM12 12.3a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  bellOff: "M9 19.5h6M6.5 16.5V11a5.5 5.5 0 0 1 8.5-4.6M17.5 11v5.5H8M3.5 3.5l17 17",
  warning: "M12 4 2.5 20h19zM12 10v4.5M12 17.3v-.01",
} as const;

/** An icon's name. */
export type IconName = keyof typeof SHAPES;

const SVG = "http://www.w3.org/2000/svg";

/** Draws an icon. It says nothing to screen readers: whatever holds it carries the words. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Draws another icon in the place of the one in `holder`. */
export function setIcon(holder: Element, name: IconName): void {
  if (holder.getAttribute("data-icon") === name) return;
  holder.setAttribute("data-icon", name);
  holder.querySelector("svg.icon")?.remove();
  holder.prepend(icon(name));
}

/** The colonnade, as in the page's icon. */
export function logo(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "8 10 48 46");
  svg.setAttribute("class", "logo");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute(
    "d",
    "M32 11 54 22v3H10v-3zM12 27h40v3H12zM14.5 32h5l.5 15h-6zM24.2 32h5l.5 15h-6zM34.8 32h5l.5 15h-6zM44.5 32h5l.5 15h-6zM11 48.5h42v2.8H11zM8 52.5h48v2.8H8z",
  );
  svg.append(path);
  return svg;
}
