import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError, DisconnectReason } from "livekit-client";
import { captureProblem, deviceProblem, endProblem, endsForGood, joinProblem, tokenProblem } from "../core/problem";

function named(name: string): Error {
  return Object.assign(new Error("raw words of the browser"), { name });
}

test("a refused camera says where to allow it", () => {
  const { title, advice } = deviceProblem(named("NotAllowedError"), "camera");
  assert.equal(title, "The browser may not use your camera.");
  assert.match(advice, /address bar/);
});

test("a missing and a busy device are told apart", () => {
  assert.match(deviceProblem(named("NotFoundError"), "microphone").title, /No microphone/);
  assert.match(deviceProblem(named("NotReadableError"), "microphone").title, /busy/);
});

test("an insecure address is named as the reason for no devices", () => {
  assert.match(captureProblem(false, false)?.advice ?? "", /https/);
  assert.doesNotMatch(captureProblem(true, false)?.advice ?? "", /https/);
  assert.equal(captureProblem(true, true), undefined);
});

test("a token that is refused shows the server's words and code", () => {
  const body = JSON.stringify({ code: 2006, name: "NameTooLong", detail: "the room name is longer than 256 bytes" });
  const problem = tokenProblem(400, body);
  assert.equal(problem.code, "2006 NameTooLong");
  assert.equal(problem.advice, "The room name is longer than 256 bytes.");
});

test("an answer that is no JSON still says something", () => {
  assert.equal(tokenProblem(502, "<html>").advice, "It answered with HTTP status 502.");
});

test("a join that the server refuses shows status or code", () => {
  const plain = joinProblem(ConnectionError.notAllowed("the access token has expired", 401));
  assert.equal(plain.code, "HTTP 401");
  assert.equal(plain.advice, "The access token has expired.");
  const coded = joinProblem(ConnectionError.notAllowed(JSON.stringify({ code: 1005, name: "TokenExpired", detail: "expired" }), 401));
  assert.equal(coded.code, "1005 TokenExpired");
});

test("the server's words lose the SDK's preface, and their code becomes the code", () => {
  const said = "could not establish signal connection: invalid token: the signature does not match its API key [1004 TokenForged]";
  const problem = joinProblem(ConnectionError.notAllowed(said, 401));
  assert.equal(problem.advice, "Invalid token: the signature does not match its API key.");
  assert.equal(problem.code, "1004 TokenForged");
});

test("a server that is away is told apart from one that refuses", () => {
  assert.match(joinProblem(ConnectionError.serverUnreachable("x")).title, /reached/);
  assert.match(joinProblem(ConnectionError.timeout("x")).title, /too long/);
});

test("only an end that nobody meant leads to joining again", () => {
  assert.equal(endsForGood(DisconnectReason.CLIENT_INITIATED), true);
  assert.equal(endsForGood(DisconnectReason.PARTICIPANT_REMOVED), true);
  assert.equal(endsForGood(DisconnectReason.SERVER_SHUTDOWN), false);
  assert.equal(endsForGood(undefined), false);
  assert.match(endProblem(DisconnectReason.DUPLICATE_IDENTITY).title, /somewhere else/);
});
