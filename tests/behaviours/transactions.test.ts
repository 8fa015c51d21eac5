import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import Driver, { type Database } from "better-sqlite3";
import { sql, type Transaction } from "kysely";
import {
  activity,
  all,
  call,
  race,
  run,
  shield,
  sleep,
  SerializationError,
  signal,
  transaction,
  workflow,
  type Flow,
  type HistoryEntry,
  type ServeOptions,
  type Stent,
} from "stentjs";
import { databaseFile, Gate, rejection, stentOn, until, sqliteOnly } from "../support/serving.ts";

const limit = { timeout: "10s" };

interface Tables {
  ledger: { who: string; step: number };
}
type Tx = Transaction<Tables>;
type Closure = (tx: Tx) => unknown;

/** A Stent whose database has a table of the user's, and that table. */
async function withLedger(
  t: Parameters<typeof databaseFile>[0],
  serve: boolean | ServeOptions = true,
): Promise<{ stent: Stent; file: string; database: Database; rows: () => string[] }> {
  const file = databaseFile(t);
  const stent = await stentOn(t, file, { serve });
  const database = new Driver(file, { timeout: 5_000 });
  t.after(() => database.close());
  database.exec("create table ledger (who text not null, step integer not null)");
  const all = database.prepare<[], string>("select who || ' ' || step from ledger order by 1");
  return { stent, file, database, rows: () => all.pluck().all() };
}

const post = (who: string, step: number) => (tx: Tx) =>
  tx.insertInto("ledger").values({ who, step }).execute();

/** What a workflow comes to that makes this one transaction, and catches nothing. */
let given: Closure = () => undefined;
const giving = workflow("transactions.giving", function* (): Flow<unknown> {
  return yield* transaction("given", (tx: Tx) => given(tx));
});
async function outcomeOf(stent: Stent, closure: Closure): Promise<unknown> {
  given = closure;
  return stent.run(giving, []);
}

const counting = workflow("transactions.counting", function* (who: string): Flow<number> {
  let last = 0;
  for (let step = 0; step < 4; step += 1) {
    last = yield* transaction("count", async (tx: Tx) => {
      await post(who, step)(tx);
      const { n } = await tx
        .selectFrom("ledger")
        .where("who", "=", who)
        .select((eb) => eb.fn.countAll<number>().as("n"))
        .executeTakeFirstOrThrow();
      return n;
    });
    if (step === 1) yield* sleep(5);
  }
  return last;
});

test(
  "a transaction writes to tables of one's own, exactly once, and gives the closure's value",
  sqliteOnly,
  async (t) => {
    const { stent, file, rows } = await withLedger(t);
    await stentOn(t, file, { serve: { maxCachedWorkflows: 0 } });
    const ids = Array.from({ length: 30 }, (_, n) => `w${n}`);
    const results = await Promise.all(ids.map((id) => stent.run(counting, [id])));
    assert.deepEqual(new Set(results), new Set([4]));
    assert.deepEqual(rows(), ids.flatMap((id) => [0, 1, 2, 3].map((n) => `${id} ${n}`)).toSorted());
  },
);

test("it stands in the history, in progress and in the state like a run", sqliteOnly, async (t) => {
  const { stent } = await withLedger(t);
  given = post("a", 1);
  const handle = await stent.dispatch(giving, []);
  await handle.result(limit);
  const history: HistoryEntry[] = [];
  for await (const entry of stent.history(handle.id)) history.push(entry);
  assert.deepEqual(
    history.map(({ effect, outcome }) => [effect, outcome?.ok]),
    [[{ kind: "transaction", name: "given" }, true]],
  );
  const { progress } = await stent.stateOf(handle.id);
  assert.deepEqual(
    progress.map(({ step, status }) => [step, status]),
    [["given", "completed"]],
  );
});

