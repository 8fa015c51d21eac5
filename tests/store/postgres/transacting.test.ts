import assert from "node:assert/strict";
import { test } from "node:test";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import { DatabaseError } from "../../../src/core/errors.ts";
import { openPostgres, type PostgresConnections } from "../../../src/store/postgres/connection.ts";
import { LentClient } from "../../../src/store/postgres/lent-client.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../../src/store/postgres/store.ts";
import type { TransactAnswer } from "../../../src/store/store.ts";
import { closureOf, heldTransaction } from "../../conformance/closures.ts";
import { failures, Scene, type Held } from "../../conformance/scene.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { asAdmin, freshDatabase } from "../../support/postgres.ts";
import { Gate, rejection, until, type Ending } from "../../support/serving.ts";
import { postgresClient } from "./open.ts";

type Tx = Kysely<{ ledger: { who: string } }>;
type Act = (tx: Tx) => unknown;

const post = (who: string) => async (tx: Tx) => {
  await tx.insertInto("ledger").values({ who }).execute();
  return who;
};

test("the closure has the session that any client of its role has: search_path, time zone, parsers", async (t) => {
  const stage = await staged(t);
  const name = new URL(stage.url).pathname.slice(1);
  await asAdmin(`alter database ${name} set timezone = 'Asia/Tokyo'`);
  const seen: unknown[] = [];
  await stage.stored(async (tx) => {
    const { rows } = await sql<Record<string, unknown>>`
      select current_setting('search_path') as path, current_setting('TimeZone') as zone,  1::int8 as big`.execute(
      tx,
    );
    seen.push(rows[0]?.["path"], rows[0]?.["zone"], rows[0]?.["big"]);
  });
  assert.deepEqual(seen, ['"$user", public', "Asia/Tokyo", "1"]);
});

test("what it sets, makes and locks in its session is neither Stent's nor the next closure's", async (t) => {
  const stage = await staged(t);
  await stage.stored(async (tx) => {
    await sql`set local search_path = pg_catalog`.execute(tx);
    await sql`set local role pg_monitor`.execute(tx);
    await sql`select set_config('statement_timeout', '1ms', false), pg_advisory_lock(7)`.execute(
      tx,
    );
    await sql`select set_config('timezone', 'Asia/Tokyo', false)`.execute(tx);
    await sql`reset role`.execute(tx).catch(() => undefined);
  });
  await until("its advisory lock is free", async () => {
    const { rows } = await stage.watcher.query(
      "select 1 from pg_locks where locktype = 'advisory'",
    );
    return rows.length === 0;
  });
  const zone = await stage.stored(async (tx) => {
    const { rows } = await sql<{ zone: string }>`
      select current_setting('TimeZone') as zone from pg_sleep(0.01)`.execute(tx);
    return rows[0]?.zone;
  });
  assert.notEqual(zone, "Asia/Tokyo");
});

const refused: Record<string, readonly [closure: Act, message: RegExp]> = {
  commit: [(tx) => sql`commit`.execute(tx), /no COMMIT of its own/],
  "commit in a text of two statements": [
    (tx) => sql`select 1; commit`.execute(tx),
    /multiple commands/,
  ],
  "commit in a block": [(tx) => sql`do $$ begin commit; end $$`.execute(tx), /invalid transaction/],
  abort: [(tx) => sql`/* so */ ABORT`.execute(tx), /no ABORT of its own/],
  "prepare transaction": [
    (tx) => sql`prepare transaction 'x'`.execute(tx),
    /no PREPARE of its own/,
  ],
  "a transaction in it": [(tx) => tx.startTransaction().execute(), /not supported|no BEGIN/],
  "set without local": [(tx) => sql`set search_path = x`.execute(tx), /cannot run SET/],
  "set transaction": [(tx) => sql`set transaction read only`.execute(tx), /cannot run SET/],
  listen: [(tx) => sql`listen x`.execute(tx), /cannot run LISTEN/],
  "writing to Stent's tables": [
    (tx) => sql`delete from stent.stent_executions`.execute(tx),
    /tables? whose name begins with stent_/,
  ],
  "locking Stent's rows": [
    (tx) => sql`select 1 from stent.stent_executions for share`.execute(tx),
    /tables? whose name begins with stent_/,
  ],
  "a statement that nobody awaits": [
    (tx) => {
      sql`select pg_sleep(0.01)`.execute(tx).catch(() => undefined);
    },
    /await every one of them: select pg_sleep/,
  ],
  "a failed statement that nobody heeds": [
    async (tx) => {
      await sql`select 1 / 0`.execute(tx).catch(() => undefined);
    },
    /went on after a statement that failed.*division by zero/,
  ],
  "a constraint that fails at the end": [
    async (tx) => {
      await sql`create table later (n int unique deferrable initially deferred)`.execute(tx);
      await sql`insert into later values (1), (1)`.execute(tx);
    },
    /duplicate key/,
  ],
};
test("what would break the transaction is refused, and rolls back", async (t) => {
  const stage = await staged(t);
  for (const [what, [closure, message]] of Object.entries(refused)) {
    const answer = await stage.transact(async (tx) => {
      await post("a")(tx);
      await closure(tx);
    });
    assert.ok(answer.kind === "rolled-back" && answer.error instanceof Error, what);
    assert.match(answer.error.message, message, what);
  }
  assert.deepEqual(await stage.written(), []);
  await stage.stored(post("b"));
  assert.deepEqual(await stage.written(), ["b"]);
});

