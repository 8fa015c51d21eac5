import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { counters, progress } from "../../../src/core/effects/record.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import type { CoroutineOptions } from "../../../src/core/interpreter/coroutine-options.ts";
import { Drive } from "./drive.ts";

describe("comparing what effects carry", () => {
  const options: CoroutineOptions = {
    sameInput: (recorded, effect) =>
      "args" in effect && JSON.stringify(recorded.input) === JSON.stringify(effect.args),
  };

  test("refuses other arguments, and shows both", () => {
    const drive = new Drive(adding(1, 2));
    const error = drive.divergence(adding(1, 3), options);
    assert.match(error.message, /at path 1 its journal holds call "sum" with other arguments/);
    assert.deepEqual(
      [error.recorded, error.yielded],
      [
        { kind: "call", name: "sum", path: "1", args: [1, 2] },
        { kind: "call", name: "sum", path: "1", args: [1, 3] },
      ],
    );
    Coroutine.resume(adding(1, 2), [], drive.entries(), options);
  });

  test("is not asked of what was answered at its yield", () => {
    const drive = new Drive(refusedArguments, [], { encode: refuse });
    assert.ok(
      Coroutine.resume(refusedArguments, [], drive.entries(), {
        sameInput: () => assert.fail("asked"),
      }),
    );
  });
});

test("a host may be told of everything that is yielded, with its place, the same in replay", () => {
  function* body(): Flow<void> {
    yield* counters.add("n");
    yield* call(sum, 1, 2);
    yield* all([sleep(1), branchOf()]);
    yield* progress("done");
  }
  function* branchOf(): Flow<void> {
    yield* progress("inside");
    yield* now();
  }
  const live: string[] = [];
  const replayed: string[] = [];
  const into = (told: string[]): CoroutineOptions => ({
    yielded: ({ kind }, path) => told.push(`${kind} ${path}`),
  });
  const drive = new Drive(body);
  drive.value("1", 3);
  const coroutine = Coroutine.start(body, [], into(live));
  coroutine.advance([], drive.facts);
  const outcome = { ok: true as const, value: 3 };
  coroutine.advance([{ kind: "outcome", path: "1", outcome }], drive.facts);
  Coroutine.resume(body, [], drive.entries(), into(replayed));
  assert.deepEqual(live, [
    "counters.add 1",
    "call 1",
    "all 2",
    "sleep 2.0",
    "progress 2.1.1",
    "now 2.1.1",
  ]);
  assert.deepEqual(replayed, live);
});

const a = activity("a", async () => 1);
const sum = activity("sum", async (x: number, y: number) => x + y);

function adding(x: number, y: number): () => Flow<unknown> {
  return function* (): Flow<unknown> {
    return yield* call(sum, x, y);
  };
}

function* refusedArguments(): Flow<unknown> {
  try {
    yield* call(a);
  } catch {
    yield* now();
  }
  return 1;
}

function refuse(): never {
  throw new TypeError("cannot be stored");
}