test(
  "what the closure throws rolls back, is given to the workflow, and is not retried",
  sqliteOnly,
  async (t) => {
    const { stent, rows, database } = await withLedger(t);
    let calls = 0;
    const error = await rejection(
      outcomeOf(stent, async (tx) => {
        calls += 1;
        await post("a", 1)(tx);
        throw new RangeError("not enough");
      }),
    );
    assert.ok(error instanceof RangeError);
    assert.deepEqual([error.message, calls, rows()], ["not enough", 1, []]);
    database.exec("create unique index once on ledger (who)");
    const written = [{ insertId: 1n, numInsertedOrUpdatedRows: 1n }];
    assert.deepEqual(await outcomeOf(stent, post("a", 1)), written, "plain data");
    const refused = await rejection(outcomeOf(stent, post("a", 2)));
    assert.equal(refused.message, "UNIQUE constraint failed: ledger.who");
    assert.equal(refused["code"], "SQLITE_CONSTRAINT_UNIQUE");
    assert.deepEqual(rows(), ["a 1"]);
  },
);

test(
  "a statement that failed may be caught within: the rest is committed",
  sqliteOnly,
  async (t) => {
    const { stent, rows, database } = await withLedger(t);
    database.exec("create unique index once on ledger (who)");
    const value = await outcomeOf(stent, async (tx) => {
      await post("a", 1)(tx);
      await post("a", 2)(tx).catch(() => undefined);
      await post("b", 3)(tx);
      return new Date(5);
    });
    assert.deepEqual(value, new Date(5));
    assert.deepEqual(rows(), ["a 1", "b 3"]);
  },
);

test("a value that cannot be stored rolls back, and the error names it", sqliteOnly, async (t) => {
  const { stent, rows } = await withLedger(t);
  const error = await rejection(
    outcomeOf(stent, async (tx) => {
      await post("a", 1)(tx);
      return { inside: { fn: () => 1 } };
    }),
  );
  assert.ok(error instanceof SerializationError);
  assert.match(error.message, /result\.inside\.fn/);
  assert.deepEqual(rows(), []);
});

const elsewhere = activity("transactions.elsewhere", async () => 1);
const waits: Record<string, (stent: Stent) => Closure> = {
  "a timer": () => async (tx) => {
    await post("a", 1)(tx);
    await new Promise((resolve) => {
      setTimeout(resolve, 0);
    });
    await post("a", 2)(tx);
  },
  "I/O": () => async (tx) => {
    await post("a", 1)(tx);
    await readFile(import.meta.filename);
  },
  "what never comes": () => async (tx) => {
    await post("a", 1)(tx);
    await new Promise(() => undefined);
  },
  "a dispatch": (stent) => async (tx) => {
    await post("a", 1)(tx);
    await stent.dispatch(elsewhere, []);
  },
  "a look at an execution": (stent) => async (tx) => {
    await post("a", 1)(tx);
    await stent.listExecutions();
  },
};
for (const [what, closure] of Object.entries(waits)) {
  test(
    `a closure that waits for ${what} is rolled back, with an error that says what to do`,
    sqliteOnly,
    async (t) => {
      const { stent, rows } = await withLedger(t);
      const error = await rejection(outcomeOf(stent, closure(stent)));
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /^transaction "given" waited for something other than its tx/);
      assert.deepEqual(rows(), []);
      assert.equal(await outcomeOf(stent, () => "next"), "next");
    },
  );
}

test(
  "what goes on after its end can do nothing any more, and hurts nobody",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    const told = new Gate<unknown>();
    await rejection(
      outcomeOf(stent, async (tx) => {
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
        await post("a", 1)(tx).catch(told.open);
        throw new Error("nobody hears this");
      }),
    );
    assert.match(String(await told.passed), /transaction "given" is over/);
    assert.equal(await outcomeOf(stent, () => "next"), "next");
    assert.deepEqual(rows(), []);
  },
);

