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

test("those that wait take turns at the connection", async () => {
  let busy = false;
  let tries = 0;
  const aside = new Aside(async () => {
    assert.equal(busy, false);
    busy = true;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    busy = false;
    tries += 1;
    if (tries < 10) throw failure("55P03");
    return joined;
  });
  await Promise.all([aside.write(one), aside.write(one), aside.write(one)]);
});

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
