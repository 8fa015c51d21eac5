import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { change, completed, entry, park, scene } from "./scene.ts";

/** Messages, and what wakes an execution. */
export function signalConformance(backend: ConformanceBackend): void {
  describe("a signal", () => {
    scene(backend, "waits in the inbox of its name, first in, first out (I6)", async (one) => {
      await one.dispatch({ id: "x" });
      for (const payload of ["1", "2", "3"]) await one.signal("x", payload);
      await one.signal("x", "other", { name: "stop" });
      const inbox = await one.store.inbox(await one.key("x"), "go", 2);
      assert.deepEqual(
        inbox.map((message) => message.payload),
        ["1", "2"],
      );
    });

    scene(backend, "is found by the names that are waited for", async (one) => {
      await one.dispatch({ id: "x" });
      await one.dispatch({ id: "y" });
      for (const name of ["a", "b", "a"]) await one.signal("x", "1", { name });
      await one.signal("y", "1", { name: "c" });
      const key = await one.key("x");
      assert.deepEqual(await one.store.inboxNames(key, ["c", "b", "d", "a"]), ["b", "a"]);
      assert.deepEqual(await one.store.inboxNames(key, []), []);
    });

    scene(backend, "to nobody, or to what has ended, is refused (I6)", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.end(held);
      assert.equal(await one.signal("nobody", "1"), "not-found");
      assert.equal(await one.signal(held.id, "1"), "finished");
      assert.equal(await one.count("signals"), 0);
    });

    scene(
      backend,
      "that was sent before is sent once, also within a commit, and also after the end",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        const send = (payload: string): Transition => ({
          kind: "signal",
          request: { executionId: held.id, name: "go", payload, dedupe: "k" },
        });
        const settled = await one.commit(send("1"), send("2"));
        assert.deepEqual(settled, [{ answer: "sent" }, { answer: "sent" }]);
        const inbox = await one.store.inbox(held.execution, "go", 9);
        assert.deepEqual(
          inbox.map((message) => message.payload),
          ["1"],
        );
        const fresh = await one.refreshed(held);
        assert.equal(fresh.wakeSeq, 1);
        await one.stored(fresh, { entries: [entry(1, { kind: "signal" })] });
        await one.stored(fresh, {
          changes: [change(1, 1)],
          consumed: [{ signal: inbox[0]?.key ?? 0, seq: 1 }],
        });
        await one.end(fresh);
        assert.equal(await one.signal(held.id, "3", { dedupe: "k" }), "sent");
        assert.equal(await one.signal(held.id, "3", { dedupe: "l" }), "finished");
      },
    );

    scene(
      backend,
      "is consumed once, by one wait of one run, and not by another's (I6)",
      async (one) => {
        const session = await one.register();
        const [a, b] = [
          await one.start(session, { id: "a" }),
          await one.start(session, { id: "b" }),
        ];
        await one.signal("a", "1");
        const [message] = await one.store.inbox(a.execution, "go", 1);
        const signal = message?.key ?? 0;
        await one.stored(b, { entries: [entry(1, { kind: "signal" })] });
        await assert.rejects(
          one.turn(b, { changes: [change(1, 1)], consumed: [{ signal, seq: 1 }] }),
          /consumed already/,
        );
        const held = await one.refreshed(a);
        await one.stored(held, {
          entries: [entry(1, { kind: "signal" }), entry(2, { kind: "signal" })],
        });
        await one.stored(held, { changes: [change(1, 1)], consumed: [{ signal, seq: 1 }] });
        await assert.rejects(
          one.turn(held, { changes: [change(2, 2)], consumed: [{ signal, seq: 2 }] }),
          /consumed already/,
        );
        assertPart(await one.query("select consumed_run, consumed_seq from stent_signals"), [
          { consumed_run: 1, consumed_seq: 1 },
        ]);
        assert.deepEqual(await one.store.inbox(a.execution, "go", 9), []);
      },
    );

    scene(backend, "wakes what is parked, and tells who holds it", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.signal(held.id, "1");
      assert.deepEqual([one.hints.woken, one.hints.ready], [[held.execution], false]);
      await one.parked(
        await one.refreshed(held),
        { entries: [entry(1, { kind: "signal" })] },
        one.now + 1_000,
      );
      await one.signal(held.id, "2");
      assert.deepEqual([one.hints.woken, one.hints.ready], [[], true]);
      assert.equal((await one.claimOne(session)).row.wakeSeq, 2);
    });

    scene(
      backend,
      "does not start a delayed dispatch early, and a cancel ends it at once (I7)",
      async (one) => {
        const session = await one.register();
        await one.dispatch({ id: "x", delayMs: 100 });
        await one.signal("x", "1");
        assert.deepEqual((await one.claim(session)).executions, []);
        assert.equal((await one.row("x")).dueAt, one.now + 100);
        await one.cancel("x");
        assert.equal(await one.state("x"), "cancelled");
      },
    );

    scene(backend, "never makes anything due later", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.parked(
        held,
        { entries: [entry(1, { kind: "sleep", dueAt: one.now + 5 })] },
        one.now + 5,
      );
      one.clock.advance(10);
      await one.signal(held.id, "1");
      assert.equal((await one.row(held.id)).dueAt, one.now - 5);
    });

    scene(
      backend,
      "from a turn is sent with it, and its answer keeps the sender held",
      async (one) => {
        const session = await one.register();
        const [a, b] = [
          await one.start(session, { id: "a" }),
          await one.start(session, { id: "b" }),
        ];
        const send = (
          seq: number,
          executionId: string,
          dedupe: string,
        ): Parameters<typeof one.turn>[1]["sends"] => [
          { seq, executionId, name: "go", payload: "1", dedupe },
        ];
        const entries = [1, 2, 3].map((seq) => entry(seq, { kind: "sendSignal" }));
        const sends = [
          ...(send(1, "b", "k1") ?? []),
          ...(send(2, "nobody", "k2") ?? []),
          ...(send(3, "a", "k3") ?? []),
        ];
        const answer = await one.stored(a, { entries, sends }, park());
        assert.deepEqual([answer.sends, answer.released], [["sent", "not-found", "sent"], false]);
        const repeated = await one.stored(await one.refreshed(a), { sends }, park());
        assert.deepEqual(repeated.sends, ["sent", "not-found", "sent"]);
        assert.equal(await one.count("signals"), 2);
        await one.end(await one.refreshed(b));
        await one.end(a);
      },
    );

    scene(backend, "wakes a job between attempts for nothing", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { kind: "activity" });
      await one.stored(
        held,
        {},
        { kind: "again", delayMs: 50, failures: 1, result: undefined, newRun: false },
      );
      await one.signal(held.id, "1");
      assert.equal((await one.row(held.id)).dueAt, one.now + 50);
    });

    scene(
      backend,
      "and an outcome that arrive while nobody holds it are both there at the next claim",
      async (one) => {
        const session = await one.register();
        const held = await one.calling(session);
        const task = await one.claimTask(session);
        await one.commit(
          {
            kind: "signal",
            request: { executionId: held.id, name: "go", payload: "1", dedupe: undefined },
          },
          {
            kind: "task",
            request: {
              session,
              claim: task.claim,
              task: task.key,
              item: undefined,
              outcome: completed,
              attempt: 1,
              failures: 0,
              startedAt: 1,
            },
          },
        );
        const again = await one.claimOne(session);
        assert.ok(again.wakeSeq > held.wakeSeq);
        assert.equal((await one.arrivals(held.id)).length, 1);
      },
    );
  });
}
