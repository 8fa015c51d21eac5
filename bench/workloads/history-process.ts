/** A worker process that takes up one execution, whose message has come, and tells how long it took to its end. */
import { FunctionRegistry, Stent } from "../../src/index.ts";
import { longHistory } from "./long-history.ts";

const [address = "", id = ""] = process.argv.slice(2);

const registry = new FunctionRegistry();
registry.register(longHistory);
await using stent = await Stent.open({ backend: address, registry });
await stent.sendSignal(id, "go", null);
const startedAt = performance.now();
void stent.serve();
await stent.waitFor(id);
process.send?.(performance.now() - startedAt);
