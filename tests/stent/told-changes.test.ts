import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InProcessNotifier, type NotificationBackend } from "../../src/notify/notifier.ts";
import { anything, type ForeignHints } from "../../src/store/foreign-changes.ts";
import { ToldChanges } from "../../src/stent/told-changes.ts";
import { turns } from "../support/client.ts";

const none = { ready: false, woken: [], ended: [], stopped: [] };

describe("what processes tell each other", () => {
  test("is what their commits did, and nothing where that concerns nobody", async () => {
    const wire = new InProcessNotifier();
    const here = new ToldChanges(wire);
    const heard: ForeignHints[] = [];
    new ToldChanges(wire).on((hints) => heard.push(hints));
    here.publish(none);
    await turns();
    assert.deepEqual(heard, []);
    here.publish({ ...none, woken: [1] });
    here.publish({ ...none, ready: true });
    await turns();
    assert.deepEqual(heard, [{ ...none, woken: [1], ready: true }]);
  });

  test("begins with the first word or listener", async () => {
    for (const begin of [
      (changes: ToldChanges) => changes.publish({ ...none, ready: true }),
      (changes: ToldChanges) => void changes.on(() => undefined),
    ]) {
      const backend = new CountingBackend();
      const changes = new ToldChanges(backend);
      changes.publish(none);
      assert.equal(backend.subscriptions, 0);
      begin(changes);
      changes.on(() => undefined);
      assert.equal(backend.subscriptions, 1);
    }
  });

  test("counts as changed by what has ended, and is not known before it has begun", async () => {
    const backend = new CountingBackend();
    const changes = new ToldChanges(backend);
    changes.on(() => undefined);
    const seen = [changes.changes];
    for (const topics of [["*"], ["ready", "woken:1"], ["ended:a"], ["ended:*"]]) {
      backend.tell(topics);
      seen.push(changes.changes);
    }
    assert.deepEqual(seen, [undefined, 1, 1, 2, 3]);
  });

  test("is anything where hints were missed", async () => {
    const backend = new CountingBackend();
    const heard: ForeignHints[] = [];
    new ToldChanges(backend).on((hints) => heard.push(hints));
    backend.tell(["*"]);
    assert.deepEqual(heard, [anything]);
  });

  test("reaches nobody after leaving and closing", async () => {
    const backend = new CountingBackend();
    const changes = new ToldChanges(backend);
    const heard: string[] = [];
    const leave = changes.on(() => heard.push("left"));
    changes.on(() => heard.push("stays"));
    leave();
    backend.tell(["ready"]);
    await changes.close();
    backend.tell(["ready"]);
    assert.deepEqual(heard, ["stays"]);
    assert.equal(backend.closed, 1);
  });

  test("may fail without anybody's noticing", async () => {
    const failing = new CountingBackend();
    failing.publish = () => Promise.reject(new Error("down"));
    failing.subscribe = () => Promise.reject(new Error("down"));
    const changes = new ToldChanges(failing);
    changes.on(() => undefined);
    changes.publish({ ...none, ready: true });
    await turns(); // an unhandled rejection would fail the test
    await assert.rejects(changes.begin(), /down/);
  });
});

class CountingBackend implements NotificationBackend {
  subscriptions = 0;
  closed = 0;
  tell: (topics: readonly string[]) => void = () => undefined;

  async publish(): Promise<void> {
    // nobody else is there
  }

  async subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    this.subscriptions += 1;
    this.tell = listener;
    return async () => undefined;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}
