// What a person can do in a call.

import type { Stats } from "../stats/collect";

/** A panel beside the tiles. */
export type Panel = "people" | "chat" | "stats";

/** Everything the views may ask for. */
export interface CallActions {
  toggleMicrophone(): void;
  toggleCamera(): void;
  toggleScreen(): void;
  /** Turns to a phone's other camera. */
  flipCamera(): void;
  /** Lets the browser play sound; to be called from a click. */
  startAudio(): void;
  leave(): void;
  /** Settles when the message is on its way. */
  sendChat(text: string): Promise<void>;
  chooseDevice(kind: MediaDeviceKind, id: string): void;
  activeDevice(kind: MediaDeviceKind): string | undefined;
  collectStats(): Promise<Stats>;
}
