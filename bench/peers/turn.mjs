/** One turn: begins, does a tenth of the work that does not count, then the work, and says how much of it was done in a second. */
import { performance } from "node:perf_hooks";

const [peer, backend, workload, count, address] = process.argv.slice(2);
const n = Number(count);
const { open } = await import(`./peers/${peer}.mjs`);
const { does, close } = await open({ backend, address, workload });
await does[workload](Math.ceil(n / 10));
const begunAt = performance.now();
await does[workload](n);
process.stdout.write(`\nrate ${(n * 1_000) / (performance.now() - begunAt)}\n`);
await close();
process.exit(0);
