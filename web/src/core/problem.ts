// What went wrong, in words for the person in front of the page.

import { ConnectionError, ConnectionErrorReason, DisconnectReason, MediaDeviceFailure } from "livekit-client";

/** What the SDK puts before the server's words. */
const SDK_PREFIX = /^could not establish signal connection:\s*/i;

/** Something that went wrong: what, and what to do about it. */
export interface Problem {
  /** One short sentence: what happened. */
  title: string;
  /** What to do about it. */
  advice: string;
  /** The stable code of the server's error, such as `1005 TokenExpired`. */
  code?: string;
}

/** What a device is for. */
export type DeviceUse = "camera" | "microphone" | "screen";

const DEVICE_NAMES: Record<DeviceUse, string> = { camera: "camera", microphone: "microphone", screen: "screen" };

/** Why a device could not be opened. */
export function deviceProblem(error: unknown, use: DeviceUse): Problem {
  const device = DEVICE_NAMES[use];
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.PermissionDenied:
      return {
        title: use === "screen" ? "Screen sharing was not allowed." : `The browser may not use your ${device}.`,
        advice: use === "screen" ? "Choose a screen or window to share it." : "Allow it with the icon in the address bar. You can join without it.",
      };
    case MediaDeviceFailure.NotFound:
      return { title: `No ${device} was found.`, advice: "Plug one in, or join without it." };
    case MediaDeviceFailure.DeviceInUse:
      return { title: `Your ${device} is busy.`, advice: "Close the program that uses it, then try again." };
    default:
      return { title: `Your ${device} did not start.`, advice: `${reason(error)} You can go on without it.` };
  }
}

/** Why the page may not ask for devices at all, if so: browsers offer them on https and localhost only. */
export function captureProblem(isSecure: boolean, hasDevices: boolean): Problem | undefined {
  if (hasDevices) return undefined;
  if (isSecure) return { title: "This browser offers no camera or microphone.", advice: "You can still watch, listen and chat." };
  return {
    title: "Camera and microphone need a secure address.",
    advice: "Open this page over https, or on the machine itself as http://localhost. You can still watch, listen and chat.",
  };
}

/** The body of the server's errors (RFC 9457 with a stable code). */
interface ErrorBody {
  code?: number;
  name?: string;
  title?: string;
  detail?: string;
  message?: string;
}

/** Why the server gave no token. */
export function tokenProblem(status: number, body: string): Problem {
  const error = parseBody(body);
  const problem: Problem = {
    title: "The server refused a token.",
    advice: sentence(error.detail ?? error.message ?? error.title ?? `It answered with HTTP status ${status}.`),
  };
  const code = codeText(error);
  return code === undefined ? problem : { ...problem, code };
}

/** Why the room could not be joined. */
export function joinProblem(error: unknown): Problem {
  if (!(error instanceof ConnectionError)) return { title: "The room could not be joined.", advice: reason(error) };
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      return refused(error);
    case ConnectionErrorReason.LeaveRequest:
      return endProblem(error.context as DisconnectReason);
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.WebSocket:
      return { title: "The server cannot be reached.", advice: "Check your connection and whether the server runs, then try again." };
    case ConnectionErrorReason.Timeout:
      return { title: "The server took too long to answer.", advice: "Check your connection, then try again." };
    default:
      if (/pc|peer ?connection/i.test(error.message)) {
        return { title: "Sound and picture found no way through.", advice: "A firewall may block the media ports. Try another network." };
      }
      return { title: "The room could not be joined.", advice: reason(error) };
  }
}

/** Why the call ended, when the person did not leave by choice. */
export function endProblem(why: DisconnectReason | undefined): Problem {
  switch (why) {
    case DisconnectReason.DUPLICATE_IDENTITY:
      return { title: "You joined from somewhere else.", advice: "The same identity may be in a room only once." };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return { title: "You were removed from the room.", advice: "Ask the host before you join again." };
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { title: "The room was closed.", advice: "Everybody has left it. You can open it again by joining." };
    case DisconnectReason.SERVER_SHUTDOWN:
      return { title: "The server is going down.", advice: "Join again in a moment." };
    default:
      return { title: "The connection was lost.", advice: "Check your network, or wait for the server to come back." };
  }
}

/** Whether joining again by itself is right after this end. */
export function endsForGood(why: DisconnectReason | undefined): boolean {
  switch (why) {
    case DisconnectReason.CLIENT_INITIATED:
    case DisconnectReason.DUPLICATE_IDENTITY:
    case DisconnectReason.PARTICIPANT_REMOVED:
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
    case DisconnectReason.USER_REJECTED:
      return true;
    default:
      return false;
  }
}

function refused(error: ConnectionError): Problem {
  const { text, code } = splitCode(error.message.replace(SDK_PREFIX, ""));
  const body = parseBody(text);
  const problem: Problem = { title: "The server did not let you in.", advice: sentence(body.detail ?? body.message ?? body.title ?? text) };
  const known = code ?? codeText(body) ?? (error.status === undefined ? undefined : `HTTP ${error.status}`);
  return known === undefined ? problem : { ...problem, code: known };
}

/** Takes a code such as `[1004 TokenForged]` off the end of what the server says. */
function splitCode(text: string): { text: string; code: string | undefined } {
  const found = /\s*\[(\d{4} \w+)\]\s*$/.exec(text);
  return found === null ? { text, code: undefined } : { text: text.slice(0, found.index), code: found[1] };
}

function parseBody(body: string): ErrorBody {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === "object" && parsed !== null ? (parsed as ErrorBody) : {};
  } catch {
    return body.length > 0 && body.length < 200 && !body.includes("<") ? { detail: body } : {};
  }
}

function codeText(error: ErrorBody): string | undefined {
  const parts = [error.code, error.name].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(" ");
}

function reason(error: unknown): string {
  return sentence(error instanceof Error && error.message !== "" ? error.message : "Something unexpected happened");
}

/** `text` with a capital in front and a full stop behind. */
function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
