import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Next, Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  change,
  completed,
  ended,
  entry,
  failed,
  heldBy,
  newTask,
  park,
  scene,
  turnOf,
  type Held,
  type Scene,
} from "./scene.ts";

/** Maps over workflows: each item is a child. */
export function mapChildrenConformance(backend: ConformanceBackend): void {
  describe("a map over a workflow", () => {
    scene(backend, "begins a child an item, under an id of its own (I11)", async (one) => {
      const session = await one.register();
      const options = { queue: "q", priority: 3, tags: ["t"], version: "v2", maxDuration: 500 };
      const held = await one.fanning(session, 2, { id: "p", options: { ...options, retry: {} } });
      assertPart(await one.store.executions({ parentId: "p", limit: 9 }), [
        { id: "p/1/1.1", input: "in-1", name: "flow", version: "v2", parentId: "p" },
        { id: "p/1/1.0", input: "in-0", queue: "q", priority: 3, tags: ["t"], state: "pending" },
      ]);
      assertPart(await one.row("p/1/1.0"), {
        deadline: one.now + 500,
        options: JSON.stringify({ ...options, retry: {} }),
      });
      assertPart(
        await one.query("select parent, parent_item, root from stent_executions order by key"),
        [
          { parent: null, parent_item: null, root: null },
          { parent: held.execution, parent_item: 0, root: held.execution },
          { parent: held.execution, parent_item: 1, root: held.execution },
        ],
      );
    });

    scene(backend, "takes what it does not set from its execution", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "p", queue: "q", priority: 4, tags: ["t"] });
      await one.parked(held, mapOf(1));
      assertPart(await one.row("p/1/1.0"), { queue: "q", priority: 4, tags: ["t"] });
      assert.equal((await one.row("p/1/1.0")).options, undefined);
    });

    scene(backend, "ends once, with the last of them, many in one commit", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 6);
      const children = await claimed(one, session);
      await one.commit(...children.slice(0, 2).map((child) => ends(child)));
      assert.deepEqual(await one.arrivals(held.id), []);
      await one.commit(...children.slice(2).map((child) => ends(child)));
      assertPart(await one.arrivals(held.id), [{ kind: "map", seq: 1, status: 1 }]);
      assert.deepEqual(
        (await one.store.items(held.execution, 1, 1)).map(({ value }) => value),
        children.map(({ id }) => `out of ${id}`),
      );
      assert.equal(await one.count("fanouts"), 0);
      assert.equal((await one.row(held.id)).dueAt, one.now);
    });

    scene(backend, "begins the next with the commit that ends one", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 7, { concurrency: 3 });
      const [a, b, c] = await claimed(one, session);
      await one.commit(ends(a), ends(b));
      assert.deepEqual(await statesOf(one, held.id), [
        "completed 1",
        "completed 1",
        "running 1",
        "pending 1",
        "pending 1",
      ]);
      await one.commit(ends(c), ...(await claimed(one, session)).map((child) => ends(child)));
      assert.equal(await underWay(one), 2);
      await one.commit(...(await claimed(one, session)).map((child) => ends(child)));
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      assert.equal(await one.count("executions", "state = 'completed'"), 7);
    });

    scene(
      backend,
      "fails at the first failure that counts: what is under way is cancelled, the rest never begins",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 9, { concurrency: 4 });
        const [a, b] = await claimed(one, session, 2);
        await one.commit(ends(a, "failed"));
        assertPart(await one.arrivals(held.id), [{ kind: "item", seq: 1, status: 2, value: "0" }]);
        assertPart((await one.store.items(held.execution, 1, 1)).slice(0, 2), [
          { item: 0, status: 2, value: `out of ${a?.id}` },
          { item: 1, status: 0 },
        ]);
        assert.equal(await one.state(b?.id ?? ""), "cancelling");
        assert.equal(await one.count("executions", "state = 'cancelled'"), 2);
        await one.stored(await one.refreshed(held1(b)), { knowsCancel: true }, ended("cancelled"));
        assert.equal((await one.arrivals(held.id)).length, 1);
        assert.equal((await one.count("executions")) + (await one.count("fanouts")), 5);
        assertPart((await one.store.items(held.execution, 1, 1))[1], { status: 0 });
      },
    );

    scene(
      backend,
      "fails once where several fail in one commit, and keeps what came out well",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 4, { tolerated: 1 });
        const [a, b, c, d] = await claimed(one, session);
        await one.commit(ends(a, "failed"), ends(b, "failed"), ends(c), ends(d, "failed"));
        assertPart(await one.arrivals(held.id), [{ kind: "item", value: "1" }]);
        assert.deepEqual(
          (await one.store.items(held.execution, 1, 1)).slice(0, 3).map(({ status }) => status),
          [2, 2, 1],
        );
      },
    );

    scene(backend, "bears as many failures as are said, or any number", async (one) => {
      const session = await one.register();
      for (const tolerated of [2, undefined]) {
        const held = await one.fanning(session, 3, { tolerated });
        const [a, b, c] = await claimed(one, session);
        await one.commit(ends(a, "failed"), ends(b, "timed_out"), ends(c));
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
        await one.end(await one.claimOne(session));
      }
    });

    scene(backend, "has a child that was cancelled by itself as a failed item", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 2, { tolerated: undefined });
      await one.cancel(`${held.id}/1/1.1`, { reason: "not this one" });
      assertPart((await one.store.items(held.execution, 1, 1))[1], {
        status: 2,
        value: "cancelled: not this one",
      });
      await one.cancel(`${held.id}/1/1.0`, { force: true });
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "has a child that passed its deadline as a failed item", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 2, { options: { maxDuration: 20 } });
      one.clock.advance(20);
      await one.one("expire", { limit: 9 });
      assertPart(await one.arrivals(held.id), [{ kind: "item", value: "0" }]);
      assertPart((await one.store.items(held.execution, 1, 1))[0], { value: "timed out" });
    });

    scene(backend, "waits for a child that is blocked, and names it", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 3, { tolerated: undefined });
      const [a, b] = await claimed(one, session);
      await one.commit(
        ends(a, "failed"),
        turn(b, { kind: "block", reason: "{}", deadLetter: undefined }),
      );
      assert.deepEqual(await one.store.mapProgress(held.execution, 1, 1), {
        total: 3,
        left: 2,
        unqueued: 0,
        failed: 1,
        blocked: b?.id,
      });
      assert.deepEqual(await one.arrivals(held.id), []);
    });

    scene(
      backend,
      "begins nothing behind a cancel that its turn has not seen (I10)",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 5, { concurrency: 1 });
        const [child] = await claimed(one, session);
        await one.cancel(held.id);
        await one.commit(ends(child));
        assert.equal(await underWay(one), 0);
        // It leaves its map alone.
        await one.stored(await one.claimOne(session), { knowsCancel: true }, park());
        assert.equal(await underWay(one), 1);
        const begins = await one.start(session, { id: "begins" });
        await one.cancel("begins");
        assert.deepEqual(await one.turn(begins, mapOf(2), park()), {
          kind: "refused",
          reason: "cancelled",
        });
      },
    );
  });

  describe("the children of a map that is not waited for", () => {
    scene(backend, "are cancelled when it is withdrawn, and none begins any more", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 6, { concurrency: 2 });
      const [a] = await claimed(one, session, 1);
      const mother = await woken(one, session, held);
      await one.stored(mother, { withdrawn: [{ seq: 1, kind: "map" }] });
      assert.deepEqual(
        [await one.state(`${held.id}/1/1.0`), await one.state(`${held.id}/1/1.1`)],
        ["cancelling", "cancelled"],
      );
      await one.stored(await one.refreshed(held1(a)), { knowsCancel: true }, ended("cancelled"));
      assert.deepEqual(
        [await one.count("fanouts"), await one.count("arrivals"), await one.count("executions")],
        [0, 0, 3],
      );
      await one.end(mother);
    });

    scene(backend, "end with it when it is forced", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 6, { concurrency: 2 });
      await claimed(one, session, 1);
      await one.cancel(held.id, { force: true });
      assert.equal(await one.count("executions", "state = 'cancelled'"), 3);
      assert.equal((await one.count("fanouts")) + (await one.count("arrivals")), 0);
    });

    scene(
      backend,
      "are told and waited for where it is closed, and then it has failed",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 6, { concurrency: 3 });
        const [a, b] = await claimed(one, session, 2);
        const mother = await closing(one, session, held);
        const told = { told: [{ seq: 1, kind: "map" }], knowsCancel: true };
        await one.parked(mother, told, one.now + 30_000);
        assert.equal(await one.state(a?.id ?? ""), "cancelling");
        await one.stored(await one.refreshed(held1(a)), { knowsCancel: true }, ended("cancelled"));
        assert.deepEqual(await one.arrivals(held.id), [], "the other is waited for");
        await one.stored(await one.refreshed(held1(b)), { knowsCancel: true }, ended("cancelled"));
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
        assert.deepEqual(
          (await one.store.items(held.execution, 1, 1)).map(({ status }) => status),
          [2, 2, 2, 3, 3, 3],
        );
        assert.equal(await one.count("executions"), 4);
      },
    );

    scene(backend, "end at once where none has begun to run (S3)", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 6, { concurrency: 3 });
      const mother = await closing(one, session, held);
      const told = { told: [{ seq: 1, kind: "map" }], knowsCancel: true };
      const answer = await one.stored(mother, told, park(one.now + 30_000));
      assert.equal(answer.released, false);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
    });
  });

  describe("a map over a workflow that meets a stranger under the id of a child", () => {
    for (const tolerated of [0, undefined]) {
      const borne = tolerated === 0 ? "" : ", whatever it bears";
      scene(backend, `fails at once, and none of its children goes on${borne}`, async (one) => {
        const session = await one.register();
        await one.dispatch({ id: "p/1/1.2", delayMs: 60_000 });
        const held = await one.start(session, { id: "p" });
        const answer = await one.stored(held, mapOf(4, { tolerated }), park());
        assert.equal(answer.released, false);
        assertPart(await one.arrivals("p"), [{ kind: "item", value: "2" }]);
        assertPart((await one.store.items(held.execution, 1, 1))[2], { value: "taken: p/1/1.2" });
        assert.deepEqual(
          [await one.state("p/1/1.0"), await one.state("p/1/1.1"), await one.state("p/1/1.2")],
          ["cancelled", "cancelled", "pending"],
        );
        assert.equal(await one.store.execution("p/1/1.3"), undefined);
      });
    }

    scene(backend, "fails so with a later child too", async (one) => {
      const session = await one.register();
      await one.dispatch({ id: "p/1/1.2", delayMs: 60_000 });
      await one.fanning(session, 4, { id: "p", concurrency: 2 });
      const [a, b] = await claimed(one, session);
      await one.commit(ends(a));
      assertPart(await one.arrivals("p"), [{ kind: "item", value: "2" }]);
      assert.deepEqual(
        [await one.state(b?.id ?? ""), await one.state("p/1/1.2")],
        ["cancelling", "pending"],
      );
    });
  });

  describe("a map over a workflow that goes on", () => {
    scene(
      backend,
      "keeps what has a result; failed children go on, cancelled ones and the rest begin, as its bound allows",
      async (one) => {
        const session = await one.register();
        const held = await failedMap(one, session, { items: 7, concurrency: 3 });
        assert.deepEqual(await one.retry(held.id), { kind: "done" });
        assert.deepEqual(await statesOf(one, held.id), [
          "completed 1",
          "running 1",
          "pending 2",
          "pending 2",
        ]);
        const seen = new Set<string>();
        for (let children = await again(one, session, held); children.length > 0;) {
          assert.ok(children.length <= 3 && (await underWay(one)) <= 3);
          for (const { id } of children) seen.add(id);
          await one.commit(...children.map((child) => ends(child)));
          children = await claimed(one, session).then((all) =>
            all.filter(({ id }) => id !== held.id),
          );
        }
        assert.deepEqual(
          [...seen].toSorted(),
          [1, 2, 3, 4, 5, 6].map((item) => `${held.id}/1/1.${item}`),
        );
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      },
    );

    scene(
      backend,
      "lets no more go on at a time than its bound, however many failed",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 5, { tolerated: undefined, concurrency: 2 });
        for (let round = 0; round < 2; round += 1)
          await one.commit(...(await claimed(one, session)).map((child) => ends(child, "failed")));
        await withdrawnAndFailed(one, session, held);
        await one.retry(held.id);
        assert.equal(await underWay(one), 2);
        assert.deepEqual(await statesOf(one, held.id), [
          "running 1",
          "running 1",
          "failed 1",
          "failed 1",
          "cancelled 1",
        ]);
        const [a] = await again(one, session, held);
        await one.commit(ends(a));
        assert.equal(await one.state(`${held.id}/1/1.2`), "running");
        assert.equal(await underWay(one), 2);
      },
    );

    scene(backend, "is refused while one of its children is still closing", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 3);
      const [bad, sibling] = await claimed(one, session, 2);
      await one.commit(ends(bad, "failed"));
      await failsBy(one, session, held);
      assert.deepEqual(await one.retry(held.id), { kind: "running" });
      assert.equal(await one.state(bad?.id ?? ""), "failed");
      await one.stored(
        await one.refreshed(held1(sibling)),
        { knowsCancel: true },
        ended("cancelled"),
      );
      assert.deepEqual(await one.retry(held.id), { kind: "done" });
    });

    scene(backend, "is refused for what one of its children did after its failure", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 3, { concurrency: 2 });
      const children = await claimed(one, session);
      const child = held1(children[1]);
      await one.stored(child, { entries: [entry(1, { here: true })] });
      const release = entry(2, { name: "release", here: true, reached: 1 });
      await one.stored(child, {
        changes: [change(1, 1, { status: 2, value: "error" })],
        entries: [release],
      });
      await one.stored(child, { changes: [change(2, 2)] }, ended("failed", { failedBy: 1 }));
      const [first] = children;
      await one.stored(
        await one.refreshed(held1(first)),
        { knowsCancel: true },
        ended("cancelled"),
      );
      await failsBy(one, session, held);
      const refusal = { kind: "cleaned-up", executionId: child.id, steps: ["call(release)"] };
      assert.deepEqual(await one.retry(held.id), refusal);
      assert.equal(await one.state(held.id), "failed");
      assert.deepEqual(await one.retry(held.id, "failure", true), { kind: "done" });
      assert.equal(await one.state(child.id), "running");
    });

    scene(
      backend,
      "goes on by the child by which it failed, with the other children that are open",
      async (one) => {
        const session = await one.register();
        const held = await failedMap(one, session, { items: 7, concurrency: 3 });
        assert.deepEqual(await one.retry(`${held.id}/1/1.1`), { kind: "done" });
        assert.equal(await one.state(held.id), "running");
        assert.deepEqual(await statesOf(one, held.id), [
          "completed 1",
          "running 1",
          "pending 2",
          "pending 2",
        ]);
        assert.equal(await underWay(one), 3);
      },
    );

    scene(backend, "is left alone by a child that it had cancelled", async (one) => {
      const session = await one.register();
      const held = await failedMap(one, session, { items: 5, concurrency: 3 });
      const sibling = `${held.id}/1/1.2`;
      assert.deepEqual(await one.retry(sibling, "start"), { kind: "done" });
      assert.equal(await one.state(held.id), "failed");
      await one.end(await one.claimOne(session), {}, "completed");
      await one.retry(held.id);
      await again(one, session, held);
      assert.equal(await one.state(sibling), "completed", "it is not run again");
      assertPart((await one.store.items(held.execution, 1, 1))[2], { status: 1 });
    });

    scene(
      backend,
      "waits again for a child that is retried while it goes on, beside its bound",
      async (one) => {
        const session = await one.register();
        const held = await one.fanning(session, 5, { tolerated: undefined, concurrency: 1 });
        const [a] = await claimed(one, session);
        await one.commit(ends(a, "failed"));
        await one.retry(a?.id ?? "");
        assertPart(await one.store.mapProgress(held.execution, 1, 1), { left: 5, failed: 0 });
        assert.equal(await underWay(one), 2);
        const children = await claimed(one, session);
        await one.commit(...children.filter(({ id }) => id === a?.id).map((child) => ends(child)));
        assert.equal(await underWay(one), 1);
        assertPart((await one.store.items(held.execution, 1, 1))[0], { status: 1 });
      },
    );

    scene(backend, "ends at once where every item has its result already", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 2);
      await one.commit(...(await claimed(one, session)).map((child) => ends(child)));
      await withdrawnAndFailed(one, session, held);
      await one.retry(held.id);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      assert.equal(await one.count("fanouts"), 0);
    });

    scene(backend, "begins as new children where it was cancelled by a new run", async (one) => {
      const session = await one.register();
      const held = await failedMap(one, session, { items: 3, concurrency: 3 });
      await one.retry(held.id, "start");
      const mother = await one.claimOne(session);
      await one.parked(mother, mapOf(2));
      assert.deepEqual(
        (await claimed(one, session)).map(({ id }) => id),
        [`${held.id}/2/1.0`, `${held.id}/2/1.1`],
      );
    });

    scene(backend, "lets go of the children of what is taken out of the journal", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "p" });
      await one.stored(held, { entries: [entry(1, { here: true })] });
      const late = mapOf(1, { seq: 2, reached: 1 });
      await one.parked(held, {
        changes: [change(1, 1, { status: 2, value: "error" })],
        ...late,
      });
      const [child] = await claimed(one, session);
      await one.commit(ends(child, "failed"));
      const mother = await one.claimOne(session);
      const [arrival] = await one.arrivals("p");
      await one.stored(
        mother,
        {
          arrived: [arrival?.key ?? 0],
          changes: [change(2, 2, { status: 2, value: "error" })],
        },
        ended("failed", { failedBy: 1 }),
      );
      await one.retry("p");
      assertPart(
        await one.query("select parent_seq, parent_item from stent_executions where key > 1"),
        [{ parent_seq: null, parent_item: null }],
      );
      await one.retry(child?.id ?? "");
      const [first, second] = (await one.claim(session)).executions;
      const own = first?.id === "p" ? second : first;
      assert.ok(own !== undefined);
      await one.end(heldBy(session, own));
      assert.equal(await one.count("arrivals"), 0);
    });
  });

  describe("a map of activities that goes on", () => {
    scene(backend, "puts no more items into the queue than its bound", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.parked(held, {
        entries: [entry(1, { kind: "map", options: JSON.stringify({ concurrency: 2 }) })],
        fanouts: [{ seq: 1, inputs: ["0", "1", "2", "3", "4", "5"], tolerated: 0, released: 2 }],
        tasks: [newTask(1, { itemFrom: 0, itemTo: 2 })],
      });
      const first = await one.claimTask(session);
      await one.outcome(session, first, completed, 0);
      await one.outcome(session, first, failed, 1);
      await failsBy(one, session, held);
      await one.retry(held.id);
      const seen: (number | undefined)[] = [];
      for (let left = 5; left > 0;) {
        const { tasks } = await one.claim(session);
        const items = tasks.flatMap((task) => task.items.map(({ item }) => item));
        assert.ok(items.length > 0 && items.length <= 2, `${items.length} in flight`);
        seen.push(...items);
        left -= items.length;
        for (const task of tasks)
          for (const { item } of task.items) await one.outcome(session, task, completed, item);
      }
      assert.deepEqual(seen, [1, 2, 3, 4, 5]);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "ends at once where every item has its result already", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 2);
      const task = await one.claimTask(session);
      await one.outcome(session, task, completed, 0);
      await one.outcome(session, task, completed, 1);
      await withdrawnAndFailed(one, session, held);
      await one.retry(held.id);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });
  });

  describe("the tree of a map over a workflow", () => {
    scene(backend, "is removed as a whole, and not before all of it has ended", async (one) => {
      const session = await one.register();
      const held = await one.fanning(session, 3);
      const [a, b] = await claimed(one, session, 2);
      await one.commit(ends(a, "failed"));
      await failsBy(one, session, held);
      const remove = () => one.one("remove", { keys: [held.execution] });
      assert.deepEqual((await remove()).removed, []);
      await one.stored(await one.refreshed(held1(b)), { knowsCancel: true }, ended("cancelled"));
      assert.equal((await remove()).removed.length, 4);
      assert.equal((await one.count("executions")) + (await one.count("items")), 0);
    });
  });
}