test("savepoints, streams, reading Stent's tables and a look at the schema are allowed", async (t) => {
  const stage = await staged(t);
  const seen = await stage.stored(async (tx) => {
    await post("a")(tx);
    await sql`savepoint here`.execute(tx);
    await sql`select 1 / 0`.execute(tx).catch(() => undefined);
    await sql`rollback to here`.execute(tx);
    let rows = 0;
    for await (const row of tx.selectFrom("ledger").selectAll().stream()) rows += row.who.length;
    await sql`select * from stent.stent_executions`.execute(tx);
    const tables = await tx.introspection.getTables();
    return `${rows} ${tables.some(({ name }) => name === "ledger")}`;
  });
  assert.equal(seen, "1 true");
  assert.deepEqual(await stage.written(), ["a"]);
});

test("a closure that waits for what does not come is cut off", async (t) => {
  const client = await postgresClient(t);
  const forms: Record<string, Act> = {
    "something other than its tx": () => new Promise(() => undefined),
    "select pg_sleep": (tx) => sql`select pg_sleep(60)`.execute(tx),
  };
  for (const [what, act] of Object.entries(forms)) {
    const closure = { title: "the closure", act: async (tx: unknown) => act(tx as Tx) };
    const lent = new LentClient(client, { ...closure, encode: String }, 50);
    const end = await lent.run();
    assert.ok(end.kind === "error" && end.error instanceof TypeError);
    assert.match(
      end.error.message,
      /^the closure was cut off and rolled back after 0\.05 s, while it waited for /,
    );
    assert.ok(end.error.message.includes(what));
    assert.equal(lent.isBusy, what.startsWith("select"));
  }
  await asAdmin(
    "select pg_cancel_backend(pid) from pg_stat_activity where query ~ 'pg_sleep\\(60'",
  );
});

test("one that is cut off in the middle of a statement leaves no lock behind", async (t) => {
  const stage = await staged(t);
  const answer = await stage.transact(async (tx) => {
    await sql`lock table ledger`.execute(tx);
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    await sql`select pg_sleep(60)`.execute(tx);
  });
  assert.ok(answer.kind === "rolled-back" && answer.error instanceof TypeError);
  await stage.stored(post("a"));
});

test("where other transactions are in its way it is run again, a few times, and then told", async (t) => {
  const stage = await staged(t);
  for (const code of ["40001", "40P01", "55P03"]) {
    let runs = 0;
    const getting = async (tx: Tx): Promise<string> => {
      runs += 1;
      await post(code)(tx);
      if (runs < 3) await raise(tx, code).catch(() => undefined);
      return "done";
    };
    assert.equal(await stage.stored(getting), "done");
    assert.equal(runs, 3);
  }
  assert.deepEqual(await stage.written(), ["40001", "40P01", "55P03"]);
  let runs = 0;
  const answer = await stage.transact(async (tx) => {
    runs += 1;
    await raise(tx, "40001");
  });
  assert.ok(answer.kind === "rolled-back");
  assert.equal((answer.error as { code?: string }).code, "40001");
  assert.equal(runs, 4);
});

test("two that deadlock are both stored", async (t) => {
  const stage = await staged(t);
  await stage.watcher.query("insert into ledger values ('x'), ('y')");
  const both = [new Gate(), new Gate()];
  const locking =
    (first: string, second: string, mine: number): Act =>
    async (tx) => {
      await sql`select 1 from ledger where who = ${first} for update`.execute(tx);
      both[mine]?.open();
      await both[1 - mine]?.passed;
      await sql`select 1 from ledger where who = ${second} for update`.execute(tx);
      return first;
    };
  const values = await Promise.all([
    stage.stored(locking("x", "y", 0)),
    stage.stored(locking("y", "x", 1)),
  ]);
  assert.deepEqual(values, ["x", "y"]);
});

test("a connection that is lost before the commit rejects, with nothing stored", async (t) => {
  const stage = await staged(t);
  const held = await stage.held();
  const error = await rejection(
    stage.transact(async (tx) => {
      await post("a")(tx);
      await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx).catch(() => undefined);
    }, held),
  );
  assert.ok(error instanceof DatabaseError);
  assert.deepEqual(await stage.written(), []);
  assert.deepEqual(await stage.transact(post("b"), held), { kind: "stored" });
});

