import assert from "node:assert/strict";
import { describe } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { sql, type Transaction } from "kysely";
import type { TransactAnswer, TransactRequest } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { closureOf, heldTransaction } from "./closures.ts";
import { change, entry, heldBy, park, scene, type Held, type Scene } from "./scene.ts";

type Tx = Transaction<{ ledger: { who: string } }>;
type Act = (tx: Tx) => unknown;

/** Closures of the user's that run inside the transaction that stores their outcome. */
export function transactionConformance(backend: ConformanceBackend): void {
  describe("a transaction of a workflow", () => {
    scene(
      backend,
      "stores what it wrote and its outcome, to be delivered by its holder",
      async (one) => {
        const held = await beginning(one);
        assert.deepEqual(await transact(one, held, post("a")), { kind: "stored" });
        assert.deepEqual(await written(one), ["a"]);
        assertPart(await one.store.entries(held.execution, 1), [
          { status: 1, value: "a", delivery: undefined, worker: undefined, attempt: 1 },
        ]);
        const { wakeSeq } = await one.row(held.id);
        assert.equal(wakeSeq, held.wakeSeq, "its holder is told by the answer");
        await one.stored(held, { changes: [change(1, 1, { value: "a" })] }, park(1_000));
      },
    );

    scene(
      backend,
      "stores nothing when it throws, or has a value that cannot be stored",
      async (one) => {
        const held = await beginning(one);
        const error = new Error("no");
        const throwing: Act = async (tx) => {
          await post("a")(tx);
          throw error;
        };
        assert.deepEqual(await transact(one, held, throwing), { kind: "rolled-back", error });
        const encode = (): never => {
          throw error;
        };
        assert.deepEqual(await transact(one, held, post("a"), { encode }), {
          kind: "rolled-back",
          error,
        });
        assert.deepEqual(await written(one), []);
        assertPart(await one.store.entries(held.execution, 1), [{ status: 0 }]);
        assert.deepEqual(await transact(one, held, post("b")), { kind: "stored" });
        assert.deepEqual(await written(one), ["b"]);
      },
    );

    scene(backend, "gives the error of a statement that fails", async (one) => {
      const held = await beginning(one);
      const answer = await transact(one, held, (tx) =>
        sql`insert into nowhere values (1)`.execute(tx),
      );
      assert.ok(answer.kind === "rolled-back" && answer.error instanceof Error);
      assert.match(answer.error.message, /nowhere/);
    });

    if (backend.closuresAside) besideConformance(backend);
    else betweenConformance(backend);

    scene(backend, "is not run for who does not hold its execution (I3, S1, S2)", async (one) => {
      const held = await beginning(one);
      assert.deepEqual(await transact(one, { ...held, claim: 7 }, never), refused("lost"));
      assert.deepEqual(await transact(one, { ...held, run: 2 }, never), refused("lost"));
      await one.dies(held.session);
      assert.deepEqual(await transact(one, held, never), refused("session"));
    });

    scene(backend, "is not run once its entry has an outcome, or is not wanted", async (one) => {
      const held = await beginning(one);
      await transact(one, held, post("a"));
      assert.deepEqual(await transact(one, held, never), refused("over"));
      await one.stored(held, {
        entries: [entry(2, { kind: "transaction", here: true })],
      });
      await one.stored(held, { withdrawn: [{ seq: 2, kind: "transaction" }] });
      assert.deepEqual(await transact(one, held, never, { seq: 2 }), refused("over"));
      assert.deepEqual(await written(one), ["a"]);
    });

    scene(backend, "is not run behind a cancel that its workflow has not seen", async (one) => {
      const held = await beginning(one);
      await one.cancel(held.id);
      assert.deepEqual(await transact(one, held, never), refused("cancelled"));
      const knowing = await transact(one, held, post("a"), { knowsCancel: true });
      assert.deepEqual(knowing, { kind: "stored" });
    });

    scene(
      backend,
      "keeps its outcome when nobody waits for it any more, and over a retry",
      async (one) => {
        const held = await beginning(one);
        await transact(one, held, post("a"));
        await one.stored(held, { withdrawn: [{ seq: 1, kind: "transaction" }] });
        await one.end(held, {}, "failed", 1);
        await one.retry(held.id);
        assertPart(await one.store.entries(held.execution, 1), [
          { status: 1, value: "a", delivery: undefined },
        ]);
      },
    );

    scene(
      backend,
      "was an attempt until it is stored; a death after that is its turn's",
      async (one) => {
        const held = await beginning(one);
        const next = await one.dies(held.session);
        const again = await one.claimOne(next);
        assertPart(await one.store.marks(held.execution, 1), [{ seq: 1 }]);
        await one.stored(again, { changes: [change(1, 0, { ...pending, attempt: 2 })] });
        await transact(one, again, post("a"));
        assert.deepEqual(await one.store.marks(held.execution, 1), []);
        const last = await one.dies(next);
        assertPart(await one.store.marks(held.execution, 1), [{ seq: -1 }]);
        const { executions } = await one.claim(last);
        assert.ok(executions[0] !== undefined);
        await one.stored(heldBy(last, executions[0]), { changes: [change(1, 1)] }, park(1_000));
      },
    );
  });
}

