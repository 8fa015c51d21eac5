/**
 * `npm run bench:peers`: the same work by Stent and by others, in turn, on the same machine and the same server. `npm run bench:peers -- --rounds 3
 * hello chain`. Each turn is a process of its own on a database of its own.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { median } from "../.compiled/bench/measure.js";
import { PostgresScratch } from "../.compiled/bench/postgres/scratch.js";
import { SqliteScratch } from "../.compiled/bench/sqlite/scratch.js";

/** How much of each a turn does. */
const workloads = { hello: 2_000, chain: 500, fanout: 1_000, jobs: 5_000 };

/** Who does what on what. The first is what the others are compared with. */
const fields = {
  sqlite: { stent: Object.keys(workloads), openworkflow: Object.keys(workloads) },
  postgres: {
    stent: Object.keys(workloads),
    dbos: Object.keys(workloads),
    openworkflow: Object.keys(workloads),
    "graphile-worker": ["jobs"],
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    backend: { type: "string", multiple: true, default: ["sqlite", "postgres"] },
    peer: { type: "string", multiple: true },
    /** A share of the work: for a first try. */
    share: { type: "string", default: "1" },
  },
});
const here = import.meta.dirname;
if (!existsSync(join(here, "node_modules")))
  execFileSync("npm", ["ci"], { cwd: here, stdio: "inherit" });

for (const backend of values.backend) {
  const scratch =
    backend === "sqlite" ? new SqliteScratch(undefined) : await PostgresScratch.open(undefined);
  try {
    for (const workload of positionals.length > 0 ? positionals : Object.keys(workloads))
      await compare(scratch, backend, workload);
  } finally {
    await scratch[Symbol.asyncDispose]();
  }
}

/** All of them take turns, and the median of each counts. */
async function compare(scratch, backend, workload) {
  const peers = Object.entries(fields[backend])
    .filter(([peer, does]) => does.includes(workload) && (values.peer?.includes(peer) ?? true))
    .map(([peer]) => peer);
  const n = Math.ceil(workloads[workload] * Number(values.share));
  const rates = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const peer of peers)
      rates.get(peer).push(await turn(peer, backend, workload, n, await scratch.fresh()));
  }
  const ours = median(rates.get(peers[0]));
  for (const [peer, measured] of rates) {
    const rate = median(measured);
    const of = `${Math.round(Math.min(...measured))} to ${Math.round(Math.max(...measured))}`;
    console.log(
      `${backend.padEnd(9)} ${workload.padEnd(7)} ${peer.padEnd(16)} ${String(Math.round(rate)).padStart(7)}/s  (${of}; n ${n}; ${peers[0]} ${(ours / rate).toFixed(2)} ×)`,
    );
  }
}

async function turn(peer, backend, workload, n, address) {
  const args = [join(here, "turn.mjs"), peer, backend, workload, String(n), address];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 300_000,
  });
  const said = await text(child.stdout);
  const rate = Number(/^rate (.*)$/m.exec(said)?.[1]);
  if (!(rate > 0)) throw new Error(`${peer} did not do ${workload} on ${backend}: ${said}`);
  return rate;
}
