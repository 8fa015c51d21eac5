import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { activity, call, sleep, sqlite, workflow, type Flow } from "stentjs";
import { formatHistory, mock, mockClosure, testStent } from "stentjs/testing";
import { asAdmin, postgresUrl } from "../support/postgres.ts";
import { databaseFile } from "../support/serving.ts";

describe("testStent", () => {
  test("serves on a database of its own", async (t) => {
    const stent = await testStent(t);
    assert.equal(await stent.run(order, ["book"]), "charged hold-book");
    assert.equal(stent.workerStatusOverview().ready, true);
  });

  test("puts stand-ins in the place of activities and children", async (t) => {
    const mocks = [
      mock(reserve, (sku) => `mocked ${sku}`),
      mock(child, async () => "mocked child"),
    ];
    const stent = await testStent(t, { mocks });
    assert.equal(await stent.run(order, ["book"]), "charged mocked book");
    assert.equal(await stent.run(parent, []), "mocked child");
    assert.equal(await reserve("book"), "hold-book");
  });

  test("takes histories to the transcript that a simulation gives", async (t) => {
    const stent = await testStent(t);
    const { id } = await stent.dispatch(order, ["book"]);
    await stent.waitFor(id);
    assert.equal(
      formatHistory(await all(stent.history(id))),
      "1  call tested reserve('book') → 'hold-book'\n2  call tested charge('hold-book') → 'charged hold-book'\n",
    );
  });

  test("is in development mode", async (t) => {
    const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };
    const stent = await testStent(t, { logger: silent });
    let begun = 0;
    const fickle = workflow("tested fickle", function* (): Flow<string> {
      return yield* call(reserve, `${(begun += 1)}`);
    });
    const { id } = await stent.dispatch(fickle, []);
    let [reason] = await stent.why(id);
    while (reason?.kind !== "blocked") {
      await new Promise<void>((resume) => {
        setImmediate(resume);
      });
      [reason] = await stent.why(id);
    }
    assert.match(reason.detail ?? "", /is not deterministic/);
  });

  test("goes when its test ends, under node:test and under Vitest", async (t) => {
    const directory = dirname(databaseFile(t));
    for (const hook of ["after", "onTestFinished"] as const) {
      const ends: (() => unknown)[] = [];
      const context = { [hook]: (fn: () => unknown) => ends.push(fn) };
      const stent = await inPlaceOf("TMPDIR", directory, () =>
        testStent(context as never, { serve: false }),
      );
      assert.equal(readdirSync(directory).length, 1);
      for (const end of ends) await end();
      await assert.rejects(stent.stateOf("any"), /closed/);
      assert.deepEqual(readdirSync(directory), []);
    }
  });

  test("leaves a backend that it is given", async (t) => {
    const file = databaseFile(t);
    const ends: (() => unknown)[] = [];
    const stent = await testStent({ after: (fn) => ends.push(fn) }, { backend: sqlite(file) });
    await stent.run(order, ["book"]);
    for (const end of ends) await end();
    assert.ok(existsSync(file));
  });

  test("refuses what is no context, and stand-ins for closures", async (t) => {
    for (const context of [{}, undefined, "t"])
      await assert.rejects(testStent(context as never), /context of a test/);
    await assert.rejects(testStent(t, { mocks: { reserve } as never }), /mocks must be a list/);
    await assert.rejects(testStent(t, { mocks: [mockClosure("a", nothing)] }), /mockClosure/);
  });

  test("shares nothing: two hundred at a time, each with its own execution of one id", async (t) => {
    const values = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stent = await testStent(t);
        return stent.run(order, [`${index}`], { id: "the same" });
      }),
    );
    assert.deepEqual(
      values,
      Array.from({ length: 200 }, (_, index) => `charged hold-${index}`),
    );
  });

  test("works in a schema of a PostgreSQL database, and drops it", async () => {
    const url = await postgresUrl();
    const ends: (() => unknown)[] = [];
    const context = { after: (fn: () => unknown) => ends.push(fn) };
    await onPostgres(url, async () => {
      const stents = await Promise.all([
        testStent(context),
        testStent(context),
        testStent(context),
      ]);
      const values = await Promise.all(
        stents.map((stent, index) => stent.run(order, [`${index}`], { id: "the same" })),
      );
      assert.deepEqual(values, ["charged hold-0", "charged hold-1", "charged hold-2"]);
      assert.equal((await schemas(url)).length, 3);
      for (const end of ends) await end();
      assert.deepEqual(await schemas(url), []);
    });
    await onPostgres("mysql://a", () => assert.rejects(testStent(context), /PostgreSQL database/));
  });
});

const reserve = activity("tested reserve", async (sku: string): Promise<string> => `hold-${sku}`);
const charge = activity(
  "tested charge",
  async (hold: string): Promise<string> => `charged ${hold}`,
);

const order = workflow("tested order", function* (sku: string): Flow<string> {
  return yield* call(charge, yield* call(reserve, sku));
});

const child = workflow("tested child", function* (): Flow<string> {
  yield* sleep("1d");
  return "never";
});

const parent = workflow("tested parent", function* (): Flow<string> {
  return yield* call(child);
});

function nothing(): void {}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function onPostgres(url: string, act: () => Promise<void>): Promise<void> {
  return inPlaceOf("TEST_DATABASE_URL", url, act);
}

async function inPlaceOf<T>(name: string, value: string, act: () => Promise<T>): Promise<T> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return await act();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

async function schemas(url: string): Promise<string[]> {
  const rows = await asAdmin<{ name: string }>(
    "select nspname as name from pg_namespace where nspname like 'stent_test_%'",
    url,
  );
  return rows.map(({ name }) => name);
}
