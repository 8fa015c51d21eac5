import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { dispatchOf, ended, entry, newExecution, newTask, park, scene, turnOf } from "./scene.ts";

/** How executions begin. */
export function dispatchConformance(backend: ConformanceBackend): void {
  describe("dispatching", () => {
    scene(backend, "keeps what it was given, and answers with the key", async (one) => {
      const given = newExecution({
        id: "a",
        version: "2",
        input: "[1]",
        options: "{}",
        queue: "slow",
        priority: 7,
        tags: ["eu", "gpu"],
        delayMs: 5,
        maxDurationMs: 100,
      });
      const answer = await one.dispatch(given);
      const row = await one.row("a");
      assert.deepEqual(answer, { kind: "created", key: row.key, claim: 0, now: one.now });
      const {
        key: _key,
        createdAt,
        notBefore,
        deadline,
        dueAt,
        state,
        run,
        cut,
        attempt,
        failures,
        wakeSeq,
        startedAt,
        ...kept
      } = row;
      assert.deepEqual(
        [createdAt, notBefore, deadline, dueAt],
        [one.now, one.now + 5, one.now + 105, one.now + 5],
      );
      assert.deepEqual(
        [state, run, cut, attempt, failures, wakeSeq, startedAt],
        ["pending", 1, 0, 1, 0, 0, undefined],
      );
      const { id, name, kind, version, input, options, queue, priority, tags } = given;
      assertPart(kept, { id, name, kind, version, input, options, queue, priority, tags });
    });

    scene(
      backend,
      "keeps bytes as bytes and text as text, NUL and surrogates included",
      async (one) => {
        const bytes = new Uint8Array([0, 1, 255]);
        await one.dispatch({ id: "bytes", input: bytes });
        await one.dispatch({ id: "text", input: "a\0b\u{1f600}" });
        assert.deepEqual(new Uint8Array((await one.row("bytes")).input as Uint8Array), bytes);
        assert.equal((await one.row("text")).input, "a\0b\u{1f600}");
      },
    );

    scene(backend, "is refused for an id that is there, and changes nothing (I11)", async (one) => {
      await one.dispatch({ id: "a", input: "[1]" });
      assert.deepEqual(await one.dispatch({ id: "a", input: "[2]" }), {
        kind: "refused",
        reason: "exists",
        name: "flow",
      });
      assert.equal((await one.row("a")).input, "[1]");
    });

    for (const ifExists of ["reject", "join", "restart-if-failed"] as const) {
      scene(
        backend,
        `with "${ifExists}" is refused for the id of another function (I11)`,
        async (one) => {
          await one.dispatch({ id: "a", name: "other" });
          assert.deepEqual(await one.dispatch({ id: "a" }, { ifExists }), {
            kind: "refused",
            reason: "other-function",
            name: "other",
          });
        },
      );
    }

    scene(backend, "joins the one that is there", async (one) => {
      await one.dispatch({ id: "a", input: "[1]" });
      assert.deepEqual(await one.dispatch({ id: "a", input: "[2]" }, { ifExists: "join" }), {
        kind: "joined",
      });
      assert.equal(await one.count("executions"), 1);
    });

    scene(backend, "is all or nothing", async (one) => {
      await one.dispatch({ id: "b" });
      const answers = await one.one(
        "dispatch",
        dispatchOf([
          newExecution({ id: "a" }),
          newExecution({ id: "b" }),
          newExecution({ id: "c" }),
        ]),
      );
      assert.equal(answers[1]?.kind, "refused");
      assert.equal(await one.count("executions"), 1);
    });

    scene(backend, "of one id twice in one request is refused, and stores nothing", async (one) => {
      const answers = await one.one(
        "dispatch",
        dispatchOf([
          newExecution({ id: "a" }),
          newExecution({ id: "b" }),
          newExecution({ id: "a" }),
        ]),
      );
      assert.deepEqual(
        answers.map((answer) => answer.kind),
        ["refused", "joined", "refused"],
      );
      assert.equal(await one.count("executions"), 0);
    });

    scene(
      backend,
      "of one id twice in one commit stores the first, and refuses the second (I11)",
      async (one) => {
        const dispatch = (id: string): Transition => ({
          kind: "dispatch",
          request: dispatchOf([newExecution({ id })]),
        });
        const settled = await one.commit(dispatch("a"), dispatch("a"), dispatch("b"));
        assert.deepEqual(
          settled.map((one) => "answer" in one && (one.answer as { kind: string }[])[0]?.kind),
          ["created", "refused", "created"],
        );
      },
    );

    scene(backend, "hands the execution to a session in the same commit", async (one) => {
      const session = await one.register();
      const answer = await one.dispatch({ id: "a" }, { adopt: session });
      assert.equal(answer.kind === "created" && answer.claim, 1);
      assertPart(await one.row("a"), {
        state: "running",
        worker: session,
        claim: 1,
        startedAt: one.now,
      });
      assert.deepEqual((await one.claim(session)).executions, []);
    });

    scene(
      backend,
      "hands nothing to a dead session, and nothing before its time (I3, I7)",
      async (one) => {
        const dead = await one.register();
        const live = await one.dies(dead);
        await one.dispatch({ id: "a" }, { adopt: dead });
        await one.dispatch({ id: "b", delayMs: 10 }, { adopt: live });
        for (const id of ["a", "b"])
          assertPart(await one.row(id), { state: "pending", worker: undefined, claim: 0 });
      },
    );
  });

  describe("restarting what has failed", () => {
    for (const state of ["failed", "timed_out", "cancelled"] as const) {
      scene(
        backend,
        `begins a new run of one that ended as ${state}, with what it is given`,
        async (one) => {
          const session = await one.register();
          const held = await one.start(session, { id: "a", priority: 1, tags: ["old"] });
          await one.end(held, {}, state);
          one.clock.advance(1_000);
          const answer = await one.dispatch(
            { id: "a", input: "[2]", queue: "q", priority: 5, maxDurationMs: 9, version: "2" },
            { ifExists: "restart-if-failed" },
          );
          assert.equal(answer.kind, "restarted");
          assertPart(await one.row("a"), {
            state: "pending",
            run: 2,
            cut: 0,
            attempt: 1,
            failures: 0,
            input: "[2]",
            queue: "q",
            priority: 5,
            tags: [],
            version: "2",
            result: undefined,
            endedAt: undefined,
            startedAt: undefined,
            failedBy: undefined,
            cancelReason: undefined,
            deadline: one.now + 9,
            dueAt: one.now,
          });
          const { row } = await one.claimOne(session);
          assert.deepEqual([row.fresh, row.run, row.claim > held.claim], [true, 2, true]);
        },
      );
    }

    scene(
      backend,
      "leaves counters, state, marks and dead letters of the former life behind, and keeps what waits in the inbox",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { id: "a" });
        await one.signal("a", "1");
        await one.stored(
          held,
          { counters: [{ name: "n", value: 1 }], state: [{ name: "s", value: "v" }] },
          ended("failed", { deadLetter: "a/1/1" }),
        );
        await one.dispatch({ id: "a" }, { ifExists: "restart-if-failed" });
        assert.deepEqual(await one.store.counters(held.execution), []);
        assert.deepEqual(await one.store.state(held.execution), []);
        assert.deepEqual(await one.store.deadLetters({ limit: 9 }), []);
        assert.equal((await one.store.inbox(held.execution, "go", 9)).length, 1);
      },
    );

    scene(backend, "joins one that is under way, and one that completed", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      assert.equal(
        (await one.dispatch({ id: "a" }, { ifExists: "restart-if-failed" })).kind,
        "joined",
      );
      await one.end(held);
      assert.equal(
        (await one.dispatch({ id: "a" }, { ifExists: "restart-if-failed" })).kind,
        "joined",
      );
      assert.equal((await one.row("a")).run, 1);
    });

    scene(backend, "shuts out whoever held the former run (S2)", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      await one.cancel("a", { force: true });
      const answer = await one.dispatch(
        { id: "a" },
        { ifExists: "restart-if-failed", adopt: session },
      );
      assert.ok(answer.kind === "restarted" && answer.claim > held.claim);
      assert.deepEqual(await one.turn(held, {}), { kind: "refused", reason: "lost" });
      assert.deepEqual(await one.turn({ ...held, run: 2 }, {}), {
        kind: "refused",
        reason: "lost",
      });
    });

    scene(backend, "takes the tasks of the former run away", async (one) => {
      const session = await one.register();
      const held = await one.calling(session, { id: "a" });
      await one.cancel("a", { force: true });
      await one.dispatch({ id: "a" }, { ifExists: "restart-if-failed" });
      assert.equal(await one.count("tasks"), 0);
      assert.equal((await one.store.entries(held.execution, 1)).length, 1);
      assert.deepEqual(await one.store.entries(held.execution, 2), []);
    });
  });

  describe("a commit", () => {
    scene(backend, "stores the neighbours of a transition that is impossible", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      const bad = turnOf(held, { entries: [entry(1), entry(1)], tasks: [newTask(1)] }, park());
      const settled = await one.commit(
        { kind: "dispatch", request: dispatchOf([newExecution({ id: "b" })]) },
        { kind: "turn", request: bad },
        {
          kind: "signal",
          request: { executionId: "b", name: "go", payload: "1", dedupe: undefined },
        },
        {
          kind: "signal",
          request: { executionId: "nobody", name: "go", payload: "1", dedupe: undefined },
        },
      );
      assert.deepEqual(
        settled.map((one) => ("answer" in one ? "answer" : "error")),
        ["answer", "error", "answer", "answer"],
      );
      assert.equal(await one.state("b"), "pending");
      assert.equal((await one.count("journal")) + (await one.count("tasks")), 0);
      assertPart(await one.row("a"), { worker: session, wakeSeq: 0 });
      await one.end(held);
    });

    scene(backend, "is all of a turn or nothing, however late it fails", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      await one.signal("a", "1");
      const parts = {
        entries: [entry(1), entry(2, { kind: "signal" })],
        tasks: [newTask(1)],
        counters: [{ name: "n", value: 1 }],
        consumed: [{ signal: 99, seq: 2 }],
      };
      await assert.rejects(one.turn(await one.refreshed(held), parts), /consumed already/);
      for (const table of ["journal", "tasks", "counters"]) assert.equal(await one.count(table), 0);
    });

    scene(backend, "of nothing is a commit", async (one) => {
      assert.deepEqual(await one.store.commit([]), {
        settled: [],
        hints: { woken: [], ended: [], ready: false, stopped: [] },
      });
    });

    scene(backend, "that is handed in while another is written waits for it", async (one) => {
      const dispatch = (id: string): Transition => ({
        kind: "dispatch",
        request: dispatchOf([newExecution({ id })]),
      });
      await Promise.all([one.store.commit([dispatch("a")]), one.store.commit([dispatch("b")])]);
      assert.equal(await one.count("executions"), 2);
    });

    scene(backend, "passes ten thousand transitions", async (one) => {
      const session = await one.register();
      const ids = Array.from({ length: 10_000 }, (_, index) => `n-${index}`);
      await one.commit(
        ...ids.map((id): Transition => ({
          kind: "dispatch",
          request: dispatchOf([newExecution({ id })]),
        })),
      );
      const { executions, more } = await one.claim(session, { limit: 9_999 });
      assert.deepEqual([executions.length, more], [9_999, true]);
      assert.deepEqual(
        executions.map((row) => row.id),
        ids.slice(0, -1),
      );
    });
  });
}
