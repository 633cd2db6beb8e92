// What the browser keeps between visits. Storage may be forbidden or full: then nothing is kept.

import { randomCode } from "./random";

const IDENTITY = "stoa.identity";

/** Choices kept between visits. */
export type Choice = "name" | "videoinput" | "audioinput" | "audiooutput";

/** The kept choice, if any. */
export function recall(choice: Choice): string | undefined {
  return read(() => localStorage, `stoa.${choice}`);
}

/** Keeps a choice. */
export function remember(choice: Choice, value: string): void {
  write(() => localStorage, `stoa.${choice}`, value);
}

/**
 * This tab's identity: random, and the same after a reload. A duplicated tab inherits the original's
 * storage, and two of one identity throw each other out, so a lock held while the page lives tells whether it is taken.
 */
export async function claimIdentity(): Promise<string> {
  const kept = read(() => sessionStorage, IDENTITY);
  if (kept !== undefined && (await claim(kept))) return kept;
  const fresh = `web-${randomCode(10)}`;
  write(() => sessionStorage, IDENTITY, fresh);
  await claim(fresh);
  return fresh;
}

/** Takes the lock on `identity` for as long as the page lives; false when another tab has it. */
function claim(identity: string): Promise<boolean> {
  // Locks exist only on https and localhost; elsewhere duplicated tabs are rare enough to risk it.
  if (!("locks" in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(`stoa.identity.${identity}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => {});
      })
      .catch(() => resolve(true));
  });
}

function read(storage: () => Storage, key: string): string | undefined {
  try {
    return storage().getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: () => Storage, key: string, value: string): void {
  try {
    storage().setItem(key, value);
  } catch {
    // Nothing depends on it.
  }
}
