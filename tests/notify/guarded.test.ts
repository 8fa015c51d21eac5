import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GuardedNotifications } from "../../src/notify/guarded.ts";
import { InProcessNotifier, type NotificationBackend } from "../../src/notify/notifier.ts";
import { turns } from "../support/client.ts";
import { warnings } from "../support/hints.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { until, type Ending } from "../support/serving.ts";

const faults: Record<string, () => Promise<never>> = {
  rejects: () => Promise.reject(new Error("away")),
  throws: () => {
    throw new Error("away");
  },
  "rejects with nothing that can be shown": () => Promise.reject(Object.create(null)),
};

describe("a backend of the user's own", () => {
  test("is told what is published, what is said at the same time at once, and tells what it hears", async (t) => {
    const wire = new InProcessNotifier();
    const { guarded } = guarding(t, wire);
    const told: (readonly string[])[] = [];
    await guarded.subscribe((topics) => told.push(topics));
    await until("subscribed", () => told.length > 0);
    assert.deepEqual(told.splice(0), [["*"]]);
    await guarded.publish(["a"]);
    await guarded.publish(["b", "a"]);
    await until("told", () => told.length > 0);
    assert.deepEqual(told, [["a", "b"]]);
  });

  for (const [what, fault] of Object.entries(faults)) {
    test(`that ${what} is warned of once, and harms nobody`, async (t) => {
      const { guarded, log } = guarding(t, { publish: fault, subscribe: fault, close: fault });
      await guarded.subscribe(() => assert.fail("nothing can be heard"));
      for (let count = 0; count < 20; count += 1) {
        await guarded.publish([`topic:${count}`]);
        await turns();
      }
      await until("warned", () => warnings(log).length > 0);
      await guarded.close();
      assert.equal(warnings(log).length, 1);
      assert.match(warnings(log)[0] ?? "", /NotificationBackend.*polling/);
    });
  }

  test("that never answers holds up nobody, and one call of it is under way at a time", async (t) => {
    const calls: string[] = [];
    const hang = (what: string) => () => {
      calls.push(what);
      return new Promise<never>(() => undefined);
    };
    const { guarded } = guarding(t, {
      publish: hang("publish"),
      subscribe: hang("subscribe"),
      close: hang("close"),
    });
    const leave = await guarded.subscribe(() => undefined);
    for (let count = 0; count < 20; count += 1) {
      await guarded.publish([`topic:${count}`]);
      await turns();
    }
    await leave();
    await guarded.close();
    assert.deepEqual(calls.toSorted(), ["publish", "subscribe"]);
  });

  test("is subscribed to again until that succeeds", async (t) => {
    const wire = new InProcessNotifier();
    let tries = 0;
    const { guarded, log } = guarding(t, {
      publish: (topics) => wire.publish(topics),
      subscribe: (listener) => {
        tries += 1;
        return tries < 3 ? Promise.reject(new Error("away")) : wire.subscribe(listener);
      },
      close: () => wire.close(),
    });
    const told: (readonly string[])[] = [];
    await guarded.subscribe((topics) => told.push(topics));
    await until("subscribed", () => told.length > 0);
    assert.equal(tries, 3);
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ["warn", "info"],
    );
  });

  test("may tell nonsense: then anything may have changed", async (t) => {
    const { guarded, tell } = guarding(t, undefined);
    const told: (readonly string[])[] = [];
    await guarded.subscribe((topics) => told.push(topics));
    await until("subscribed", () => told.length > 0);
    told.length = 0;
    for (const nonsense of [undefined, "ready", [1], { length: 1 }]) tell(nonsense as never);
    assert.deepEqual(told, [["*"], ["*"], ["*"], ["*"]]);
  });

  test("is left, but not closed", async (t) => {
    const calls: string[] = [];
    const { guarded, tell } = guarding(t, undefined, calls);
    const told: (readonly string[])[] = [];
    await guarded.subscribe((topics) => told.push(topics));
    await until("subscribed", () => told.length > 0);
    await guarded.publish(["last"]);
    await guarded.close();
    tell(["later"]);
    assert.deepEqual(calls, ["subscribe", "publish last", "leave"]);
    assert.deepEqual(told, [["*"]]);
  });
});

/** With a backend of which the calls are kept, if none is given. */
function guarding(
  t: Ending,
  given: NotificationBackend | undefined,
  calls: string[] = [],
): {
  guarded: GuardedNotifications;
  log: MemoryLogger;
  tell: (topics: readonly string[]) => void;
} {
  const log = new MemoryLogger();
  const heard: { tell: (topics: readonly string[]) => void } = { tell: () => undefined };
  const kept: NotificationBackend = {
    publish: async (topics) => void calls.push(`publish ${topics.join(" ")}`),
    subscribe: async (listener) => {
      calls.push("subscribe");
      heard.tell = listener;
      return async () => void calls.push("leave");
    },
    close: async () => void calls.push("close"),
  };
  const guarded = new GuardedNotifications(given ?? kept, log);
  t.after(() => guarded.close());
  return { guarded, log, tell: (topics) => heard.tell(topics) };
}
