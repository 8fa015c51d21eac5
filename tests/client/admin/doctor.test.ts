import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { test } from "node:test";
import { remote, signal, Stent, workflow, type Activity, type Clock } from "stentjs";
import { ManualClock } from "../../support/manual-clock.ts";
import { asAdmin, freshDatabase } from "../../support/postgres.ts";
import { databaseFile } from "../../support/serving.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";

const waits = workflow("doctor.waits", function* () {
  yield* signal("go");
});
const far = remote<Activity<[], void>>("doctor.far", { kind: "activity", queue: "far" });

/** What is planted by a statement, and the finding that it makes. `{now}` is the time by the clock of the test. */
const planted: Record<string, readonly [sql: readonly string[], message: RegExp]> = {
  ORPHANED: [
    ["update stent_executions set due_at = null where id = 'one'"],
    /^execution one: unfinished/,
  ],
  HELD_BY_NOBODY: [
    ["update stent_executions set worker = 99, claim = 1 where id = 'one'"],
    /^execution one: held by a worker session that is marked dead/,
  ],
  CLOCK_WENT_BACK: [
    ["update stent_executions set created_at = {now} + 60000 where id = 'two'"],
    /made 60 s from now/,
  ],
  SILENT_WORKER: [
    [
      "insert into stent_workers (id, name, host, pid, process, state, lease, started_at, seen_at, functions) values ('w', 'frozen', 'box', 7, '{}', 'live', 60000, {now}, {now} - 61000, '[]')",
      "update stent_executions set worker = (select max(key) from stent_workers), claim = 1 where id = 'one'",
    ],
    /^worker frozen \(box, process 7\) was last seen 61 s ago, and holds 1 /,
  ],
  FUNCTION_UNSERVED: [
    [
      "insert into stent_workers (id, name, host, pid, process, state, lease, started_at, seen_at, functions) values ('w', 'able', 'box', 7, '{}', 'live', 60000, {now}, {now}, '[]')",
      "update stent_executions set due_at = {now} - 11000",
    ],
    /none of the 1 live workers of queue default has its code/,
  ],
  QUEUE_UNSERVED: [
    ["update stent_executions set due_at = {now} - 11000 where id = 'two'"],
    /^1 of activity doctor\.far wait in queue far, from which no live worker takes/,
  ],
  BLOCKED: [
    [
      `update stent_executions set due_at = null, state = 'running', started_at = 1, blocked = '{"kind":"poison","message":"it kills","since":0}' where id = 'one'`,
    ],
    /^execution one: blocked; the first: it kills/,
  ],
};

for (const [code, [statements, message]] of Object.entries(planted)) {
  test(`doctor finds ${code} (SQLite)`, async (t) => {
    const path = databaseFile(t);
    const clock = new ManualClock();
    await using stent = await twoWaiting(path, clock);
    const database = new Database(path);
    for (const text of statements) database.exec(text.replaceAll("{now}", String(clock.now())));
    database.close();
    await finds(stent, code, message);
  });
  test(`doctor finds ${code} (PostgreSQL)`, async (t) => {
    const url = await freshDatabase(t);
    const clock = new ManualClock();
    await using stent = await twoWaiting(url, clock);
    for (const text of statements) {
      const there = text
        .replaceAll("{now}", String(clock.now()))
        .replaceAll(/\bstent_/g, "stent.stent_");
      await asAdmin(there, url);
    }
    await finds(stent, code, message);
  });
}

test("doctor finds that this machine's clock and the database's are apart", async (t) => {
  const url = await freshDatabase(t);
  await (await Stent.open(url)).close();
  const shifted = `
    const { Stent } = await import("stentjs");
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
    const stent = await Stent.open(process.argv[1]);
    process.stdout.write(JSON.stringify(await stent.admin.doctor()));
    await stent.close();`;
  const { spawnSync } = await import("node:child_process");
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", shifted, url],
    { encoding: "utf8" },
  );
  assert.equal(stderr, "");
  const [found] = JSON.parse(stdout) as { code: string; message: string }[];
  assert.equal(found?.code, "CLOCK_SKEW");
  assert.match(found?.message ?? "", /3600 s apart/);
});

test("doctor finds that the server forgets what it has acknowledged", async (t) => {
  const url = await freshDatabase(t);
  const name = new URL(url).pathname.slice(1);
  await asAdmin(`alter database ${name} set synchronous_commit = off`);
  await using stent = await Stent.open({ backend: url, logger: new MemoryLogger() });
  await finds(stent, "DURABILITY", /synchronous_commit is off/);
});

async function twoWaiting(backend: string, clock: Clock): Promise<Stent> {
  const stent = await Stent.open({ backend, clock, logger: new MemoryLogger() });
  await stent.dispatch(waits, [], { id: "one" });
  await stent.dispatch(far, [], { id: "two" });
  assert.deepEqual(await stent.admin.doctor(), []);
  return stent;
}

async function finds(stent: Stent, code: string, message: RegExp): Promise<void> {
  const findings = await stent.admin.doctor();
  const found = findings.find((finding) => finding.code === code);
  assert.match(found?.message ?? JSON.stringify(findings), message);
  assert.notEqual(found?.hint, "");
}
