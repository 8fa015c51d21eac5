/** As it comes, with room for 1,000 activities at a time. */
import { activity, call, map, Stent, workflow } from "../../.compiled/src/index.js";

const echo = activity("peers.echo", async (value) => value);
const hello = workflow("peers.hello", function* (name) {
  return yield* call(echo, `hello ${name}`);
});
const chain = workflow("peers.chain", function* (steps) {
  let last = 0;
  for (let step = 0; step < steps; step += 1) last = yield* call(echo, step);
  return last;
});
const fanout = workflow("peers.fanout", function* (items) {
  const all = yield* map(
    echo,
    Array.from({ length: items }, (_, item) => item),
  );
  return all.length;
});

export async function open({ address }) {
  const stent = await Stent.bootstrap(
    { backend: address, logger: onlyErrors },
    { serve: { maxConcurrency: 1_000 } },
  );
  const many = async (fn, n) => {
    const handles = await stent.dispatchMany(
      fn,
      Array.from({ length: n }, (_, index) => [index]),
    );
    await Promise.all(handles.map((handle) => handle.result()));
  };
  return {
    does: {
      hello: (n) => many(hello, n),
      chain: (n) => stent.run(chain, [n]),
      fanout: (n) => stent.run(fanout, [n]),
      jobs: (n) => many(echo, n),
    },
    close: () => stent.close(),
  };
}

const onlyErrors = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: console.error,
};