test("statements that nobody awaits roll it back", sqliteOnly, async (t) => {
  const { stent, rows } = await withLedger(t);
  const three = async (tx: Tx): Promise<void> => {
    for (const step of [1, 2, 3]) await post("a", step)(tx);
  };
  const error = await rejection(
    outcomeOf(stent, (tx) => {
      three(tx).catch(() => undefined);
    }),
  );
  assert.match(error.message, /await every one of them: insert into "ledger"/);
  assert.deepEqual(rows(), []);
});

const forbidden: Record<string, readonly [closure: Closure, message: RegExp]> = {
  commit: [(tx) => sql`commit`.execute(tx), /no COMMIT of its own/],
  rollback: [(tx) => sql`/* so */ ROLLBACK`.execute(tx), /no ROLLBACK of its own/],
  begin: [(tx) => sql`begin`.execute(tx), /no BEGIN of its own/],
  "tx.transaction()": [
    (tx) => tx.transaction().execute(async () => 1),
    /transaction.*not supported/,
  ],
  "tx.startTransaction()": [
    (tx) => tx.startTransaction().execute(),
    /no BEGIN of its own|not supported/,
  ],
  "a pragma": [(tx) => sql`pragma synchronous = off`.execute(tx), /cannot run PRAGMA/],
  "Stent's own tables": [
    (tx) => sql`delete from "stent_executions"`.execute(tx),
    /tables? whose name begins with stent_/,
  ],
  "a conflict that rolls back": [
    async (tx) => {
      await sql`create table t (x unique)`.execute(tx);
      await sql`insert into t values (1)`.execute(tx);
      await sql`insert or rollback into t values (1)`.execute(tx).catch(() => undefined);
    },
    /rolled back by one of its own statements/,
  ],
};
for (const [what, [closure, message]] of Object.entries(forbidden)) {
  test(`within a transaction there is no ${what}`, sqliteOnly, async (t) => {
    const { stent, rows } = await withLedger(t);
    const error = await rejection(
      outcomeOf(stent, async (tx) => {
        await post("a", 1)(tx);
        await closure(tx);
      }),
    );
    assert.match(error.message, message);
    assert.deepEqual(rows(), []);
  });
}

test(
  "reading Stent's tables, savepoints, streams and a look at the schema are allowed",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    const value = await outcomeOf(stent, async (tx) => {
      await post("a", 1)(tx);
      await sql`savepoint here`.execute(tx);
      await post("a", 2)(tx);
      await sql`rollback to here`.execute(tx);
      await sql`release here`.execute(tx);
      let seen = 0;
      for await (const row of tx.selectFrom("ledger").selectAll().stream()) seen += row.step;
      const { rows: own } = await sql<{
        n: number;
      }>`select count(*) as n from stent_executions`.execute(tx);
      const tables = await tx.introspection.getTables();
      return [seen, own[0]?.n, tables.some(({ name }) => name === "ledger")];
    });
    assert.deepEqual(value, [1, 1, true]);
    assert.deepEqual(rows(), ["a 1"]);
  },
);

test("nobody else sees what is not committed", sqliteOnly, async (t) => {
  const { stent } = await withLedger(t);
  const seen: unknown[] = [];
  const looked = new Gate();
  await outcomeOf(stent, async (tx) => {
    void stent.listExecutions({ limit: 100 }).then(({ items }) => {
      seen.push(items.length, "after");
      looked.open();
    });
    for (let n = 0; n < 200; n += 1) await post("a", n)(tx);
    seen.push("within");
  });
  await looked.passed;
  assert.deepEqual(seen, ["within", 1, "after"]);
});

const losing = workflow("transactions.losing", function* (): Flow<unknown> {
  const { winner } = yield* race({
    first: run("first", () => 1),
    second: transaction("second", post("a", 1)),
  });
  yield* signal("go");
  throw new Error(`after ${winner}`);
});

