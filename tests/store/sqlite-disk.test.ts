import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { describe, test } from "node:test";
import Driver, { type Database } from "better-sqlite3";
import { ClosedError, DatabaseError, SchemaMismatchError } from "../../src/core/errors.ts";
import { sqlite } from "../../src/store/sqlite.ts";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import type { ClaimAnswer, Settled, Transition } from "../../src/store/store.ts";
import { dispatchOf, failures, newExecution } from "../conformance/scene.ts";
import { assertPart } from "../support/assert-part.ts";
import { sqliteViolations } from "../support/sqlite-query.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { databaseFile } from "../support/serving.ts";

type Ending = Parameters<typeof databaseFile>[0];

describe("a disk that is full", () => {
  test("refuses the commit as a whole; what was stored stays, and work goes on once there is room", async (t) => {
    const { store, database } = await opened(t);
    await store.commit([dispatch("first")]);
    limitPages(database, 2);
    await assert.rejects(
      store.commit(
        Array.from({ length: 200 }, (_, index) =>
          dispatch(`n-${index}`, { input: "x".repeat(5_000) }),
        ),
      ),
      databaseError("DATABASE_FULL"),
    );
    assert.equal(database.inTransaction, false);
    assert.deepEqual(
      (await store.executions({ limit: 9 })).map((row) => row.id),
      ["first"],
    );
    limitPages(database, 10_000);
    await store.commit([dispatch("second")]);
    assert.deepEqual(await sqliteViolations(database, clock.now()), []);
  });

  test("leaves no lane behind that its commit had made: its key may be another's", async (t) => {
    const { store, database, path } = await opened(t);
    const other = await opened(t, path);
    const [registered] = (await store.commit([register])).settled;
    const session = Number(answerOf(registered));
    const claim = (accepted: string): Transition => ({
      kind: "claim",
      request: {
        session,
        limit: 9,
        turns: 9,
        accepts: (lane) => lane.name === accepted,
        suspects: true,
      },
    });
    limitPages(database, 2);
    const tooMuch = [
      dispatch("a", { name: "mine" }),
      claim("nothing"),
      dispatch("b", { input: "x".repeat(100_000) }),
    ];
    await assert.rejects(store.commit(tooMuch), databaseError("DATABASE_FULL"));
    limitPages(database, 10_000);
    await other.store.commit([dispatch("a", { name: "foreign" }), dispatch("b", { name: "mine" })]);
    const [claimed] = (await store.commit([claim("mine")])).settled;
    assert.deepEqual(
      (answerOf(claimed) as ClaimAnswer).executions.map((row) => row.name),
      ["mine"],
    );
  });
});

describe("a database that may not be written", () => {
  test("says so, and can be read", async (t) => {
    const { store, path } = await opened(t);
    await store.commit([dispatch("a")]);
    const readOnly = new SqliteStore(new Driver(path, { readonly: true }), path, {
      clock,
      failures,
    });
    t.after(() => readOnly.close());
    await assert.rejects(readOnly.commit([dispatch("b")]), databaseError("DATABASE_READ_ONLY"));
    assert.equal((await readOnly.execution("a"))?.state, "pending");
  });
});

