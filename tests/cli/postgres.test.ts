import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { remote, Stent, type Activity } from "stentjs";
import { CommandLine, environment } from "../support/command-line.ts";
import { freshDatabase } from "../support/postgres.ts";

const doubled = remote<Activity<[number], number>>("cli.doubled", { kind: "activity" });

test("the command line makes, looks at and serves a PostgreSQL database", async (t) => {
  await using line = new CommandLine();
  const { folder, program } = line;
  const url = await freshDatabase(t);
  const stent = (...parameters: readonly string[]) => line.alone([...parameters, "-d", url]);

  const early = await stent("list");
  assert.equal(early.status, 3);
  assert.match(early.stderr, /stent migrate/);
  assert.doesNotMatch(early.stderr, /secret/);
  assert.deepEqual(await stent("migrate"), {
    status: 0,
    stdout: "",
    stderr: "the tables are those of this version\n",
  });

  await using engine = await Stent.open({ backend: url, pollMinInterval: "1h" });
  const handle = await engine.dispatch(doubled, [21], { id: "twice" });
  assert.equal((await stent("list", "-o", "ids")).stdout, "twice\n");
  assert.match((await stent("why", "twice")).stdout, /cli\.doubled/);

  const module = join(folder, "functions.ts");
  writeFileSync(module, functions);
  const worker = spawn(process.execPath, [program, "worker", module, "-d", url], {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const gone = once(worker, "exit");
  try {
    // Told by the worker's process: this one does not poll.
    assert.equal(await handle.result({ timeout: "20s" }), 42);
    const lines = createInterface(worker.stderr)[Symbol.asyncIterator]();
    for (let line = await lines.next(); line.value !== serving; line = await lines.next()) {
      assert.ok(line.done !== true, "the worker has ended");
    }
    assert.equal(await engine.run(doubled, [4]), 8);
    worker.kill("SIGTERM");
    assert.deepEqual(await gone, [0, null]);
  } finally {
    worker.kill("SIGKILL");
  }
  assert.match((await stent("show", "twice")).stdout, /state +completed\n[^]*42\n$/);
});

const serving = "serving cli.doubled";
const functions = `
  import { activity } from "stentjs";
  activity("cli.doubled", async (n: number) => 2 * n);
`;