/** What a turn says that makes a map over a workflow. */
function mapOf(
  items: number,
  parts: {
    readonly seq?: number;
    readonly tolerated?: number | undefined;
    readonly reached?: number;
  } = {},
) {
  const { seq = 1, reached = 0 } = parts;
  const tolerated = "tolerated" in parts ? parts.tolerated : 0;
  const borne = tolerated === 0 ? {} : { tolerated: tolerated ?? null };
  const options = { over: "workflow", ...borne };
  return {
    entries: [entry(seq, { kind: "map", name: "flow", options: JSON.stringify(options), reached })],
    fanouts: [
      {
        seq,
        inputs: Array.from({ length: items }, (_, item) => `in-${item}`),
        tolerated,
        released: items,
        children: true,
      },
    ],
  };
}

/** Takes what there is, which are children, in the order of their items. */
async function claimed(one: Scene, session: number, limit = 100): Promise<Held[]> {
  const { executions } = await one.claim(session, { limit });
  return executions
    .map((row) => heldBy(session, row))
    .toSorted((a, b) => a.execution - b.execution);
}

function held1(held: Held | undefined): Held {
  assert.ok(held !== undefined);
  return held;
}

function turn(held: Held | undefined, next: Next): Transition {
  return { kind: "turn", request: turnOf(held1(held), {}, next) };
}