test(
  "what was written by one that lost its race is not written again by a retry",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    const handle = await stent.dispatch(losing, []);
    await until("it is written", () => rows().length === 1);
    await handle.signal("go", 1);
    assert.equal((await rejection(handle.result(limit))).message, "after first");
    await stent.retry(handle.id);
    await rejection(handle.result(limit));
    assert.deepEqual(rows(), ["a 1"]);
  },
);

let mended = false;
const failing = workflow("transactions.failing", function* (): Flow<unknown> {
  const [, n] = yield* all([
    transaction("one", post("a", 1)),
    run("two", () => {
      if (!mended) throw new Error("not yet");
      return 2;
    }),
  ]);
  return n;
});

test(
  "a sibling of a branch that failed is not written again by a retry either",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    mended = false;
    const handle = await stent.dispatch(failing, []);
    await rejection(handle.result(limit));
    mended = true;
    await stent.retry(handle.id);
    assert.equal(await handle.result(limit), 2);
    assert.deepEqual(rows(), ["a 1"]);
  },
);

const repenting = workflow("transactions.repenting", function* (): Flow<unknown> {
  try {
    return yield* run("fails", () => {
      throw new Error("no");
    });
  } catch (error) {
    yield* transaction("book the failure", post("a", 1));
    throw error;
  }
});

test(
  "retry refuses to go on over one that was done after the failure, and names it",
  sqliteOnly,
  async (t) => {
    const { stent } = await withLedger(t);
    const handle = await stent.dispatch(repenting, []);
    await rejection(handle.result(limit));
    const error = await rejection(stent.retry(handle.id));
    assert.deepEqual(error["steps"], ["transaction(book the failure)"]);
  },
);

const cancelling = workflow("transactions.cancelling", function* (): Flow<void> {
  try {
    yield* signal("never");
  } finally {
    yield* shield(transaction("clean", post("a", 1)));
  }
});

test("it runs in the clean-up of a cancelled execution", sqliteOnly, async (t) => {
  const { stent, rows } = await withLedger(t);
  const handle = await stent.dispatch(cancelling, []);
  await until("it waits", async () => (await handle.state()).waitingFor.length === 1);
  await handle.cancel();
  await rejection(handle.result(limit));
  assert.deepEqual(rows(), ["a 1"]);
});

const cut = workflow("transactions.cut", function* (who: string, shielded: boolean): Flow<void> {
  yield* sleep(0);
  const booking = transaction("book", post(who, 1));
  yield* shielded ? shield(booking) : booking;
  yield* signal("never");
});

test(
  "cancelled at any moment, what is written is what the journal says, and under a shield it is written",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    const handles = await Promise.all(
      Array.from({ length: 120 }, async (_, n) => {
        const handle = await stent.dispatch(cut, [`c${n}`, n % 2 === 0], { id: `c${n}` });
        for (let turn = 0; turn < n % 15; turn += 1) {
          await new Promise((resolve) => {
            setImmediate(resolve);
          });
        }
        await handle.cancel();
        return handle;
      }),
    );
    const booked: string[] = [];
    for (const [n, handle] of handles.entries()) {
      assert.equal((await rejection(handle.result(limit))).name, "CancelledError");
      for await (const { effect } of stent.history(handle.id)) {
        if (effect.kind === "transaction" && n % 2 === 0) booked.push(`c${n} 1`);
      }
    }
    const written = rows();
    assert.equal(new Set(written).size, written.length);
    const shielded = written.filter((row) => Number(/\d+/.exec(row)?.[0]) % 2 === 0);
    assert.deepEqual(shielded, booked.toSorted());
    t.diagnostic(
      `${shielded.length} of 60 shielded and ${written.length - shielded.length} of 60 others were written`,
    );
  },
);

