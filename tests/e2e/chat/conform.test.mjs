// Judges that we did not write: schemathesis holds the REST API against its OpenAPI document, Autobahn's cases the WebSocket
// against RFC 6455.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

import { backendToken, enroll } from "../../harness/chat.mjs";
import { ROOT, STOA } from "../../harness/node.mjs";
import { PYTHON } from "../../harness/puppet.mjs";
import { scenario, stage } from "../../harness/scenario.mjs";

const shared = stage({ node: { config: "[chat.limits]\nbackend_per_second = 100000\n" } });
const ECHO = process.env.ECHO_SERVER ?? join(dirname(STOA), "examples/echo");
/** How long schemathesis may search. */
const SEARCH_S = 40;

/**
 * What is not asked: whether a request that fits the document is accepted (most name people and groups that are not there), and
 * whether one that does not is refused (the document says what to send; read is all that ProtoJSON takes: null for what is
 * absent, numbers where 64 bits are written as text).
 */
const UNASKED = "positive_data_acceptance,negative_data_rejection";

/** Runs a program to its end: its exit code and what it said. */
async function told(program, args) {
  // Whatever it keeps, it keeps beside the node.
  const child = spawn(program, args, { cwd: shared.node.data, env: { ...process.env, COLUMNS: "160", NO_COLOR: "1" } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "exit");
  return { code, said };
}

scenario("schemathesis finds no answer that the OpenAPI document does not tell of", shared, async () => {
  const { node } = shared;
  // Some who are there, so that more than refusals is seen.
  await enroll(node, ["ada", "bob", "0"]);
  const { code, said } = await told(PYTHON, [
    "-m", "schemathesis.cli", "run", `${node.http}/v1/openapi.json`,
    "--header", `Authorization: Bearer ${backendToken()}`,
    "--checks", "all", "--exclude-checks", UNASKED,
    "--phases", "coverage,fuzzing,stateful", "--max-examples", "20", "--max-time", `${SEARCH_S}`,
    "--continue-on-failure", "--warnings", "off", "--seed", "1",
  ]);
  assert.equal(code, 0, said);
  const cases = Number(/(\d+) generated/.exec(said)?.[1]);
  assert.ok(cases > 1_000, `only ${cases} cases were tried: ${said}`);
  assert.equal(node.child.exitCode, null);
  const panics = node.log.filter((line) => line.includes("panicked"));
  assert.deepEqual(panics, []);
});

/** What Autobahn says of the socket beside OK, and why it stays so. */
const KNOWN = {
  // A frame's text is checked when the frame is whole, not while it comes. RFC 6455 8.1 allows it.
  "6.4.3": "NON-STRICT",
  "6.4.4": "NON-STRICT",
  // Whatever is done is right.
  "7.1.6": "INFORMATIONAL",
  "7.13.1": "INFORMATIONAL",
  "7.13.2": "INFORMATIONAL",
  // An echo of 8 MiB and more is beyond what a socket may have waiting: it is closed, as it should be.
  "9.1.5": "FAILED",
  "9.1.6": "FAILED",
  "9.2.5": "FAILED",
  "9.2.6": "FAILED",
};

scenario("every case of Autobahn that needs no compression passes, but for those that are known", shared, async ({ later }) => {
  assert.ok(existsSync(ECHO), `${ECHO} is not built: run cargo build -p gateway --example echo`);
  const echo = spawn(ECHO, [], { stdio: ["ignore", "pipe", "inherit"] });
  later({ close: async () => echo.kill("SIGKILL") });
  const [address] = await once(createInterface({ input: echo.stdout }), "line");
  const { code, said } = await told(PYTHON, [join(ROOT, "tests/python/autobahn_cases.py"), address]);
  assert.equal(code, 0, said);
  const rows = said.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assert.equal(rows.length, 301, said.slice(-2_000));
  const wrong = rows.filter(({ id, behavior, close }) => {
    const expected = KNOWN[id] ?? "OK";
    return behavior !== expected || !["OK", expected].includes(close);
  });
  assert.deepEqual(wrong, []);
});
