/** As it comes, with a pool of 20 connections. Workflows are started without a queue, which is the fastest that it does. */
import { DBOS } from "@dbos-inc/dbos-sdk";

const echo = async (value) => value;
const step = (value) => DBOS.runStep(() => echo(value), { name: "echo" });
const register = (name, body) => DBOS.registerWorkflow(body, { name });

const hello = register("hello", (name) => step(`hello ${name}`));
const chain = register("chain", async (steps) => {
  let last = 0;
  for (let n = 0; n < steps; n += 1) last = await step(n);
  return last;
});
const fanout = register("fanout", async (items) => {
  const all = await Promise.all(Array.from({ length: items }, (_, item) => step(item)));
  return all.length;
});
const job = register("job", echo);

export async function open({ address }) {
  DBOS.setConfig({
    name: "peers",
    systemDatabaseUrl: address,
    systemDatabasePoolSize: 20,
    logLevel: "error",
  });
  await DBOS.launch();
  const start = async (fn, n) => (await DBOS.startWorkflow(fn)(n)).getResult();
  const many = (fn, n) => Promise.all(Array.from({ length: n }, (_, index) => start(fn, index)));
  return {
    does: {
      hello: (n) => many(hello, n),
      chain: (n) => start(chain, n),
      fanout: (n) => start(fanout, n),
      jobs: (n) => many(job, n),
    },
    close: () => DBOS.shutdown(),
  };
}
