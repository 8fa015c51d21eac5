import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import {
  activity,
  call,
  continueAsNew,
  FunctionRegistry,
  SerializationError,
  sleep,
  UnregisteredFunctionError,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { replayDirectory, replayExport, testStent } from "stentjs/testing";
import { databaseFile } from "../support/serving.ts";

describe("replayExport", () => {
  test("gives the workflow its arguments as they were, whatever JSON makes of them", async (t) => {
    const stent = await testStent(t);
    const lines = await exported(stent, rich, [
      new Date(5),
      new Map([["a", new Set([1])]]),
      12n ** 20n,
      [undefined, Number.NaN, -0],
    ]);
    assert.deepEqual(await replayExport(lines), [
      { id: "exported", workflow: "export rich", version: undefined, ok: true },
    ]);
  });

  test("replays children too, each by its own code", async (t) => {
    const stent = await testStent(t);
    const lines = await exported(stent, parent, ["book"]);
    const replayed = await replayExport(lines);
    assert.deepEqual(
      replayed.map(({ workflow: name, ok }) => [name, ok]),
      [
        ["export parent", true],
        ["export child", true],
      ],
    );
    // As if the child had called something else yesterday.
    const yesterday = lines.map((line) => line.replace('"export reserve"', '"export hold"'));
    const [same, differs] = await replayExport(yesterday);
    assert.equal(same?.ok, true);
    assert.deepEqual(differs, {
      id: "exported/1/1",
      workflow: "export child",
      version: undefined,
      ok: false,
      path: "1",
      recorded: { kind: "call", name: "export hold", args: ["book"], path: "1" },
      yielded: { kind: "call", name: "export reserve", path: "1" },
    });
  });

  test("takes the code of the version that an execution was started with", async (t) => {
    const stent = await testStent(t);
    const first = await exported(stent, versions[0], []);
    const second = await exported(stent, versions[1], [], "second");
    for (const lines of [first, second])
      assert.deepEqual(
        (await replayExport(lines)).map(({ ok }) => ok),
        [true],
      );
    const gone = second.map((line) => line.replace('"version":"2"', '"version":"1"'));
    await assert.rejects(replayExport(gone), /named "export versioned" version "1"/);
  });

  test("begins the current run of a chain with what that was handed", async (t) => {
    const stent = await testStent(t);
    const lines = await exported(stent, monthly, [1]);
    const [replayed] = await replayExport(lines);
    assert.equal(replayed?.ok, true);
  });

  test("has nothing against an activity that was dispatched", async (t) => {
    const stent = await testStent(t);
    const lines = await exported(stent, reserve, ["book"]);
    assert.deepEqual(
      (await replayExport(lines)).map(({ ok }) => ok),
      [true],
    );
  });

  test("refuses a workflow that is not here, and what is no export", async (t) => {
    const stent = await testStent(t);
    const lines = await exported(stent, monthly, [3]);
    await assert.rejects(replayExport(lines, { registry: registryOf(parent) }), (error) => {
      assert.ok(error instanceof UnregisteredFunctionError);
      assert.match(error.message, /"export monthly" is registered here; registered: export parent/);
      return true;
    });
    await assert.rejects(replayExport(["{}"]), SerializationError);
    await assert.rejects(replayExport([]), /there is no execution in it/);
    await assert.rejects(replayExport(lines, { registy: 1 } as never), /registy/);
  });
});

describe("replayDirectory", () => {
  test("replays every file of a directory and those below it, by name", async (t) => {
    const stent = await testStent(t);
    const directory = dirname(databaseFile(t));
    await mkdir(join(directory, "old"));
    const book = await exported(stent, parent, ["book"], "book");
    const chain = await exported(stent, monthly, [1], "chain");
    await writeFile(join(directory, "book.ndjson"), `${book.join("\n")}\n`);
    await writeFile(join(directory, "old", "chain.jsonl"), chain.join("\n"));
    await writeFile(join(directory, "README.md"), "no journal");
    const replayed = await replayDirectory(directory);
    assert.deepEqual(
      replayed.map(({ file, id, ok }) => [file, id, ok]),
      [
        ["book.ndjson", "book", true],
        ["book.ndjson", "book/1/1", true],
        [join("old", "chain.jsonl"), "chain", true],
      ],
    );
  });

  test("fails where there is nothing to check, and names a file that is broken", async (t) => {
    const directory = dirname(databaseFile(t));
    await assert.rejects(replayDirectory(directory), /there is no exported execution/);
    await assert.rejects(replayDirectory(join(directory, "none")), /ENOENT/);
    await writeFile(join(directory, "broken.ndjson"), "no line\n");
    await assert.rejects(replayDirectory(directory), /broken\.ndjson: this is no line/);
  });
});

const reserve = activity("export reserve", async (sku: string): Promise<string> => `hold-${sku}`);
const keep = activity("export keep", async (..._values: unknown[]): Promise<void> => undefined);

const rich = workflow(
  "export rich",
  function* (at: Date, names: Map<string, Set<number>>, much: bigint, odd: unknown[]) {
    yield* call(keep, new Date(at.getTime() + 1), names.get("a"), much + 1n, odd);
  },
);

const child = workflow("export child", function* (sku: string): Flow<string> {
  return yield* call(reserve, sku);
});

const parent = workflow("export parent", function* (sku: string): Flow<string> {
  return yield* call(child, sku);
});

const versions = [
  workflow("export versioned", function* (): Flow<string> {
    return yield* call(reserve, "old");
  }),
  workflow("export versioned", { version: "2" }, function* (): Flow<string> {
    return yield* call(reserve, "new");
  }),
] as const;

const monthly = workflow("export monthly", function* (month: number): Flow<number> {
  yield* call(keep, month);
  yield* sleep(1);
  if (month < 3) return yield* continueAsNew(month + 1);
  return month;
});

async function exported<A extends readonly unknown[]>(
  stent: Stent,
  fn: Parameters<typeof stent.dispatch<A, unknown>>[0],
  args: NoInfer<A>,
  id = "exported",
): Promise<string[]> {
  const handle = await stent.dispatch(fn, args, { id });
  await handle.result();
  const lines: string[] = [];
  for await (const line of stent.admin.export(id, { children: true })) lines.push(line);
  return lines;
}

function registryOf(...fns: Parameters<FunctionRegistry["register"]>[0][]): FunctionRegistry {
  const registry = new FunctionRegistry();
  for (const fn of fns) registry.register(fn);
  return registry;
}