/** The turn that ends it, with a result that names it. */
function ends(
  held: Held | undefined,
  state: "completed" | "failed" | "timed_out" = "completed",
): Transition {
  const result = `out of ${held1(held).id}`;
  return turn(held, {
    kind: "end",
    end: { state, result, failedBy: undefined, deadLetter: undefined },
  });
}

function underWay(one: Scene): Promise<number> {
  return one.count("executions", "parent is not null and ended_at is null");
}

/** State and run of every child, in the order of their items. */
async function statesOf(one: Scene, id: string): Promise<string[]> {
  const rows = await one.store.executions({ parentId: id, limit: 100 });
  return rows.toReversed().map(({ state, run }) => `${state} ${run}`);
}

/** A map of which the first item has completed, the second has failed, and what else was in flight is cancelled; its execution has failed by it. */
async function failedMap(
  one: Scene,
  session: number,
  { items, concurrency }: { readonly items: number; readonly concurrency: number },
): Promise<Held> {
  const held = await one.fanning(session, items, { concurrency });
  const [a] = await claimed(one, session, 1);
  await one.commit(ends(a));
  const [b, ...others] = await claimed(one, session);
  await one.commit(ends(b, "failed"));
  for (const other of others)
    await one.stored(await one.refreshed(other), { knowsCancel: true }, ended("cancelled"));
  await failsBy(one, session, held);
  return held;
}

