// Keeps a phone's screen on during a call.

/** Holds the screen on while the page is in sight; the returned function ends that. Where it cannot be, nothing happens. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | undefined;
  let over = false;

  const acquire = async (): Promise<void> => {
    if (!("wakeLock" in navigator) || document.hidden) return;
    try {
      lock = await navigator.wakeLock.request("screen");
      if (over) await lock.release();
    } catch {
      // Low battery, or not allowed here.
    }
  };
  // Hiding the page drops the lock.
  const onVisibility = () => void acquire();
  document.addEventListener("visibilitychange", onVisibility);
  void acquire();

  return () => {
    over = true;
    document.removeEventListener("visibilitychange", onVisibility);
    void lock?.release().catch(() => {});
  };
}
