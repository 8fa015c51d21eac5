import assert from "node:assert/strict";
import { describe } from "node:test";
import type { NewDispatch, NewExecution } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { entry, newExecution, park, scene } from "./scene.ts";

/** Executions that a workflow starts and does not wait for. */
export function separateConformance(backend: ConformanceBackend): void {
  describe("an execution that a turn starts, and that is nobody's child", () => {
    scene(backend, "is there with the turn, and so is the outcome of its entry", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      const answer = await one.stored(held, turnThatStarts({ id: "own" }), park());
      assert.equal(answer.released, false, "there is something to deliver");
      assertPart(await one.row("own"), {
        parentId: undefined,
        state: "pending",
        worker: undefined,
      });
      assertPart(await one.arrivals(held.id), [{ kind: "dispatched", seq: 1, status: 1 }]);
      assert.equal((await one.refreshed(held)).wakeSeq, 1);
    });

    scene(backend, "follows ifExists, and is told by what it was refused", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.dispatch({ id: "there" });
      await one.dispatch({ id: "other", name: "other" });
      const entries = [1, 2, 3].map((seq) => entry(seq, { kind: "dispatch" }));
      const dispatches = [
        starting(1, { id: "there" }),
        starting(2, { id: "there" }, "join"),
        starting(3, { id: "other" }, "join"),
      ];
      await one.stored(held, { entries, dispatches });
      assertPart(await one.arrivals(held.id), [
        { seq: 1, status: 2, value: '{"reason":"exists","name":"flow"}' },
        { seq: 2, status: 1 },
        { seq: 3, status: 2, value: '{"reason":"other-function","name":"other"}' },
      ]);
      assert.equal(await one.count("executions"), 3);
    });

    scene(backend, "is not started behind a cancel, nor by a stale session", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.cancel(held.id);
      assert.deepEqual(await one.turn(await one.refreshed(held), turnThatStarts({ id: "late" })), {
        kind: "refused",
        reason: "cancelled",
      });
      const stale = await one.start(session);
      await one.one("reap", { session, died: true });
      assert.equal((await one.turn(stale, turnThatStarts({ id: "late" }))).kind, "refused");
      assert.equal(await one.count("executions"), 2);
    });

    scene(backend, "goes on when the one that started it ends", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, turnThatStarts({ id: "own" }));
      const fresh = await one.refreshed(held);
      await one.end(fresh);
      assert.equal((await one.row("own")).state, "pending");
    });

    scene(backend, "leaves no outcome with one that ends by that very turn (I2)", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.end(held, turnThatStarts({ id: "own" }));
      assert.equal((await one.row("own")).state, "pending");
      assert.equal(await one.count("arrivals"), 0);
    });
  });
}

function turnThatStarts(execution: Partial<NewExecution>): {
  entries: ReturnType<typeof entry>[];
  dispatches: NewDispatch[];
} {
  return { entries: [entry(1, { kind: "dispatch" })], dispatches: [starting(1, execution)] };
}

function starting(
  seq: number,
  execution: Partial<NewExecution>,
  ifExists: NewDispatch["ifExists"] = "reject",
): NewDispatch {
  return { seq, ifExists, execution: newExecution(execution) };
}
