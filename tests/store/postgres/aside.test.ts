import assert from "node:assert/strict";
import { test } from "node:test";
import { Aside } from "../../../src/store/postgres/aside.ts";
import type { Transition } from "../../../src/store/store.ts";
import { dispatchOf, newExecution } from "../../conformance/scene.ts";

const hints = { woken: [], ended: [], ready: false, stopped: [] };
const joined = { settled: [{ answer: [{ kind: "joined" as const }] }], hints };
const one: Transition = { kind: "dispatch", request: dispatchOf([newExecution({ id: "taken" })]) };

test("what was stored meanwhile is met after however many waits for its lock", async () => {
  const codes = ["55P03", "55P03", "55P03", "55P03", "55P03", "55P03", "23505", "23505"];
  const aside = new Aside(async () => {
    const code = codes.shift();
    if (code !== undefined) throw failure(code);
    return joined;
  });
  assert.deepEqual((await aside.write(one)).settled, joined.settled[0]);
});

test("a constraint that is met again and again is the transition's own", async () => {
  let tries = 0;
  const aside = new Aside(async () => {
    tries += 1;
    throw failure("23505");
  });
  await assert.rejects(aside.write(one), { code: "23505" });
  assert.equal(tries, 5);
});

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