describe("a file that is no database of ours", () => {
  test("that holds text is refused, and left as it is", async (t) => {
    const path = databaseFile(t);
    writeFileSync(path, "this is a letter to my grandmother, and no database\n".repeat(100));
    const before = readFileSync(path);
    await assert.rejects(
      openConnection(path, { migrate: true }),
      databaseError("DATABASE_CORRUPT"),
    );
    assert.deepEqual(readFileSync(path), before);
  });

  test("that is damaged says so when it is met, and commits nothing", async (t) => {
    const { store, database, path } = await opened(t);
    await store.commit(
      Array.from({ length: 500 }, (_, index) => dispatch(`n-${index}`, { input: "x".repeat(500) })),
    );
    database.pragma("wal_checkpoint(TRUNCATE)");
    const pages = Number(database.pragma("page_count", { simple: true }));
    await store.close();
    const file = openSync(path, "r+");
    for (let page = pages - 60; page < pages; page += 1)
      writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, page * 4_096);
    closeSync(file);
    const again = await opened(t, path);
    await assert.rejects(
      again.store.executions({ limit: 1_000 }),
      databaseError("DATABASE_CORRUPT"),
    );
    const all = Array.from({ length: 500 }, (_, index): Transition => ({
      kind: "cancel",
      request: { executionId: `n-${index}`, reason: undefined, force: false },
    }));
    await assert.rejects(again.store.commit(all), databaseError("DATABASE_CORRUPT"));
    assert.equal(again.database.inTransaction, false);
  });

  test("that cannot be, since its folder is missing or it is a folder, says what to do", async (t) => {
    const path = databaseFile(t);
    await assert.rejects(
      openConnection(`${path}/no/stent.db`, { migrate: true }),
      databaseError("DATABASE_MISSING"),
    );
    mkdirSync(path);
    await assert.rejects(
      openConnection(path, { migrate: true }),
      databaseError("DATABASE_UNREACHABLE"),
    );
    for (const wrong of ["", " a.db", "a.db\n", "a\0b"])
      assert.throws(() => sqlite(wrong), TypeError);
  });
});

describe("a database that another process writes", () => {
  test("is waited for without blocking the event loop", async (t) => {
    const { store, path } = await opened(t);
    const other = new Driver(path);
    t.after(() => other.close());
    other.exec("begin immediate");
    let stored = false;
    const commit = store.commit([dispatch("a")]).then(() => (stored = true));
    const since = performance.now();
    while (performance.now() - since < 300) await new Promise((done) => setImmediate(done));
    assert.equal(stored, false);
    assert.deepEqual(await store.executions({ limit: 9 }), []);
    other.exec("rollback");
    await commit;
    assert.equal((await store.executions({ limit: 9 })).length, 1);
  });

  test("shows that by a number that changes with foreign commits, and not with our own", async (t) => {
    const { store, path } = await opened(t);
    const other = await opened(t, path);
    const before = await store.foreignChange();
    await store.commit([dispatch("a")]);
    assert.equal(await store.foreignChange(), before);
    await other.store.commit([dispatch("b")]);
    assert.notEqual(await store.foreignChange(), before);
  });

  test("has lanes that this one has not met, also between its own", async (t) => {
    const { store, path } = await opened(t);
    const other = await opened(t, path);
    const [registered] = (await store.commit([register])).settled;
    await store.commit([dispatch("a", { name: "one" })]);
    await other.store.commit([dispatch("b", { name: "two" })]);
    await store.commit([dispatch("c", { name: "three" })]);
    await other.store.commit([dispatch("d", { name: "one" }), dispatch("e", { name: "three" })]);
    const request = {
      session: Number(answerOf(registered)),
      limit: 9,
      turns: 9,
      accepts: () => true,
      suspects: true,
    };
    const { executions } = answerOf(
      (await store.commit([{ kind: "claim", request }])).settled[0],
    ) as ClaimAnswer;
    assert.deepEqual(executions.map((row) => row.id).toSorted(), ["a", "b", "c", "d", "e"]);
    assert.equal((await store.lanes()).length, 3);
  });
});

