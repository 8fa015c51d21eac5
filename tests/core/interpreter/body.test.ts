import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { call } from "../../../src/core/effects/call.ts";
import { type Flow } from "../../../src/core/effects/effect.ts";
import { now } from "../../../src/core/effects/time.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive } from "./drive.ts";

describe("how a run ends", () => {
  test("with the value that the body returns", () => {
    const drive = new Drive(function* (): Flow<string> {
      return "at once";
    });
    assert.equal(drive.result, "at once");
    assert.deepEqual(drive.deliver(valueFor("1")).refused, [valueFor("1")]);
  });

  test("names the delivery whose error left the body, by identity", () => {
    const drive = new Drive(function* (): Flow<void> {
      let kept: unknown;
      try {
        yield* call(reserve, "a");
      } catch (error) {
        kept = error;
      }
      yield* call(reserve, "clean up");
      throw kept;
    });
    drive.error("1", new Error("first"));
    drive.value("2");
    assert.equal(drive.failure.failedBy, 1);
  });

  test("names the delivery whose error stands in the chain of causes", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(reserve, "a");
      } catch (error) {
        yield* call(reserve, "clean up");
        // oxlint-disable-next-line preserve-caught-error -- it is the cause of the cause
        throw new Error("outer", { cause: new Error("middle", { cause: error }) });
      }
    });
    drive.error("1", new Error("first"));
    drive.value("2");
    assert.equal(drive.failure.failedBy, 1);
  });

  test("names the last delivery where the code threw an error of its own", () => {
    const circular = new Error("its own cause");
    circular.cause = circular;
    const drive = new Drive(function* (): Flow<void> {
      yield* call(reserve, "a");
      yield* call(reserve, "b");
      yield* now();
      throw circular;
    });
    drive.value("1");
    drive.value("2");
    assert.equal(drive.failure.failedBy, 2);
  });

  test("names no delivery where none led to it", () => {
    const drive = new Drive(function* (): Flow<void> {
      throw new Error("at once");
    });
    assert.equal(drive.failure.failedBy, 0);
  });

  test("as the body's own error where it is no generator at all", () => {
    assert.throws(
      () => Coroutine.start((() => 5) as never, []),
      /a workflow is a generator function/,
    );
    assert.throws(
      () => Coroutine.start((() => Promise.reject(new Error("lost"))) as never, []),
      TypeError,
    );
  });
});

const reserve = activity("reserve", async (id: string) => id);

function valueFor(path: string, value?: unknown) {
  return { kind: "outcome", path, outcome: { ok: true, value } } as const;
}