/** Where closures run between commits, one by one. */
function betweenConformance(backend: ConformanceBackend): void {
  scene(backend, "is rolled back when it waits for anything but its tx", async (one) => {
    const held = await beginning(one);
    let late: unknown;
    const waiting: Act = async (tx) => {
      await post("a")(tx);
      await pause(20);
      await post("b")(tx).catch((error: unknown) => {
        late = error;
      });
    };
    const answer = await transact(one, held, waiting);
    assert.ok(answer.kind === "rolled-back" && answer.error instanceof TypeError);
    assert.match(answer.error.message, /^the closure waited for something other than its tx/);
    await one.dispatch({ id: "next" });
    await pause(40);
    assert.match(String(late), /the closure is over/);
    assert.deepEqual(await written(one), []);
  });

  scene(
    backend,
    "shows nobody what is not committed, and holds up what is handed in",
    async (one) => {
      const held = await beginning(one);
      const order: string[] = [];
      const looking: Act = async (tx) => {
        const { key } = (await tx
          .selectFrom(sql<{ key: number }>`stent_executions`.as("e"))
          .select("key")
          .executeTakeFirst()) ?? { key: 0 };
        void one.store.executionByKey(key).then((row) => order.push(`read ${row?.id}`));
        void one.dispatch({ id: "beside" }).then(() => order.push("dispatched"));
        for (let n = 0; n < 20; n += 1) await post(String(n))(tx);
        order.push("ended");
      };
      assert.deepEqual(await transact(one, held, looking), { kind: "stored" });
      while (order.length < 3) await pause(1);
      assert.equal(order[0], "ended");
    },
  );
}

/** Where closures run beside commits, and beside each other. */
function besideConformance(backend: ConformanceBackend): void {
  scene(backend, "may wait for what is answered", async (one) => {
    const held = await beginning(one);
    const waiting: Act = async (tx) => {
      await post("a")(tx);
      await pause(1);
      await one.dispatch({ id: "meanwhile" });
      await post("b")(tx);
    };
    assert.deepEqual(await transact(one, held, waiting), { kind: "stored" });
    assert.deepEqual(await written(one), ["a", "b"]);
  });

  scene(backend, "shows nobody what is not committed, and holds up nothing", async (one) => {
    const held = await beginning(one);
    const other = await heldTransaction(one, held.session, { id: "third" });
    const looking: Act = async (tx) => {
      await post("a")(tx);
      assert.deepEqual(await written(one), []);
      await one.dispatch({ id: "beside" });
      assert.deepEqual(await transact(one, other, post("b")), { kind: "stored" });
      await one.signal(held.id, "hello");
      await one.cancel(other.id);
    };
    assert.deepEqual(await transact(one, held, looking), { kind: "stored" });
    assert.deepEqual((await written(one)).toSorted(), ["a", "b"]);
  });

  scene(backend, "is rolled back for what came in between: a cancel, a death", async (one) => {
    const held = await beginning(one);
    const other = await heldTransaction(one, held.session, { id: "third" });
    const cancelled: Act = async (tx) => {
      await post("a")(tx);
      await one.cancel(held.id);
    };
    assert.deepEqual(await transact(one, held, cancelled), refused("cancelled"));
    const died: Act = async (tx) => {
      await post("b")(tx);
      await one.dies(held.session);
    };
    assert.deepEqual(await transact(one, other, died), refused("session"));
    assert.deepEqual(await written(one), []);
  });
}

const never: Act = () => {
  throw new Error("it was not to be run");
};
const pending = { status: 0, value: undefined, delivery: undefined, here: true } as const;

/** An execution that is held, with a transaction that has begun, and a table of the user's. */
async function beginning(one: Scene): Promise<Held> {
  const session = await one.register();
  const held = await heldTransaction(one, session);
  const make: Act = (tx) => tx.schema.createTable("ledger").addColumn("who", "text").execute();
  const other = await heldTransaction(one, session, { id: "other" });
  assert.deepEqual(await transact(one, other, make), { kind: "stored" });
  await one.end(other, { changes: [change(1, 1)] });
  return held;
}

function transact(
  one: Scene,
  held: Held,
  act: Act,
  parts: Partial<TransactRequest> = {},
): Promise<TransactAnswer> {
  return one.store.transact(closureOf(held, act, parts));
}

function post(who: string): (tx: Tx) => Promise<string> {
  return async (tx) => {
    await tx.insertInto("ledger").values({ who }).execute();
    return who;
  };
}

async function written(one: Scene): Promise<string[]> {
  return (await one.query<{ who: string }>("select who from ledger")).map(({ who }) => who);
}

function refused(reason: "session" | "lost" | "cancelled" | "over"): TransactAnswer {
  return { kind: "refused", reason };
}
