import assert from "node:assert/strict";
import { test } from "node:test";
import { EndWatch, type EndWait } from "../../src/client/end-watch.ts";
import type { ForeignChanges, ForeignHints } from "../../src/store/foreign-changes.ts";
import { HintHub } from "../../src/store/hint-hub.ts";
import type { EndedExecution } from "../../src/store/store.ts";
import { turns } from "../support/client.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const polling = { minMs: 100, maxMs: 400, factor: 2 };

test("one look asks for everything that is waited for", async () => {
  const { watch, asked, clock } = watching();
  const waits = ["a", "b", "a"].map((id) => watch.open(id));
  await clock.advanceAsync(120);
  assert.deepEqual(asked, [["a", "b"]]);
  for (const wait of waits) giveUp(wait);
});

test("looks come less and less often, down to the longest interval, each by ± 20 %", async () => {
  const { watch, clock } = watching();
  const wait = watch.open("a");
  for (const expected of [100, 200, 400, 400]) {
    const delay = (clock.nextAt ?? 0) - clock.now();
    assert.ok(
      delay >= expected * 0.8 && delay <= expected * 1.2,
      `${delay} is not about ${expected}`,
    );
    await clock.advanceAsync(delay);
  }
  giveUp(wait);
});

test("a new wait is looked for soon, however long the others have waited", async () => {
  const { watch, clock } = watching();
  const first = watch.open("a");
  await clock.advanceAsync(2_000);
  const second = watch.open("b");
  assert.ok((clock.nextAt ?? Infinity) - clock.now() <= 120);
  giveUp(first);
  giveUp(second);
});

test("nothing runs while nobody waits", async () => {
  const { watch, clock, asked } = watching();
  giveUp(watch.open("a"));
  assert.equal(clock.pending, 0);
  await clock.advanceAsync(10_000);
  assert.deepEqual(asked, []);
});

test("a hint wakes those who wait for that execution, and only those", async () => {
  const { watch, hints } = watching();
  const woken: string[] = [];
  const a = watch.open("a");
  const b = watch.open("b");
  void a.ended.then(() => woken.push("a"));
  b.ended.then(() => woken.push("b")).catch(() => undefined);
  hints.emit({ woken: [], ended: [end("a")], ready: false, stopped: [] });
  await settled();
  assert.deepEqual(woken, ["a"]);
  giveUp(a);
  giveUp(b);
});

test("what is told before somebody waits is not forgotten", async () => {
  const { watch, hints } = watching();
  const wait = watch.open("a");
  hints.emit({ woken: [], ended: [end("a")], ready: false, stopped: [] });
  await wait.ended;
  giveUp(wait);
});

test("an outage of the database ends no wait", async () => {
  const { watch, clock, ended, failing } = watching();
  const wait = watch.open("a");
  failing.with = new Error("unreachable");
  await clock.advanceAsync(1_000);
  failing.with = undefined;
  ended.add("a");
  const told = wait.ended;
  await clock.advanceAsync(1_000);
  await told;
  giveUp(wait);
});

test("a wait fails with the first reason it is given", async () => {
  const { watch } = watching();
  const wait = watch.open("a");
  wait.fail(new Error("first"));
  wait.fail(new Error("second"));
  await assert.rejects(wait.ended, /first/);
  giveUp(wait);
});

test("closing fails those who wait, and those who would", async () => {
  const { watch, clock } = watching();
  const wait = watch.open("a");
  const waiting = assert.rejects(wait.ended, /closed/);
  watch.close(new Error("closed"));
  await waiting;
  giveUp(wait);
  assert.throws(() => watch.open("b"), /closed/);
  assert.equal(clock.pending, 0);
});

test("many waits are looked for in portions, all of them at each look", async () => {
  const { watch, clock, asked } = watching();
  const waits = Array.from({ length: 2_500 }, (_, n) => watch.open(String(n)));
  await clock.advanceAsync(120);
  await turns();
  assert.deepEqual(
    asked.map((ids) => ids.length),
    [1_000, 1_000, 500],
  );
  for (const wait of waits) giveUp(wait);
});

test("what another process has ended is asked for at once, and nothing else", async () => {
  const { watch, foreign, asked, ended } = watching();
  const [a, b] = [watch.open("a"), watch.open("b")];
  ended.add("a").add("b").add("stranger");
  foreign.tell({ ended: ["a", "stranger"] });
  assert.equal((await a.ended).state, "completed");
  assert.deepEqual(asked, [["a"]]);
  giveUp(b);
});

test("what is said while it asks goes into one more question", async () => {
  const { watch, foreign, asked } = watching();
  const waits = ["a", "b", "c", "d"].map((id) => watch.open(id));
  for (const { id } of waits) foreign.tell({ ended: [id, id] });
  await settled();
  assert.deepEqual(asked, [["a"], ["b", "c", "d"]]);
  for (const wait of waits) giveUp(wait);
});

test("other news of other processes is no reason to ask", async () => {
  const { watch, foreign, asked } = watching();
  const wait = watch.open("a");
  foreign.tell({ ready: true, woken: [1], stopped: [2], ended: ["b"] });
  await settled();
  assert.deepEqual(asked, []);
  giveUp(wait);
});

test("where any may have ended, all that are waited for are asked for", async () => {
  const { watch, foreign, asked } = watching();
  const waits = ["a", "b"].map((id) => watch.open(id));
  foreign.tell({ ended: "any" });
  await settled();
  assert.deepEqual(asked, [["a", "b"]]);
  for (const wait of waits) giveUp(wait);
});

test("a question that fails is left to the next poll", async () => {
  const { watch, foreign, asked, ended, failing, clock } = watching();
  const wait = watch.open("a");
  ended.add("a");
  failing.with = new Error("unreachable");
  foreign.tell({ ended: ["a"] });
  await settled();
  failing.with = undefined;
  await clock.advanceAsync(120);
  assert.equal((await wait.ended).state, "completed");
  assert.deepEqual(asked, [["a"]]);
});

/** Ends a wait as its time-out does. */
function giveUp(wait: EndWait): void {
  wait.ended.catch(() => undefined);
  wait.fail(new Error("nobody waits any more"));
}

function end(id: string): EndedExecution {
  return { id, state: "completed", result: "1" };
}

function watching(): {
  watch: EndWatch;
  clock: ManualClock;
  hints: HintHub;
  foreign: FakeForeign;
  asked: string[][];
  ended: Set<string>;
  failing: { with: Error | undefined };
} {
  const clock = new ManualClock();
  const hints = new HintHub();
  const asked: string[][] = [];
  const ended = new Set<string>();
  const failing: { with: Error | undefined } = { with: undefined };
  const store = {
    async ended(ids: readonly string[]): Promise<readonly EndedExecution[]> {
      if (failing.with !== undefined) throw failing.with;
      asked.push([...ids]);
      return ids.filter((id) => ended.has(id)).map((id) => end(id));
    },
  };
  const foreign = new FakeForeign();
  const watch = new EndWatch({ store, clock, hints, foreign, polling });
  return { watch, clock, hints, foreign, asked, ended, failing };
}

class FakeForeign implements ForeignChanges {
  readonly changes = 0;
  readonly #listeners = new Set<(hints: ForeignHints) => void>();

  on(listener: (hints: ForeignHints) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(hints: Partial<ForeignHints>): void {
    const none = { ready: false, woken: [], ended: [], stopped: [] };
    for (const listener of this.#listeners) listener({ ...none, ...hints });
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
