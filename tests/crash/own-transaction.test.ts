import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { postgres, sqlite, Stent, type Backend } from "stentjs";
import { freshSchema } from "../support/postgres.ts";
import type { OwnPlace } from "./own-transaction-process.ts";
import { temporaryDirectory } from "./processes.ts";

const script = join(import.meta.dirname, "own-transaction-process.ts");

/** What a process has done when it is killed, and how many of its executions there are then. */
const moments = { "before-commit": 0, "after-commit": 1 } as const;

for (const [moment, left] of Object.entries(moments)) {
  test(`killed ${moment} of a transaction of its own, a process leaves both parts or none on SQLite`, async (t) => {
    const file = join(temporaryDirectory(t), "shop.db");
    await killedAt(moment, { kind: "sqlite", file });
    assert.equal(await countIn(sqlite(file)), left);
  });

  test(`killed ${moment} of a transaction of its own, a process leaves both parts or none on PostgreSQL`, async (t) => {
    const { url, schema } = await freshSchema(t);
    await killedAt(moment, { kind: "postgres", url, schema });
    assert.equal(await countIn(postgres(url, { schema })), left);
  });
}

/** Runs the script until it says that it has come to that moment, and kills it. */
async function killedAt(moment: string, place: OwnPlace): Promise<void> {
  const child = spawn(process.execPath, ["--import", "tsx", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      NODE_TEST_CONTEXT: undefined,
      OWN_PLACE: JSON.stringify(place),
      OWN_MOMENT: moment,
    },
  });
  const exited = once(child, "exit");
  const said = await Promise.race([once(child.stdout, "data"), exited]);
  child.kill("SIGKILL");
  await exited;
  assert.equal(String(said[0]), "there\n");
}

async function countIn(backend: Backend): Promise<number> {
  await using stent = await Stent.open({ backend });
  return (await stent.listExecutions()).items.length;
}