describe("the tables", () => {
  test("are made once, however many open the file at the same time", async (t) => {
    const path = databaseFile(t);
    const all = await Promise.all(
      Array.from({ length: 5 }, () => openConnection(path, { migrate: true })),
    );
    for (const database of all) database.close();
    const { store } = await opened(t, path);
    await store.commit([dispatch("a")]);
  });

  test("are made once by two processes", async (t) => {
    const path = databaseFile(t);
    const code = `import { openConnection } from "${new URL("../../src/store/sqlite/connection.ts", import.meta.url).href}";
      (await openConnection(${JSON.stringify(path)}, { migrate: true })).close();`;
    const children = [1, 2].map(() =>
      spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
        stdio: ["ignore", "ignore", "inherit"],
      }),
    );
    const codes = await Promise.all(
      children.map(async (child) => ((await once(child, "exit")) as number[])[0]),
    );
    assert.deepEqual(codes, [0, 0]);
    const { database } = await opened(t, path);
    assertPart(database.prepare("select count(*) as count from stent_migrations").get(), {
      count: 1,
    });
  });

  test("are not made where they are only to be checked", async (t) => {
    const path = databaseFile(t);
    await assert.rejects(
      openConnection(path, { migrate: false }),
      databaseError("DATABASE_MISSING"),
    );
    assert.equal(existsSync(path), false);
    new Driver(path).close();
    await assert.rejects(openConnection(path, { migrate: false }), SchemaMismatchError);
    (await openConnection(path, { migrate: true })).close();
    (await openConnection(path, { migrate: false })).close();
  });

  test("of a newer version are refused, and left as they are", async (t) => {
    const { database, path } = await opened(t);
    database.exec("insert into stent_migrations (name, timestamp) values ('9999-future', '')");
    for (const migrate of [true, false]) {
      await assert.rejects(
        openConnection(path, { migrate }),
        (error) =>
          error instanceof SchemaMismatchError &&
          /9999-future.*upgrade stentjs/.test(error.message),
      );
    }
  });

  test("that were half made are not there at all: making them is one transaction", async (t) => {
    const path = databaseFile(t);
    const other = new Driver(path);
    other.exec("create table stent_tasks (key integer)");
    await assert.rejects(openConnection(path, { migrate: true }), /stent_tasks/);
    assert.deepEqual(
      other
        .prepare("select name from sqlite_master where type = 'table' and name like 'stent_%'")
        .pluck()
        .all(),
      ["stent_tasks"],
    );
    other.close();
    rmSync(path);
    (await openConnection(path, { migrate: true })).close();
  });

  test("give out keys that are never used twice", async (t) => {
    const { database } = await opened(t);
    const tables = database
      .prepare<[], { name: string; sql: string }>(
        "select name, sql from sqlite_master where type = 'table' and name like 'stent_%'",
      )
      .all();
    const keyed = tables.filter(({ sql }) => /"key" integer/.test(sql));
    assert.ok(keyed.length >= 7);
    for (const { name, sql } of keyed)
      assert.match(sql, /"key" integer primary key autoincrement/, name);
  });
});

describe("a commit", () => {
  test("is on disk when it is answered: the file is written with WAL and full sync", async (t) => {
    const { store, database, path } = await opened(t);
    await store.commit([dispatch("a")]);
    assert.deepEqual(
      [
        database.pragma("synchronous", { simple: true }),
        database.pragma("journal_mode", { simple: true }),
      ],
      [2, "wal"],
    );
    const again = await opened(t, path);
    await again.store.commit([dispatch("b")]);
    assert.equal(again.database.pragma("synchronous", { simple: true }), 2);
  });

  test("after the store was closed is refused, as is reading", async (t) => {
    const { store } = await opened(t);
    await store.close();
    await store.close();
    await assert.rejects(store.commit([dispatch("a")]), ClosedError);
    await assert.rejects(store.execution("a"), ClosedError);
    await assert.rejects(
      store.peek(() => true),
      ClosedError,
    );
    await assert.rejects(store.foreignChange(), ClosedError);
  });
});

const clock = new ManualClock();
const register: Transition = {
  kind: "register",
  request: {
    id: "s",
    name: "w",
    host: "h",
    pid: 1,
    process: "{}",
    leaseMs: 1,
    queues: undefined,
    tags: undefined,
    functions: [],
    former: undefined,
  },
};

async function opened(
  t: Ending,
  path = databaseFile(t),
): Promise<{ readonly store: SqliteStore; readonly database: Database; readonly path: string }> {
  const database = await openConnection(path, { migrate: true });
  const store = new SqliteStore(database, path, { clock, failures });
  t.after(() => store.close());
  return { store, database, path };
}

function dispatch(id: string, parts: Parameters<typeof newExecution>[0] = {}): Transition {
  return { kind: "dispatch", request: dispatchOf([newExecution({ id, ...parts })]) };
}

/** So many more pages than there are. */
function limitPages(database: Database, more: number): void {
  const pages = Number(database.pragma("page_count", { simple: true }));
  database.pragma(`max_page_count = ${pages + more}`);
}

function answerOf(settled: Settled | undefined): unknown {
  assert.ok(settled !== undefined && "answer" in settled);
  return settled.answer;
}

function databaseError(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DatabaseError, String(error));
    assert.equal(error.code, code);
    return true;
  };
}
