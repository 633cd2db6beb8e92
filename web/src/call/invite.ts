// The link that brings others in.

import { h, setText } from "../core/dom";
import { setIcon } from "../core/icons";
import { inviteLink } from "../core/options";

/** How long the button says that it copied. */
const SAID_MS = 2_000;

/** A button that hands on the link to `room`. */
export function inviteButton(room: string, className: string, label = "Copy invite link"): HTMLButtonElement {
  const text = h("span", { text: label });
  const button = h("button", { class: className, attrs: { type: "button", title: label } }, text);
  setIcon(button, "link");
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", () => {
    const link = inviteLink(location.origin, room);
    // A phone's own sheet knows the person's messengers.
    if (matchMedia("(pointer: coarse)").matches && "share" in navigator) {
      void navigator.share({ title: "Stoa", text: `Join me in ${room}`, url: link }).catch(() => {});
      return;
    }
    void copy(link).then((copied) => {
      setIcon(button, copied ? "check" : "warning");
      setText(text, copied ? "Link copied" : "Copy the page’s address");
      clearTimeout(timer);
      timer = setTimeout(() => {
        setIcon(button, "link");
        setText(text, label);
      }, SAID_MS);
    });
  });
  return button;
}

/** Puts `text` on the clipboard. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The old way, for pages that are not on a secure address. */
function copyBySelection(text: string): boolean {
  const area = h("textarea", { attrs: { readonly: "" } });
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