/** What has arrived is delivered, and the execution fails by it. */
async function failsBy(one: Scene, session: number, held: Held): Promise<void> {
  const mother = await one.claimOne(session);
  const [arrival] = await one.arrivals(held.id);
  await one.stored(
    mother,
    { arrived: [arrival?.key ?? 0], changes: [change(1, 1, { status: 2, value: "error" })] },
    ended("failed", { failedBy: 1 }),
  );
}

/** The execution fails by something else: a message that did not come. */
async function withdrawnAndFailed(one: Scene, session: number, held: Held): Promise<void> {
  await one.signal(held.id, "1");
  const { executions } = await one.claim(session);
  for (const row of executions) {
    const again = heldBy(session, row);
    if (row.id === held.id)
      await one.stored(
        again,
        {
          withdrawn: [{ seq: 1, kind: "map" }],
          entries: [
            entry(2, { kind: "signal", name: "go", status: 2, value: "late", delivery: 1 }),
          ],
        },
        ended("failed", { failedBy: 1 }),
      );
  }
  for (const row of executions)
    if (row.id !== held.id)
      await one.stored(
        await one.refreshed(heldBy(session, row)),
        { knowsCancel: true },
        ended("cancelled"),
      );
}

/** Lets the execution wait again, and takes its children. */
async function again(one: Scene, session: number, held: Held): Promise<Held[]> {
  const all = await claimed(one, session);
  const mother = all.find(({ id }) => id === held.id);
  await one.turn(held1(mother), {}, park());
  return all.filter(({ id }) => id !== held.id);
}

/** Its holder again, after a message. */
async function woken(one: Scene, session: number, held: Held): Promise<Held> {
  await one.signal(held.id, "1");
  const { executions } = await one.claim(session, { limit: 0 });
  const row = executions.find(({ id }) => id === held.id);
  assert.ok(row !== undefined);
  return heldBy(session, row);
}

/** Its holder again, after a cancel. */
async function closing(one: Scene, session: number, held: Held): Promise<Held> {
  await one.cancel(held.id);
  const { executions } = await one.claim(session, { limit: 0 });
  const row = executions.find(({ id }) => id === held.id);
  assert.ok(row?.state === "cancelling");
  return heldBy(session, row);
}
