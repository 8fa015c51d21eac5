import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, test } from "node:test";
import { ClosedError } from "../../src/core/errors.ts";
import { InProcessNotifier } from "../../src/notify/notifier.ts";
import { settled } from "../support/manual-clock.ts";

describe("the notifier of one process", () => {
  test("tells every listener once a turn, with all that was published in it, each topic once", async () => {
    const notifier = new InProcessNotifier();
    const first = await listener(notifier);
    const second = await listener(notifier);
    await notifier.publish(["queue", "execution:1"]);
    await notifier.publish(["execution:2", "queue"]);
    await settled();
    assert.deepEqual(first.told, [["queue", "execution:1", "execution:2"]]);
    assert.deepEqual(second.told, first.told);
  });

  test("tells what is published later in a later turn", async () => {
    const notifier = new InProcessNotifier();
    const { told } = await listener(notifier);
    await notifier.publish(["a"]);
    await settled();
    await notifier.publish(["b"]);
    await settled();
    assert.deepEqual(told, [["a"], ["b"]]);
  });

  test("calls nobody while it is being told", async () => {
    const notifier = new InProcessNotifier();
    const { told } = await listener(notifier);
    await notifier.publish(["a"]);
    assert.deepEqual(told, []);
  });

  test("says nothing for no topics", async () => {
    const notifier = new InProcessNotifier();
    const { told } = await listener(notifier);
    await notifier.publish([]);
    await settled();
    assert.deepEqual(told, []);
  });

  test("tells the others when a listener throws or is rejected", async () => {
    const errors: unknown[] = [];
    const notifier = new InProcessNotifier({ onListenerError: (error) => errors.push(error) });
    const thrown = new Error("thrown");
    const rejected = new Error("rejected");
    await notifier.subscribe(() => {
      throw thrown;
    });
    await notifier.subscribe(() => Promise.reject(rejected) as never);
    const { told } = await listener(notifier);
    await notifier.publish(["a"]);
    await settled();
    assert.deepEqual(told, [["a"]]);
    assert.deepEqual(errors, [thrown, rejected]);
  });

  test("survives a listener that throws when nobody wants to know, and a reporter that throws", async () => {
    for (const options of [{}, { onListenerError: boom }]) {
      const notifier = new InProcessNotifier(options);
      await notifier.subscribe(boom);
      await notifier.publish(["a"]);
      await settled();
    }
  });

  test("no longer tells who has left", async () => {
    const notifier = new InProcessNotifier();
    const { told, leave } = await listener(notifier);
    await notifier.publish(["a"]);
    await leave();
    await leave();
    await settled();
    assert.deepEqual(told, []);
  });

  test("calls a listener once a subscription, if it subscribes twice", async () => {
    const notifier = new InProcessNotifier();
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    const leave = await notifier.subscribe(count);
    await notifier.subscribe(count);
    await leave();
    await notifier.publish(["a"]);
    await settled();
    assert.equal(calls, 1);
  });

  test("calls listeners in their own async context, not in the publisher's", async () => {
    const storage = new AsyncLocalStorage<string>();
    const notifier = new InProcessNotifier();
    const seen: (string | undefined)[] = [];
    await storage.run("subscriber", () => notifier.subscribe(() => seen.push(storage.getStore())));
    await storage.run("publisher", () => notifier.publish(["a"]));
    await settled();
    assert.deepEqual(seen, ["subscriber"]);
  });

  test("is silent after it was closed, which may be twice", async () => {
    const notifier = new InProcessNotifier();
    const { told } = await listener(notifier);
    await notifier.publish(["a"]);
    await notifier.close();
    await notifier.close();
    await notifier.publish(["b"]);
    await settled();
    assert.deepEqual(told, []);
    await assert.rejects(
      notifier.subscribe(() => undefined),
      ClosedError,
    );
  });
});

async function listener(
  notifier: InProcessNotifier,
): Promise<{ told: (readonly string[])[]; leave: () => Promise<void> }> {
  const told: (readonly string[])[] = [];
  const leave = await notifier.subscribe((topics) => told.push(topics));
  return { told, leave };
}

function boom(): never {
  throw new Error("boom");
}
