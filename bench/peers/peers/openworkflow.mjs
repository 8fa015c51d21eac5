/**
 * As it comes, with 10 or 20 runs at a time: more was not tried. A handle's result is asked for once a second, which would be all that is measured:
 * instead its runs are counted in the process, and then in the database, every few milliseconds.
 */
import { setTimeout as pause } from "node:timers/promises";
import { OpenWorkflow } from "openworkflow";
import { giveNodeSqlite } from "../node-sqlite.mjs";

const concurrency = { sqlite: 10, postgres: 20 };

export async function open({ backend: kind, address }) {
  const backend = await connect(kind, address);
  const ow = new OpenWorkflow({ backend });
  let ended = 0;
  let told = () => undefined;
  const define = (name, body) =>
    ow.defineWorkflow({ name }, async ({ input, step }) => {
      const value = await body(input, (given) => step.run({ name: `echo-${given}` }, () => given));
      ended += 1;
      told();
      return value;
    });
  const hello = define("hello", (name, step) => step(`hello ${name}`));
  const chain = define("chain", async (steps, step) => {
    let last = 0;
    for (let n = 0; n < steps; n += 1) last = await step(n);
    return last;
  });
  const fanout = define("fanout", async (items, step) => {
    const all = await Promise.all(Array.from({ length: items }, (_, item) => step(item)));
    return all.length;
  });
  const job = define("job", (value) => value);
  const worker = ow.newWorker({ concurrency: concurrency[kind] });
  await worker.start();
  let completed = 0;
  const runs = async (fn, inputs) => {
    completed += inputs.length;
    const all = new Promise((resolve) => {
      told = () => ended >= completed && resolve();
    });
    await Promise.all(inputs.map((input) => fn.run(input)));
    await all;
    while ((await backend.countWorkflowRuns()).completed < completed) await pause(5);
  };
  const many = (fn, n) =>
    runs(
      fn,
      Array.from({ length: n }, (_, index) => index),
    );
  return {
    does: {
      hello: (n) => many(hello, n),
      chain: (n) => runs(chain, [n]),
      fanout: (n) => runs(fanout, [n]),
      jobs: (n) => many(job, n),
    },
    close: async () => {
      await worker.stop();
      await backend.stop();
    },
  };
}

async function connect(kind, address) {
  if (kind === "postgres") {
    const { BackendPostgres } = await import("openworkflow/postgres");
    return BackendPostgres.connect(address);
  }
  giveNodeSqlite();
  const { BackendSqlite } = await import("openworkflow/sqlite");
  return BackendSqlite.connect(address.slice("sqlite:".length));
}