let cancelNow = (): void => undefined;
const overtaken = workflow("transactions.overtaken", function* (shielded: boolean): Flow<void> {
  const both = all([
    transaction("first", async (tx: Tx) => {
      await post("a", 1)(tx);
      cancelNow();
    }),
    transaction("second", post("b", 2)),
  ]);
  yield* shielded ? shield(both) : both;
  yield* signal("never");
});

for (const [title, shielded, left] of [
  ["one that has not begun is not run behind a cancel from elsewhere", false, ["a 1"]],
  ["but under a shield it is", true, ["a 1", "b 2"]],
] as const) {
  test(title, sqliteOnly, async (t) => {
    const { stent, file, rows } = await withLedger(t);
    const other = await stentOn(t, file, { serve: false });
    // Handed in by another client while the first runs: stored before the second begins.
    cancelNow = () => void other.cancel("overtaken", { reason: "too late" });
    const handle = await stent.dispatch(overtaken, [shielded], { id: "overtaken" });
    assert.equal((await rejection(handle.result(limit))).message, "too late");
    assert.deepEqual(rows(), left);
  });
}

const many = workflow("transactions.many", function* (): Flow<number> {
  const done = yield* all(Array.from({ length: 50 }, (_, n) => transaction("post", post("m", n))));
  return done.length;
});

test("branches may each make their own, and calls go on beside them", sqliteOnly, async (t) => {
  const { stent, rows } = await withLedger(t);
  const results = await Promise.all([stent.run(many, []), stent.run(elsewhere, [])]);
  assert.deepEqual(results, [50, 1]);
  assert.equal(rows().length, 50);
});

let betweenThem = (): void => undefined;
const inTurn = workflow("transactions.inTurn", function* (): Flow<void> {
  yield* all([
    transaction("first", async (tx: Tx) => {
      await post("a", 1)(tx);
      setImmediate(betweenThem);
    }),
    transaction("second", post("b", 2)),
  ]);
});

test(
  "another process that writes is waited for, and why says what stands",
  sqliteOnly,
  async (t) => {
    const { stent, database, rows } = await withLedger(t);
    const locked = new Gate();
    betweenThem = () => {
      database.exec("begin immediate");
      locked.open();
    };
    const handle = await stent.dispatch(inTurn, []);
    await locked.passed;
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
    assert.deepEqual(
      (await handle.state()).waitingFor.map(({ kind, name, detail }) => [kind, name, detail]),
      [["activity", "second", "a transaction in the worker that holds it"]],
    );
    assert.deepEqual(rows(), ["a 1"]);
    database.exec("commit");
    await handle.result(limit);
    assert.deepEqual(rows(), ["a 1", "b 2"]);
  },
);

const careless = workflow("transactions.careless", function* (): Flow<unknown> {
  try {
    yield* transaction("named", undefined as never);
  } catch (error) {
    return (error as Error).message;
  }
  return yield* call(elsewhere);
});

test("without a closure it is refused where it is written", sqliteOnly, async (t) => {
  const { stent } = await withLedger(t);
  assert.match(String(await stent.run(careless, [])), /^transaction takes a name and a closure/);
});

const quick = workflow("transactions.quick", function* (who: string): Flow<string> {
  return yield* transaction("quick", async (tx: Tx) => {
    await post(who, 1)(tx);
    return who;
  });
});

test(
  "a cancel is met whenever it comes, also between the commit of a transaction and its delivery",
  sqliteOnly,
  async (t) => {
    const { stent, rows } = await withLedger(t);
    const written: string[] = [];
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const who = `after ${String(ticks).padStart(2, "0")}`;
      const handle = await stent.dispatch(quick, [who]);
      for (let tick = 0; tick < ticks; tick += 1)
        await new Promise((resume) => setImmediate(resume));
      await handle.cancel();
      await handle.wait(limit);
      for await (const { outcome } of stent.history(handle.id))
        if (outcome?.ok === true) written.push(`${who} 1`);
    }
    assert.deepEqual(rows(), written, "what was written stands in the journal");
  },
);
