/**
 * Random workflows on the engine, held against a model that knows nothing of it: what a tree comes to, and that of what was done exactly
 * that is undone which has to be. Executions are cancelled and workers replaced at any moment.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import {
  activity,
  all,
  allSettled,
  branch,
  call,
  compensate,
  continueAsNew,
  fork,
  join,
  map,
  progress,
  race,
  run,
  shield,
  signal,
  transaction,
  within,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { databaseFile, stentOn, type Ending } from "../support/serving.ts";

type Tree =
  | { readonly kind: "call" | "run" | "transaction" | "throw"; readonly ok: boolean }
  | { readonly kind: "map"; readonly items: number; readonly ok: boolean }
  | { readonly kind: "undo" }
  | { readonly kind: "seq" | "all" | "allSettled"; readonly parts: readonly Tree[] }
  | { readonly kind: "shield" | "within" | "race" | "child" | "branch"; readonly body: Tree }
  | { readonly kind: "catch" | "finally" | "fork"; readonly body: Tree; readonly after: Tree };

const leaf: fc.Arbitrary<Tree> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("call" as const, "run" as const, "transaction" as const),
    // Most things go well.
    ok: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  }),
  fc.record({
    kind: fc.constant("map" as const),
    items: fc.integer({ min: 0, max: 4 }),
    ok: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  }),
  fc.constant<Tree>({ kind: "undo" }),
  fc
    .integer({ min: 0, max: 6 })
    .map((n): Tree => (n > 0 ? { kind: "undo" } : { kind: "throw", ok: false })),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => {
  const parts = fc.array(tie("tree"), { maxLength: 4 });
  return {
    tree: fc.oneof(
      { depthSize: "medium", withCrossShrink: true },
      leaf,
      fc.record({
        kind: fc.constantFrom(
          "seq" as const,
          "seq" as const,
          "all" as const,
          "allSettled" as const,
        ),
        parts,
      }),
      fc.record({
        kind: fc.constantFrom(
          "shield" as const,
          "within" as const,
          "race" as const,
          "child" as const,
          "branch" as const,
        ),
        body: tie("tree"),
      }),
      fc.record({
        kind: fc.constantFrom("catch" as const, "finally" as const, "fork" as const),
        body: tie("tree"),
        after: tie("tree"),
      }),
    ),
  };
});

// ── the model ──

/** What a tree gives; where it fails, every failure that it may fail with. */
type Came = { readonly value: unknown } | { readonly errors: ReadonlySet<string> };

/** A generator of its own: it fails by a fork that has failed and that nobody has joined, once it has returned. */
function frameOf(tree: Tree, at: string): Came {
  const unjoined = new Set<string>();
  const came = modelOf(tree, at, unjoined);
  return "value" in came && unjoined.size > 0 ? { errors: unjoined } : came;
}

function modelOf(tree: Tree, at: string, unjoined: Set<string>): Came {
  switch (tree.kind) {
    case "call":
    case "run":
    case "transaction":
    case "throw":
      return tree.ok ? { value: at } : { errors: new Set([at]) };
    case "map":
      if (!tree.ok && tree.items > 0) return { errors: new Set([`${at}.0`]) };
      return { value: Array.from({ length: tree.items }, (_, item) => `${at}.${item}`) };
    case "undo":
      return { value: "registered" };
    case "seq": {
      const values: unknown[] = [];
      for (const [index, part] of tree.parts.entries()) {
        const came = modelOf(part, `${at}${index}`, unjoined);
        if ("errors" in came) return came;
        values.push(came.value);
      }
      return { value: values };
    }
    case "all": {
      const came = tree.parts.map((part, index) => frameOf(part, `${at}${index}`));
      const errors = came.flatMap((each) => ("errors" in each ? [...each.errors] : []));
      return errors.length > 0 ? { errors: new Set(errors) } : { value: came.map(valueOf) };
    }
    case "allSettled":
      return { value: tree.parts.map((part, index) => statusOf(frameOf(part, `${at}${index}`))) };
    case "shield":
    case "within":
    case "branch":
    case "race":
    case "child":
      return frameOf(tree.body, `${at}b`);
    case "catch": {
      const came = modelOf(tree.body, `${at}b`, unjoined);
      return "errors" in came ? modelOf(tree.after, `${at}c`, unjoined) : came;
    }
    case "finally": {
      const body = modelOf(tree.body, `${at}b`, unjoined);
      const after = modelOf(tree.after, `${at}f`, unjoined);
      return "errors" in after ? after : body;
    }
    case "fork": {
      const body = frameOf(tree.body, `${at}b`);
      const after = modelOf(tree.after, `${at}c`, unjoined);
      if (!("errors" in body))
        return "errors" in after ? after : { value: [after.value, body.value] };
      if (!("errors" in after)) return body;
      for (const error of body.errors) unjoined.add(error);
      return after;
    }
    default:
      return tree satisfies never;
  }
}

