import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { platform } from "node:os";
import { test } from "node:test";
import Database from "better-sqlite3";
import { activity } from "stentjs";
import { thisProcess } from "../../src/runtime/process-identity.ts";
import { databaseFile, sqliteOnly, stentOn, until } from "../support/serving.ts";

const starts: number[] = [];
const hangs = activity("neighbours.hangs", async () => {
  starts.push(starts.length);
  if (starts.length === 1) await new Promise(() => undefined);
  return starts.length;
});

const skip = platform() === "linux" ? sqliteOnly.skip : "only Linux tells which process is which";

test(
  "what a killed process of this machine held goes on long before its lease is over",
  { skip },
  async (t) => {
    const path = databaseFile(t);
    const neighbour = spawn("sleep", ["60"]);
    await once(neighbour, "spawn");
    t.after(() => neighbour.kill("SIGKILL"));
    const held = await stentOn(t, path, { serve: { leaseDuration: "1h" } });
    const job = await held.dispatch(hangs, []);
    await until("it runs", () => starts.length === 1);
    const database = new Database(path);
    const { pid } = neighbour;
    const identity = JSON.stringify({ ...thisProcess(), pid, startedAt: undefined });
    database.prepare("update stent_workers set process = ?").run(identity);
    database.close();
    const other = await stentOn(t, path, { serve: { leaseDuration: "1h" } });
    await other.run(
      activity("neighbours.quick", async () => 1),
      [],
    );
    assert.equal(starts.length, 1, "its neighbour lives");
    neighbour.kill("SIGKILL");
    assert.equal(await other.execution<number>(job.id).result({ timeout: "10s" }), 2);
  },
);
