// A level meter for the microphone.

import { createAudioAnalyser, type LocalAudioTrack } from "livekit-client";

/** How often the meter moves. Faster costs CPU, slower looks stuck. */
const PERIOD_MS = 60;

/** Shows `track`'s level as the `--level` (0 to 1) of `element`; the returned function ends that. */
export function runMeter(track: LocalAudioTrack, element: HTMLElement): () => void {
  const { analyser, calculateVolume, cleanup } = createAudioAnalyser(track, { smoothingTimeConstant: 0.5 });
  // Browsers start audio contexts asleep until somebody touches the page.
  const context = analyser.context as AudioContext;
  const wake = () => void context.resume().catch(() => {});
  wake();
  document.addEventListener("pointerdown", wake);
  document.addEventListener("keydown", wake);

  const timer = setInterval(() => {
    element.style.setProperty("--level", meterLevel(calculateVolume()).toFixed(3));
  }, PERIOD_MS);

  return () => {
    clearInterval(timer);
    document.removeEventListener("pointerdown", wake);
    document.removeEventListener("keydown", wake);
    element.style.setProperty("--level", "0");
    void cleanup().catch(() => {});
  };
}

/** What to show for a volume of 0 to 1: speech sits low on a linear scale, so quiet levels are lifted. */
export function meterLevel(volume: number): number {
  return Math.min(1, Math.sqrt(Math.max(0, volume)) * 1.2);
}
