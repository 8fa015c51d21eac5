import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  CrossProcessNotifier,
  type HintTransport,
} from "../../src/notify/cross-process-notifier.ts";
import type { Session } from "../../src/notify/kept-session.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

describe("a notifier between processes", () => {
  test("sends what an outage has held back as soon as it is subscribed again", async () => {
    const { notifier, transport, clock } = notifying();
    await notifier.subscribe(() => undefined);
    await notifier.publish(["held"]);
    await clock.advanceAsync(65_000); // the breaker has just begun a pause of half a minute
    transport.isUp = true;
    await nextOpening(clock, transport);
    await settled();
    assert.deepEqual(transport.sent, [["held"]]);
    await notifier.close();
  });

  test("sends over the subscribed connection where the transport does so, also when nobody listens", async () => {
    const { notifier, transport, clock } = notifying({ isUp: true, overSession: true });
    await notifier.publish(["a"]);
    await clock.advanceAsync(0);
    await settled();
    assert.equal(transport.openings, 1);
    assert.deepEqual(transport.sent, [["a"]]);
    await notifier.close();
  });

  test("warns once while neither sending nor listening works, and says when both do again", async () => {
    const { notifier, transport, clock, log } = notifying();
    await notifier.subscribe(() => undefined);
    await notifier.publish(["a"]);
    await clock.advanceAsync(65_000); // the breaker has just begun a pause of half a minute
    transport.isUp = true;
    await nextOpening(clock, transport);
    await settled();
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ["warn", "info"],
    );
    await notifier.close();
    assert.equal(clock.pending, 0);
  });

  test("tells nothing and takes nothing after it was closed", async () => {
    const { notifier, transport, clock } = notifying({ isUp: true });
    const told: (readonly string[])[] = [];
    await notifier.subscribe((topics) => told.push(topics));
    await settled();
    await notifier.close();
    transport.receive('{"from":"x","topics":["late"]}');
    await notifier.publish(["late"]);
    await clock.advanceAsync(60_000);
    assert.deepEqual(told, [["*"]]);
    assert.deepEqual(transport.sent, []);
    await assert.rejects(
      notifier.subscribe(() => undefined),
      { code: "CLOSED" },
    );
  });
});

class FakeTransport implements HintTransport<Session> {
  readonly name = "the transport";
  readonly maxBytes = 1_000;
  readonly gapMs = 0;
  readonly sent: unknown[] = [];
  readonly #overSession: boolean;
  isUp: boolean;
  openings = 0;
  receive: (text: string) => void = () => undefined;

  constructor({ isUp = false, overSession = false }: Manners) {
    this.isUp = isUp;
    this.#overSession = overSession;
  }

  async load(): Promise<void> {}

  async open(received: (text: string) => void): Promise<Session> {
    if (!this.isUp) throw new Error("down");
    this.openings += 1;
    this.receive = received;
    return {
      ended: new Promise(() => undefined),
      probe: async () => undefined,
      end: () => undefined,
    };
  }

  async send(text: string, session: () => Promise<Session>): Promise<void> {
    if (!this.isUp) throw new Error("down");
    if (this.#overSession) await session();
    this.sent.push((JSON.parse(text) as { readonly topics: unknown }).topics);
  }

  close(): void {}

  reasonOf(error: unknown): string {
    return String(error);
  }
}

interface Manners {
  readonly isUp?: boolean;
  readonly overSession?: boolean;
}

function notifying(manners: Manners = {}) {
  const clock = new ManualClock();
  const log = new MemoryLogger();
  const transport = new FakeTransport(manners);
  const notifier = new CrossProcessNotifier(transport, { clock, log, random: () => 1 });
  return { notifier, transport, clock, log };
}

/** Subscribing is tried again at least every ten seconds. */
async function nextOpening(clock: ManualClock, transport: FakeTransport): Promise<void> {
  const before = transport.openings;
  const giveUpAt = clock.now() + 10_000;
  while (transport.openings === before && clock.now() < giveUpAt) await clock.advanceAsync(10);
}
