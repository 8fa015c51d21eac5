import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OneOf, isAs } from "./expectation.ts";
import { faultKinds, Faults } from "./faults.ts";
import { planOf, simulate } from "./simulation.ts";

/** Few, and always the same: how many more there are is a matter of time, `npm run simulate -- --seeds 5000`. */
const seeds = 40;
const every = 5;

describe("workers, clients and the SQLite store, in one process under one scheduler", () => {
  test(`keep the invariants and end as foreseen, whatever goes wrong, in ${seeds} runs`, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { failures } = await simulate(planOf(seed, every));
      assert.deepEqual(failures, [], `npm run simulate -- --seeds 1 --seed ${seed}`);
    }
  });

  test("do the same in every run of a seed, to the letter", async () => {
    const faults = new Faults(faultKinds);
    const plan = { ...planOf(7, every), faults };
    const [first, second] = [await simulate(plan, true), await simulate(plan, true)];
    assert.deepEqual(second.lines, first.lines);
    assert.equal(second.digest, first.digest);
    assert.notEqual((await simulate({ ...plan, seed: 8 })).digest, first.digest);
  });

  test("ask the invariants after every write", async () => {
    const { failures } = await simulate(planOf(3, 1));
    assert.deepEqual(failures, []);
  });
});

/** Each needs several things to come together, and fails again where what mended it is taken back. */
const formerFailures = {
  "a claim is answered seconds late, and what it brought is let go meanwhile": 133,
  "a heartbeat is stored between the decision to bury its session and the burial": 718,
  "the row of a job cannot be read when it is woken": 5_074,
  "a renewal is answered when the lease that it renewed is over": 307,
};
describe("a run that failed once", () => {
  for (const [what, seed] of Object.entries(formerFailures)) {
    test(what, async () => {
      assert.deepEqual((await simulate(planOf(seed, every))).failures, []);
    });
  }
});

describe("what a run is held against", () => {
  test("tells one value from another, and takes one of several where a fault decides", () => {
    const groups = new Map<number, string>();
    assert.ok(isAs(["a", new OneOf(["b", "c"])], ["a", "c"], groups));
    assert.ok(!isAs(["a", new OneOf(["b", "c"])], ["a", "d"], groups));
    assert.ok(!isAs(["a"], ["a", "b"], groups));
  });
});
