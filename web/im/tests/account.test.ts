import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, logIn, logOut, refresh } from "../src/account";
import type { Host } from "../src/host";

/** A host whose server gives one answer, and what it was asked. */
function answering(status: number, body: string) {
  const asked: { url: string; method: string; headers: Record<string, string>; body?: string }[] = [];
  const host = {
    fetch: async (url: string, init: { method: string; headers: Record<string, string>; body?: string }) => {
      asked.push({ url, ...init });
      if (status === 0) throw new TypeError("no network");
      return { ok: status === 200, status, text: async () => body };
    },
  } as unknown as Host;
  return { host, asked };
}

const PAIR = { user: "ada", session: "s", accessToken: "a", accessExpiresAt: "1800000900", refreshToken: "r" };
const LOGIN = { user: "ada", device: "d", accessToken: "a", accessExpiresAt: 1_800_000_900_000, refreshToken: "r" };

test("a log-in keeps its device and knows when its token ends", async () => {
  const { host, asked } = answering(200, JSON.stringify(PAIR));
  assert.deepEqual(await logIn(host, "http://x", { user: "ada", password: "secret12", device: "d" }), LOGIN);
  assert.deepEqual(JSON.parse(asked[0]?.body ?? ""), { user: "ada", password: "secret12", device: "d", platform: "PLATFORM_WEB" });
});

test("refreshing hands in the refresh token, logging out the access token", async () => {
  const { host, asked } = answering(200, JSON.stringify({ ...PAIR, accessToken: "b", refreshToken: "q" }));
  const next = await refresh(host, "http://x", LOGIN);
  assert.deepEqual([next.accessToken, next.refreshToken, next.device], ["b", "q", "d"]);
  assert.equal(asked[0]?.body, '{"refreshToken":"r"}');
  await logOut(host, "http://x", LOGIN);
  assert.equal(asked[1]?.headers["authorization"], "Bearer a");
});

test("a refusal is told in the server's words, and no server as such", async () => {
  const problem = { code: 3040, title: "t", detail: "the user or the password is wrong", action: "Check both." };
  const wrong = answering(401, JSON.stringify(problem));
  await assert.rejects(refresh(wrong.host, "http://x", LOGIN), (error) => error instanceof ApiError && error.status === 401 && error.code === 3040 && error.title === problem.detail);
  const broken = answering(502, "<html>");
  await assert.rejects(refresh(broken.host, "http://x", LOGIN), { title: "HTTP 502" });
  const away = answering(0, "");
  await assert.rejects(refresh(away.host, "http://x", LOGIN), { status: 0 });
});
