// How long to wait before joining again.

/** The longest pause. */
const DELAY_SECONDS_MAX = 30;

/** Seconds before attempt number `attempt`, which counts from 0. */
export function retryDelay(attempt: number): number {
  return Math.min(DELAY_SECONDS_MAX, 3 * 2 ** attempt);
}
