// Who is meant by an @. Pure.

import type { Options } from "@stoa/im";

/** More are not told. */
const MENTIONS_MAX = 50;
const NAMES = /(^|[\s(])@([A-Za-z0-9\-_.@+=|~]{1,64})/g;

/** What follows the @ that is being written at `caret`; undefined when none is. */
export function mentionAt(text: string, caret: number): string | undefined {
  return /(?:^|[\s(])@([^\s@]*)$/.exec(text.slice(0, caret))?.[1];
}

/** Whom a message means: members, or with `@all` everybody. A full stop behind a name is not part of it. */
export function mentionsIn(text: string, members: string[]): Options {
  const known = new Set(members);
  const users = new Set<string>();
  let all = false;
  for (const [, , name = ""] of text.matchAll(NAMES)) {
    const user = known.has(name) ? name : name.replace(/[.]+$/, "");
    if (known.has(user)) users.add(user);
    else if (user === "all" && members.length > 0) all = true;
  }
  return { ...(users.size > 0 ? { mentions: [...users].slice(0, MENTIONS_MAX) } : {}), ...(all ? { mentionAll: true } : {}) };
}
