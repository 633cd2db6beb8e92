// The cameras, microphones and speakers of this machine.

/** A device somebody can choose. */
export interface Device {
  id: string;
  /** What to call it; browsers hide names until a permission is given. */
  label: string;
}

/** Everything there is to choose from. */
export type Devices = Record<MediaDeviceKind, Device[]>;

/** No devices at all. */
export const NO_DEVICES: Devices = { videoinput: [], audioinput: [], audiooutput: [] };

const GENERIC: Record<MediaDeviceKind, string> = { videoinput: "Camera", audioinput: "Microphone", audiooutput: "Speaker" };

/** Whether this browser offers capture at all. */
export function canCapture(): boolean {
  return typeof navigator.mediaDevices?.getUserMedia === "function";
}

/** Whether this browser can share a screen. */
export function canShareScreen(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/** Whether this browser can play to a chosen speaker. */
export function canChooseSpeaker(): boolean {
  return "setSinkId" in HTMLMediaElement.prototype;
}

/** Lists the devices without asking for any permission. */
export async function listDevices(): Promise<Devices> {
  if (typeof navigator.mediaDevices?.enumerateDevices !== "function") return NO_DEVICES;
  try {
    return groupDevices(await navigator.mediaDevices.enumerateDevices());
  } catch {
    return NO_DEVICES;
  }
}

/** Groups devices by kind. Those without an id cannot be chosen yet and are left out. */
export function groupDevices(infos: Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">[]): Devices {
  const devices: Devices = { videoinput: [], audioinput: [], audiooutput: [] };
  for (const info of infos) {
    if (info.deviceId === "") continue;
    const group = devices[info.kind];
    group.push({ id: info.deviceId, label: info.label === "" ? `${GENERIC[info.kind]} ${group.length + 1}` : info.label });
  }
  return devices;
}

/** Calls `changed` whenever a device comes or goes; the returned function ends that. */
export function watchDevices(changed: () => void): () => void {
  const source = navigator.mediaDevices;
  source?.addEventListener?.("devicechange", changed);
  return () => source?.removeEventListener?.("devicechange", changed);
}

/** Fills a select with devices. Disabled, with a word instead, when there is nothing to choose. */
export function fillDeviceSelect(select: HTMLSelectElement, devices: Device[], chosen: string | undefined): void {
  const options = devices.length === 0 ? [{ id: "", label: "System default" }] : devices;
  const same = select.options.length === options.length && options.every((d, i) => select.options[i]?.value === d.id && select.options[i]?.text === d.label);
  if (!same) select.replaceChildren(...options.map((device) => new Option(device.label, device.id)));
  select.disabled = devices.length === 0;
  if (chosen !== undefined && devices.some((device) => device.id === chosen)) select.value = chosen;
}