function valueOf(came: Came): unknown {
  return "value" in came ? came.value : undefined;
}

function statusOf(came: Came): unknown {
  return "value" in came ? came.value : "failed";
}

// ── the same as a workflow ──

const once = { retry: { maxAttempts: 1 } };
const act = activity("random.act", async (at: string, ok: boolean) => {
  await pause(at.length % 3);
  if (!ok) throw new Error(at);
  return at;
});
const child = workflow("random.child", function* (tree: Tree, at: string): Flow<unknown> {
  return yield* interpret(tree, at);
});
/** The first run of it only hands on. */
const root = workflow("random.root", once, function* (tree: Tree, round: number): Flow<unknown> {
  if (round === 0) {
    yield* compensate(() => {
      throw new Error("of another run");
    });
    yield* continueAsNew(tree, 1);
  }
  return yield* interpret(tree, "@");
});

function* interpret(tree: Tree, at: string): Flow<unknown> {
  switch (tree.kind) {
    case "call":
      return yield* call(act.with(once), at, tree.ok);
    case "throw":
      throw new Error(at);
    case "run":
      return yield* run("run", () => given(at, tree.ok));
    case "transaction":
      return yield* transaction("transaction", () => given(at, tree.ok));
    case "map": {
      const items = Array.from({ length: tree.items }, (_, item) => item);
      return yield* map(
        mapped,
        items.map((item) => [`${at}.${item}`, tree.ok || item > 0] as const),
      );
    }
    case "undo":
      yield* compensate(() => branch(undo, at));
      yield* progress(`+${at}`);
      return "registered";
    case "seq": {
      const values: unknown[] = [];
      for (const [index, part] of tree.parts.entries())
        values.push(yield* interpret(part, `${at}${index}`));
      return values;
    }
    case "all":
      return yield* all(tree.parts.map((part, index) => interpret(part, `${at}${index}`)));
    case "allSettled": {
      const settled = yield* allSettled(
        tree.parts.map((part, index) => interpret(part, `${at}${index}`)),
      );
      return settled.map((one) => (one.status === "fulfilled" ? one.value : "failed"));
    }
    case "shield":
      return yield* shield(interpret(tree.body, `${at}b`));
    case "within":
      return yield* within("1h", interpret(tree.body, `${at}b`));
    case "branch":
      return yield* branch(interpret, tree.body, `${at}b`);
    case "race": {
      const { value } = yield* race({
        body: interpret(tree.body, `${at}b`),
        never: signal("never"),
      });
      return value;
    }
    case "child":
      return yield* call(child, tree.body, `${at}b`);
    case "catch":
      try {
        return yield* interpret(tree.body, `${at}b`);
      } catch {
        return yield* interpret(tree.after, `${at}c`);
      }
    case "finally":
      try {
        return yield* interpret(tree.body, `${at}b`);
      } finally {
        yield* interpret(tree.after, `${at}f`);
      }
    case "fork": {
      const task = yield* fork(interpret(tree.body, `${at}b`));
      const beside = yield* interpret(tree.after, `${at}c`);
      return [beside, yield* join(task)];
    }
    default:
      return tree satisfies never;
  }
}

