// Waiting for conditions. The only place of the tests that knows of time passing.

/** How long anything may take, on two cores that also run the browsers. */
export const WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

/** Resolves with the first truthy value of `look`; fails with the last thing seen, or the last error, after `withinMs`. */
export async function until(what, look, withinMs = WITHIN_MS) {
  const giveUpAt = performance.now() + withinMs;
  let last;
  while (performance.now() < giveUpAt) {
    try {
      const seen = await look();
      if (seen) return seen;
      last = seen;
    } catch (error) {
      if (error.fatal) throw error;
      last = error;
    }
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
  const told = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`waited ${withinMs / 1000} s for: ${what}; last seen: ${told}`);
}

/** Resolves when `reading()` has grown by `by` from what it is at first. */
export async function grows(what, reading, by = 1) {
  const first = await reading();
  return until(`${what} to grow by ${by} from ${first}`, async () => {
    const now = await reading();
    return now >= first + by ? now : false;
  });
}

/** Resolves when `look` gave equal values for `count` looks in a row: something that should rest does rest. */
export async function rests(what, look, count = 20) {
  let last;
  let same = 0;
  return until(`${what} to rest`, async () => {
    const seen = JSON.stringify(await look());
    same = seen === last ? same + 1 : 0;
    last = seen;
    return same >= count;
  });
}

/** Fails when a promise takes longer than `withinMs`. */
export async function within(what, promise, withinMs = WITHIN_MS) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`waited ${withinMs / 1000} s for: ${what}`)), withinMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A timer that a protocol asks of its clients, such as a wait before they reconnect. Tests wait for conditions instead. */
export function protocolTimer(ms, then) {
  return setTimeout(then, ms);
}
