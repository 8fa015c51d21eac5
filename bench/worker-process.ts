/** Serves every workload until it is told to end. */
import { withEngine } from "./engine.ts";

await import("./workloads.ts"); // which registers what is to be served
const [address = "", concurrency] = process.argv.slice(2);

await withEngine(address, Number(concurrency), async () => {
  process.send?.("ready");
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("disconnect", resolve);
  });
});
process.exit();