function given(at: string, ok: boolean): string {
  if (!ok) throw new Error(at);
  return at;
}

const mapped = activity("random.mapped", once, async ([at, ok]: readonly [string, boolean]) =>
  given(at, ok),
);
const undoing = activity("random.undoing", async (_at: string) => undefined);

function* undo(at: string): Flow<void> {
  yield* call(undoing, at);
  yield* progress(`-${at}`);
}

// ── play ──

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_000);

/** Of an execution and all its children: what of its stack was undone. */
async function checkUndone(stent: Stent, id: string): Promise<void> {
  // A child that a failed sibling has closed is told, and not waited for.
  await stent.waitFor(id, { timeout: "20s" });
  const { state, progress: entries } = await stent.stateOf(id);
  const told = entries.flatMap(({ detail }) => (detail === undefined ? [] : [detail]));
  const registered = told.filter((line) => line.startsWith("+")).map((line) => line.slice(1));
  const undone = told.filter((line) => line.startsWith("-")).map((line) => line.slice(1));
  assert.deepEqual(undone, state === "completed" ? [] : registered.toReversed(), `${id} ${state}`);
  for (let cursor: string | undefined; ;) {
    const page = await stent.listExecutions({
      parent: id,
      limit: 100,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const one of page.items)
      if (one.workflow === child.functionName) await checkUndone(stent, one.id);
    if (page.nextCursor === undefined) return;
    cursor = page.nextCursor;
  }
}

async function play(stent: Stent, tree: Tree, cancelAfterMs: number | undefined): Promise<void> {
  const handle = await stent.dispatch(root, [tree, 0]);
  if (cancelAfterMs !== undefined) {
    await pause(cancelAfterMs);
    await handle.cancel();
  }
  const { ok, value, error } = await handle.wait({ timeout: "20s" });
  const { state } = await handle.state();
  await checkUndone(stent, handle.id);
  if (state === "cancelled") {
    assert.notEqual(cancelAfterMs, undefined);
    return;
  }
  const came = frameOf(tree, "@");
  if ("value" in came) assert.deepEqual(ok ? value : error, came.value);
  else
    assert.ok(
      came.errors.has(error?.message ?? ""),
      `${error?.message} of ${[...came.errors].join()}`,
    );
}

for (const [what, stent] of [
  ["live coroutines", {}],
  ["every turn rehearsed", { dev: true }],
] as const)
  test(`random workflows come to what the model says, ${what} (SEED=${seed})`, async (t) => {
    const engine = await stentOn(t, databaseFile(t), { stent, serve: { maxConcurrency: 100 } });
    await fc.assert(
      fc.asyncProperty(
        tree,
        fc.option(fc.integer({ min: 0, max: 12 }), { freq: 2, nil: undefined }),
        (tree, cancelAfterMs) => play(engine, tree, cancelAfterMs),
      ),
      { seed, numRuns: 150 },
    );
  });

test(`random workflows over replaced workers (SEED=${seed})`, async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, { serve: false });
  let over = false;
  const replacing = replaceWorkers(t, file, () => over);
  try {
    await fc.assert(
      fc.asyncProperty(tree, (tree) => play(client, tree, undefined)),
      { seed, numRuns: 40 },
    );
  } finally {
    over = true;
    await replacing;
  }
});

/** One worker after the other, none of them for long. What a drain aborts is begun again: attempts are not counted here. */
async function replaceWorkers(t: Ending, file: string, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const worker = await stentOn(t, file, { serve: { drainTimeout: "1s" } });
    await pause(40);
    await worker.close();
  }
}