test("a connection that is lost in the commit is looked up: stored or not, it is known", async (t) => {
  const stage = await staged(t);
  for (const stored of [true, false]) {
    const held = await stage.held();
    stage.losing = stored ? "after" : "before";
    const answering = stage.transact(post(String(stored)), held);
    if (stored) assert.deepEqual(await answering, { kind: "stored" });
    else assert.ok((await rejection(answering)) instanceof DatabaseError);
    stage.losing = undefined;
  }
  assert.deepEqual(await stage.written(), ["true"]);
});

test("a process that is frozen behind Stent's locks holds them no longer than in the middle of a batch", async (t) => {
  const stage = await staged(t);
  await stage.stored(post("a"));
  assert.deepEqual(stage.idleLimits, ["5s"]);
});

test("many at once take a few connections, and none is left behind", async (t) => {
  const stage = await staged(t);
  const connections = async (): Promise<number> => {
    const { rows } = await stage.watcher.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where application_name = 'stent transaction' and datname = current_database()",
    );
    return rows[0]?.n ?? -1;
  };
  let most = 0;
  const acts: Act[] = Array.from({ length: 30 }, (_, n) => async (tx) => {
    await post(String(n))(tx);
    most = Math.max(most, await connections());
    if (n % 3 === 0) throw new Error("no");
    if (n % 7 === 0)
      await sql`select pg_terminate_backend(pg_backend_pid())`.execute(tx).catch(() => undefined);
  });
  await Promise.allSettled(acts.map((act) => stage.transact(act)));
  assert.ok(most > 1 && most <= 5, `${most} connections`);
  await stage.store.close();
  await until("no connection is left", async () => (await connections()) === 0);
});

function raise(tx: Tx, code: string): Promise<unknown> {
  return sql.raw(`do $$ begin raise exception using errcode = '${code}'; end $$`).execute(tx);
}

interface Stage {
  readonly url: string;
  readonly store: PostgresStore;
  readonly watcher: pg.Client;
  /** An execution whose first entry is a transaction. */
  held(): Promise<Held>;
  transact(act: Act, held?: Held): Promise<TransactAnswer>;
  /** The value that was stored. */
  stored(act: Act): Promise<string | undefined>;
  written(): Promise<string[]>;
  /** Connections are cut before or after a commit has reached the server. */
  losing: "before" | "after" | undefined;
  /** For how long a session may be idle before its commit, by commit. */
  readonly idleLimits: string[];
}

async function staged(t: Ending): Promise<Stage> {
  const url = await freshDatabase(t);
  const connections = await openPostgres(postgresSettings(url), {
    migrate: true,
    warn: assert.fail,
  });
  const clock = new ManualClock();
  const store = new PostgresStore(connections, { clock, failures });
  t.after(() => store.close());
  const watcher = await postgresClient(t, url);
  await watcher.query("create table ledger (who text not null)");
  const one = new Scene({ store } as never, clock);
  const session = await one.register();
  const stage: Stage = {
    url,
    store,
    watcher,
    losing: undefined,
    idleLimits: [],
    async held() {
      return heldTransaction(one, session);
    },
    async transact(act, held) {
      return store.transact(closureOf(held ?? (await stage.held()), act));
    },
    async stored(act) {
      const held = await stage.held();
      assert.deepEqual(await stage.transact(act, held), { kind: "stored" });
      const [row] = await store.entries(held.execution, 1);
      return row?.value as string | undefined;
    },
    async written() {
      const { rows } = await watcher.query<{ who: string }>("select who from ledger order by who");
      return rows.map(({ who }) => who);
    },
  };
  watchCommits(connections, stage);
  return stage;
}

/** Looks at closures' transactions when they are committed; the network may fail then. */
function watchCommits(connections: PostgresConnections, stage: Stage): void {
  const connect = connections.connectClient.bind(connections);
  connections.connectClient = async (options) => {
    const client = await connect(options);
    if (options.purpose !== "transaction") return client;
    const send = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
    const query = async (...given: unknown[]): Promise<unknown> => {
      const [asked] = given as [string | { text: string }];
      if (typeof asked === "string" || asked.text !== "commit") return send(...given);
      const when = stage.losing;
      if (when === undefined) {
        const asking = send(
          "select current_setting('idle_in_transaction_session_timeout') as limit",
        );
        const { rows } = (await asking) as pg.QueryResult<{ limit: string }>;
        stage.idleLimits.push(...rows.map(({ limit }) => limit));
        return send(...given);
      }
      if (when === "after") await send(...given);
      (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    };
    client.query = query as never;
    return client;
  };
}
