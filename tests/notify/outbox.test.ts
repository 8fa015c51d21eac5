import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Outbox, type OutboxOptions } from "../../src/notify/outbox.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

describe("an outbox", () => {
  test("sends what is added within a turn as one message", async () => {
    const { outbox, sent } = outboxThat("works");
    for (let count = 0; count < 10_000; count += 1) outbox.add([`t${count % 3}`]);
    await settled();
    assert.deepEqual(sent, [["t0", "t1", "t2"]]);
  });

  test("sends nothing for no topics", async () => {
    const { outbox, sent } = outboxThat("works");
    outbox.add([]);
    await settled();
    assert.deepEqual(sent, []);
  });

  test("has one message under way; what is added meanwhile goes as the next", async () => {
    const { outbox, sent, answer } = outboxThat("waits");
    outbox.add(["a"]);
    await settled();
    outbox.add(["b"]);
    await settled();
    outbox.add(["c"]);
    await settled();
    assert.deepEqual(sent, [["a"]]);
    answer();
    await settled();
    await settled();
    assert.deepEqual(sent, [["a"], ["b", "c"]]);
  });

  test("leaves a gap between messages", async () => {
    const { outbox, sent, clock } = outboxThat("works", { gapMs: 5 });
    outbox.add(["a"]);
    await settled();
    outbox.add(["b"]);
    await clock.advanceAsync(4);
    assert.deepEqual(sent, [["a"]]);
    outbox.add(["c"]);
    await clock.advanceAsync(1);
    await settled();
    assert.deepEqual(sent, [["a"], ["b", "c"]]);
    await clock.advanceAsync(100);
    assert.equal(clock.pending, 0);
  });

  test("tries nothing while its breaker is open, then once, and keeps what was not sent", async () => {
    const { outbox, sent, sentAt, clock, failures } = outboxThat("fails");
    for (let ms = 0; ms < 8_000; ms += 50) {
      outbox.add([`t${ms % 200}`]);
      await settled();
      await clock.advanceAsync(50);
    }
    assert.deepEqual(sentAt, [0, 100, 200, 1_200, 3_200, 7_200]);
    assert.equal(failures.length, sent.length);
    assert.deepEqual(sent.at(-1)?.toSorted(), ["t0", "t100", "t150", "t50"]);
  });

  test("an outage makes nothing grow", async () => {
    const { outbox, sent, clock } = outboxThat("fails");
    for (let count = 0; count < 1_000; count += 1) outbox.add([`topic:${count}`]);
    await clock.advanceAsync(60_000);
    assert.deepEqual(sent.at(-1), ["topic:*"]);
    assert.equal(clock.pending, 1);
  });

  test("ends its pause when it is woken", async () => {
    const { outbox, sent, clock } = outboxThat("fails");
    outbox.add(["a"]);
    await clock.advanceAsync(10_000);
    const before = sent.length;
    outbox.wake();
    await settled();
    assert.equal(sent.length, before + 1);
    assert.equal(clock.pending, 1);
  });

  test("sends the last hints when it is closed, and none after that", async () => {
    const { outbox, sent, clock } = outboxThat("works");
    outbox.add(["a"]);
    const closing = outbox.close();
    outbox.add(["b"]);
    await closing;
    await outbox.close();
    await clock.advanceAsync(60_000);
    assert.deepEqual(sent, [["a"]]);
    assert.equal(clock.pending, 0);
  });

  test("sends the last hints behind what is under way", async () => {
    const { outbox, sent, answer } = outboxThat("waits");
    outbox.add(["a"]);
    await settled();
    outbox.add(["b"]);
    const closing = outbox.close();
    answer();
    await settled();
    answer();
    await closing;
    assert.deepEqual(sent, [["a"], ["b"]]);
  });

  test("closes soon where nothing answers, and at once where nothing works", async () => {
    const waiting = outboxThat("waits");
    waiting.outbox.add(["a"]);
    await settled();
    await waiting.outbox.close();

    const failing = outboxThat("fails", { closeMs: 1e6 });
    failing.outbox.add(["a"]);
    await failing.clock.advanceAsync(10_000);
    const before = failing.sent.length;
    await failing.outbox.close();
    assert.equal(failing.sent.length, before);
    assert.equal(failing.clock.pending, 0);
  });
});

function outboxThat(does: "works" | "fails" | "waits", options: Partial<OutboxOptions> = {}) {
  const clock = new ManualClock();
  const startAt = clock.now();
  const sent: (readonly string[])[] = [];
  const sentAt: number[] = [];
  const failures: unknown[] = [];
  const answers: (() => void)[] = [];
  const outbox = new Outbox({
    send: (topics) => {
      sent.push(topics);
      sentAt.push(clock.now() - startAt);
      if (does === "fails") return Promise.reject(new Error("no connection"));
      if (does === "works") return Promise.resolve();
      return new Promise<void>((resolve) => answers.push(resolve));
    },
    onSent: () => undefined,
    onFailure: (error) => failures.push(error),
    maxBytes: 1_000,
    gapMs: 0,
    closeMs: 50,
    breaker: { failures: 3, retryMs: 100, open: { firstMs: 1_000, maxMs: 30_000 } },
    clock,
    random: () => 1,
    ...options,
  });
  return { outbox, clock, sent, sentAt, failures, answer: () => answers.shift()?.() };
}
