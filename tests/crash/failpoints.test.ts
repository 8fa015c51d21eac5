import { test } from "node:test";
import { failpoints } from "../../src/runtime/failpoint.ts";
import { Chance } from "./chance.ts";
import { killedAt, latest } from "./killed-at.ts";
import { stage, usualBackend as backend } from "./stage.ts";

const chance = Chance.fromEnvironment();
const on = { sceneOf: stage(backend), backend };
/** Every point the first time it is reached. A later time of each takes as long again: by default of half of them, others with every seed. */
const later = (): boolean => process.env["STENT_EVERY"] === "1" || chance.upTo(2) === 1;

test(
  `killed at every failpoint, everything goes on (${chance.told})`,
  { concurrency: 2 },
  async (t) => {
    await Promise.all(
      failpoints.flatMap((point) =>
        [1, ...(later() ? [1 + chance.upTo(latest(point))] : [])].map((count, index) =>
          t.test(`${point}, time ${count}`, (t) => killedAt(t, on, point, count, index === 0)),
        ),
      ),
    );
  },
);
