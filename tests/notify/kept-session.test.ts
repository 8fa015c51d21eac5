import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KeptSession, type Session } from "../../src/notify/kept-session.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

describe("a kept session", () => {
  test("is opened, and opened again when it has ended", async () => {
    const { kept, opened, failures, clock } = keeping();
    kept.start();
    kept.start();
    await settled();
    assert.equal(opened.length, 1);
    assert.equal(await kept.opened(), opened[0]);
    opened[0]?.fail(new Error("gone"));
    await settled();
    assert.equal(kept.isOpen, false);
    await clock.advanceAsync(100);
    assert.equal(opened.length, 2);
    assert.deepEqual(failures, ["gone"]);
    await kept.close();
  });

  test("is waited for while an attempt is under way, and not between attempts", async () => {
    const { kept, opened, clock, come } = keeping({ hangs: true });
    const first = kept.opened();
    await settled();
    come();
    assert.equal(await first, opened[0]);
    opened[0]?.fail(new Error("gone"));
    await settled();
    await assert.rejects(kept.opened(), { message: "gone" });
    await clock.advanceAsync(100);
    const second = kept.opened();
    come();
    assert.equal(await second, opened[1]);
    await kept.close();
    await assert.rejects(kept.opened());
    await assert.rejects(keptAndClosed(), { message: "closed" });
  });

  test("is tried again for ever, with pauses that grow", async () => {
    const { kept, opened, clock, attemptsAt } = keeping({ refuses: () => true });
    kept.start();
    await clock.advanceAsync(5_000);
    await kept.close();
    await clock.advanceAsync(60_000);
    assert.deepEqual(attemptsAt, [0, 100, 300, 700, 1_500, 2_500, 3_500, 4_500]);
    assert.deepEqual(opened, []);
  });

  test("that ends at once each time is no success: pauses grow all the same", async () => {
    const { kept, opened, clock, attemptsAt } = keeping();
    kept.start();
    for (let ms = 0; ms < 1_500; ms += 10) {
      await clock.advanceAsync(10);
      opened.at(-1)?.fail(new Error("gone"));
    }
    assert.ok(attemptsAt.length <= 5, String(attemptsAt));
    await kept.close();
  });

  test("that has passed a probe begins with short pauses again", async () => {
    let refusing = true;
    const { kept, opened, clock, attemptsAt } = keeping({ refuses: () => refusing });
    kept.start();
    await clock.advanceAsync(3_000);
    refusing = false;
    await clock.advanceAsync(1_000 + 5_000);
    assert.equal(opened[0]?.probes, 1);
    opened[0]?.fail(new Error("gone"));
    const endedAt = clock.now();
    await clock.advanceAsync(100);
    assert.equal(opened.length, 2);
    assert.ok((attemptsAt.at(-1) ?? 0) - (endedAt - clock.startAt) <= 100);
    await kept.close();
  });

  test("that answers no probe in time is ended and replaced", async () => {
    const { kept, opened, failures, clock } = keeping();
    kept.start();
    await settled();
    const [first] = opened;
    assert.ok(first);
    first.answersProbes = false;
    await clock.advanceAsync(5_000 + 1_999);
    assert.equal(first.isEnded, false);
    await clock.advanceAsync(1);
    assert.equal(first.isEnded, true);
    await clock.advanceAsync(100);
    assert.equal(opened.length, 2);
    assert.deepEqual(failures, ["the answer to a probe took longer than 2000 ms"]);
    await kept.close();
  });

  test("that takes too long to open is given up, and ended should it come after all", async () => {
    const { kept, opened, failures, clock, come } = keeping({ hangs: true });
    kept.start();
    await clock.advanceAsync(3_000);
    assert.deepEqual(failures, ["connecting took longer than 3000 ms"]);
    come();
    await settled();
    assert.equal(opened.length, 1);
    assert.equal(opened[0]?.isEnded, true);
    assert.equal(kept.isOpen, false);
    await kept.close();
  });

  test("is ended by close in whatever state, without a failure or a timer left", async () => {
    const open = keeping();
    open.kept.start();
    await settled();
    const opening = keeping({ hangs: true });
    opening.kept.start();
    await settled();
    const pausing = keeping({ refuses: () => true });
    pausing.kept.start();
    await settled();
    const probing = keeping();
    probing.kept.start();
    await settled();
    if (probing.opened[0]) probing.opened[0].answersProbes = false;
    await probing.clock.advanceAsync(5_000);
    const idle = keeping();

    for (const { kept, clock } of [open, opening, pausing, probing, idle]) {
      await kept.close();
      await kept.close();
      kept.start();
      await settled();
      assert.equal(clock.pending, 0);
      assert.equal(kept.isOpen, false);
    }

    opening.come();
    await settled();
    for (const { opened } of [open, opening, probing]) {
      assert.deepEqual(
        opened.map(({ isEnded }) => isEnded),
        [true],
      );
    }
    assert.deepEqual(
      [open, opening, pausing, probing].map(({ failures }) => failures.length),
      [0, 0, 1, 0],
    );
    assert.deepEqual(idle.opened, []);
  });
});

class FakeSession implements Session {
  readonly ended: Promise<unknown>;
  answersProbes = true;
  probes = 0;
  isEnded = false;
  fail: (error: Error) => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  probe(): Promise<void> {
    this.probes += 1;
    return this.answersProbes ? Promise.resolve() : new Promise(() => undefined);
  }

  end(): void {
    this.isEnded = true;
  }
}

class StartedClock extends ManualClock {
  readonly startAt = this.now();
}

async function keptAndClosed(): Promise<unknown> {
  const { kept } = keeping();
  await kept.close();
  return kept.opened();
}

interface Manners {
  readonly refuses?: () => boolean;
  readonly hangs?: boolean;
}

function keeping({ refuses = () => false, hangs = false }: Manners = {}) {
  const clock = new StartedClock();
  const opened: FakeSession[] = [];
  const failures: string[] = [];
  const attemptsAt: number[] = [];
  let come: () => void = () => undefined;
  const kept = new KeptSession<FakeSession>({
    open: async () => {
      attemptsAt.push(clock.now() - clock.startAt);
      if (refuses()) throw new Error("refused");
      if (hangs) {
        await new Promise<void>((resolve) => {
          come = resolve;
        });
      }
      const session = new FakeSession();
      opened.push(session);
      return session;
    },
    onOpen: () => undefined,
    onFailure: (error) => failures.push(error instanceof Error ? error.message : String(error)),
    openLimitMs: 3_000,
    probeEveryMs: 5_000,
    probeLimitMs: 2_000,
    pauses: { firstMs: 100, maxMs: 1_000 },
    clock,
    random: () => 1,
  });
  return { kept, clock, opened, failures, attemptsAt, come: () => come() };
}
