/** Whatever is asked of a store, in whatever order and company, SQLite and PostgreSQL answer the same and keep the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Both } from "./both.ts";
import { told, type Step } from "./operations.ts";
import { sequences } from "./random-operations.ts";
import { shorter } from "./shorter.ts";

/** The same sequences each time: what others find is for who looks for it, and not for who has changed something else. */
const seed = Number(process.env["STENT_SEED"] ?? 940_193_262);
const numRuns = Number(process.env["STENT_RUNS"] ?? 25);
const commits = 40;
/** How long a shorter sequence that fails is looked for. */
const patienceMs = 60_000;

test(`SQLite and PostgreSQL answer and keep the same (STENT_SEED=${seed})`, async (t) => {
  const both = await Both.open();
  t.after(() => both.close());
  let why = "";
  const fails = async (steps: readonly Step[]): Promise<boolean> => {
    try {
      await both.run(steps);
      return false;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
      return true;
    }
  };
  const property = fc.asyncProperty(sequences(commits), async (steps) => !(await fails(steps)));
  const { failed, counterexample } = await fc.check(property, {
    seed,
    numRuns,
    endOnFailure: true,
  });
  if (!failed) return;
  const steps = await shorter(counterexample?.[0] ?? [], fails, performance.now() + patienceMs);
  await fails(steps);
  assert.fail(`STENT_SEED=${seed} STENT_RUNS=${numRuns}\n\n${told(steps)}\n\n${why}`);
});
