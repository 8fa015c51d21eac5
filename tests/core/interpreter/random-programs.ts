import fc from "fast-check";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Branch, Flow } from "../../../src/core/effects/effect.ts";
import { random } from "../../../src/core/effects/local.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { cancel, fork, join, type Task } from "../../../src/core/effects/fork.ts";
import { continueAsNew, patched } from "../../../src/core/effects/lineage.ts";
import { cancelled, compensate, shield, within } from "../../../src/core/effects/scope.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";

// ── programs as data ──

/** A workflow as data, for a test that makes them at random. */
export type Program =
  | {
      readonly kind:
        | "call"
        | "sleep"
        | "signal"
        | "now"
        | "random"
        | "add"
        | "get"
        | "set"
        | "read"
        | "throw"
        | "nonsense"
        | "unstorable"
        | "patched"
        | "joinAny"
        | "cancelAny"
        | "again";
    }
  | {
      readonly kind: "seq" | "all" | "allSettled" | "race" | "named";
      readonly parts: readonly Program[];
    }
  | { readonly kind: "catch" | "finally"; readonly body: Program; readonly after: Program }
  | { readonly kind: "within" | "shield" | "fork" | "undo" | "undoLater"; readonly body: Program };

const leaf: fc.Arbitrary<Program> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: "call" as const }) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(...(["sleep", "signal", "now", "random", "add", "get", "set", "read"] as const))
      .map((kind) => ({ kind })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...(["patched", "joinAny", "cancelAny"] as const))
      .map((kind) => ({ kind })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...(["throw", "nonsense", "unstorable", "again"] as const))
      .map((kind) => ({ kind })),
  },
);
/** Any of them. */
export const { program } = fc.letrec<{ program: Program }>((tie) => {
  const parts = fc.array(tie("program"), { maxLength: 5, size: "max" });
  return {
    program: fc.oneof(
      { depthSize: "large", withCrossShrink: true },
      leaf,
      fc.record({
        kind: fc.constantFrom(
          "seq" as const,
          "seq" as const,
          "seq" as const,
          "all" as const,
          "allSettled" as const,
          "race" as const,
          "named" as const,
        ),
        parts,
      }),
      fc.record({
        kind: fc.constantFrom("catch" as const, "finally" as const),
        body: tie("program"),
        after: tie("program"),
      }),
      fc.record({
        kind: fc.constantFrom(
          "within" as const,
          "shield" as const,
          "fork" as const,
          "fork" as const,
          "undo" as const,
          "undoLater" as const,
        ),
        body: tie("program"),
      }),
      fc.record({ kind: fc.constant("seq" as const), parts }),
    ),
  };
});

/** Runs one as a workflow. */
export function* body(tree: Program): Flow<unknown> {
  return yield* interpret(tree, "@", []);
}

/** Runs a program, and says in progress what it saw. `tasks`: every fork so far, by whomever. */
function* interpret(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  const value = yield* interpretOne(tree, where, tasks);
  yield* progress(`${where} ${tree.kind}: ${JSON.stringify(value)}`);
  return value;
}

function* interpretOne(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  switch (tree.kind) {
    case "call":
      return yield* call(step);
    case "sleep":
      return yield* sleep(10);
    case "signal":
      return yield* signal("s", { timeout: 20 });
    case "now": {
      const at = yield* now();
      at.setTime(at.getTime() * 2);
      return at.getTime();
    }
    case "random":
      return yield* random();
    case "add":
      return yield* counters.add("n");
    case "get":
      return yield* counters.get("n");
    case "set":
      return yield* state.set("k", [where]);
    case "read": {
      const list = yield* state.get<string[]>("k");
      list?.push("changed");
      return list;
    }
    case "throw":
      throw new Error(`thrown at ${where}`);
    case "nonsense":
      return yield where as never;
    case "patched":
      return yield* patched(where.slice(0, 3));
    case "within":
      return yield* within(15, interpret(tree.body, `${where}w`, tasks));
    case "shield":
      return yield* shield(interpret(tree.body, `${where}s`, tasks));
    case "fork": {
      const task = yield* fork(interpret(tree.body, `${where}k`, tasks));
      tasks.push(task);
      return task.id;
    }
    case "undo":
      yield* compensate(undo(tree.body, where, tasks));
      yield* progress(`+${where}`);
      return where;
    case "undoLater":
      yield* compensate(() => branch(undo, tree.body, where, tasks));
      yield* progress(`+${where}`);
      return where;
    case "again":
      return yield* continueAsNew(where);
    case "joinAny": {
      const task = tasks[where.length % Math.max(1, tasks.length)];
      return task === undefined ? "none" : yield* join(task);
    }
    case "cancelAny": {
      const task = tasks[where.length % Math.max(1, tasks.length)];
      return task === undefined ? "none" : yield* cancel(task);
    }
    case "unstorable":
      return yield* state.set("k", () => where);
    case "seq": {
      const values: unknown[] = [];
      for (const [index, part] of tree.parts.entries())
        values.push(yield* interpret(part, `${where}${index}`, tasks));
      return values;
    }
    case "all":
      return yield* all(branches(tree.parts, where, tasks));
    case "allSettled":
      return (yield* allSettled(branches(tree.parts, where, tasks))).map((how) =>
        how.status === "fulfilled" ? how.value : String(how.reason),
      );
    case "race":
      if (tree.parts.length === 0) return "no race";
      return yield* race(
        Object.fromEntries(
          branches(tree.parts, where, tasks).map((made, index) => [`b${index}`, made]),
        ),
      );
    case "named":
      return yield* all(
        Object.fromEntries(
          branches(tree.parts, where, tasks).map((made, index) => [`b${index}`, made]),
        ),
      );
    case "catch":
      try {
        return yield* interpret(tree.body, `${where}b`, tasks);
      } catch (error) {
        return [`caught ${told(error)}`, yield* interpret(tree.after, `${where}c`, tasks)];
      }
    case "finally":
      try {
        return yield* interpret(tree.body, `${where}b`, tasks);
      } finally {
        yield* progress(`${where} closing: ${String(yield* cancelled())}`);
        yield* interpret(tree.after, `${where}f`, tasks);
      }
    default:
      return tree satisfies never;
  }
}

function* undo(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  yield* progress(`-${where}`);
  return yield* interpret(tree, `${where}u`, tasks);
}

function branches(
  parts: readonly Program[],
  where: string,
  tasks: Task<unknown>[],
): Branch<unknown>[] {
  return parts.map((part, index) => {
    const at = `${where}/${index}`;
    if (part.kind === "call") return call(step);
    if (part.kind === "sleep") return sleep(10);
    return index % 2 === 0 ? interpret(part, at, tasks) : branch(interpret, part, at, tasks);
  });
}

const step = activity("step", async () => 1);

/** An error in words that are the same in every replay. */
export function told(error: unknown): string {
  const added: unknown =
    typeof error === "object" && error !== null && "errors" in error ? error.errors : undefined;
  return `${String(error)}${Array.isArray(added) ? ` with ${added.map(told).join(", ")}` : ""}`;
}
