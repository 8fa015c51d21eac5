/**
 * Versioning: new code for workflows that are under way. Release 1 starts two executions and leaves them waiting; release 2 goes on with
 * them and starts two of its own. A small change asks `patched` where old and new part; a big one is a new `version`.
 *
 *   npx tsx examples/10-versioning/main.ts
 *
 * Delete versioning.db to begin anew.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Stent, type ExecutionHandle } from "stentjs";

const [, program = "", release] = process.argv;
if (release === "1") await first();
else if (release === "2") await second();
else for (const each of ["1", "2"]) await deploy(each);

/** A deployment: another process, with other code, on the same database. */
async function deploy(release: string): Promise<void> {
  console.log(`release ${release}`);
  const options = [...process.execArgv, program, release];
  const deployed = spawn(process.execPath, options, { stdio: "inherit" });
  const [exitCode] = (await once(deployed, "exit")) as [number | null];
  if (exitCode !== 0) throw new Error(`release ${release} ended with ${exitCode}`);
}

async function first(): Promise<void> {
  const { order, invoice } = await import("./release-1.ts");
  await using stent = await Stent.bootstrap("sqlite:versioning.db", { serve: true });
  const begun = [
    await stent.dispatch(order, ["A"], { id: "order-A", ifExists: "join" }),
    await stent.dispatch(invoice, ["A"], { id: "invoice-A", ifExists: "join" }),
  ];
  await Promise.all(begun.map(untilItWaits));
  console.log("  order-A and invoice-A wait for their customer");
}

async function second(): Promise<void> {
  const { order, invoice } = await import("./release-2.ts");
  await using stent = await Stent.bootstrap("sqlite:versioning.db", { serve: true });
  await stent.dispatch(order, ["B"], { id: "order-B", ifExists: "join" });
  await stent.dispatch(invoice, ["B"], { id: "invoice-B", ifExists: "join" });
  for (const id of ["order-A", "order-B", "invoice-A", "invoice-B"]) {
    const handle = stent.execution<string[]>(id);
    const { result, version } = await handle.state();
    // Ended before this program was killed, or started once more: then it takes no messages.
    if (result === undefined)
      await stent.sendSignal(id, "confirmed", undefined, { dedupeKey: "confirmed" });
    const done = await handle.result();
    console.log(`  ${id} (version ${version ?? "none"}): ${done.join(", ")}`);
  }
}

async function untilItWaits(handle: ExecutionHandle<unknown>): Promise<void> {
  for (;;) {
    const { result, waitingFor } = await handle.state();
    if (result !== undefined || waitingFor.some(({ kind }) => kind === "signal")) return;
    await pause(20);
  }
}
