/**
 * A backend of somebody else's, made harmless: it may throw, reject, hang, or tell what makes no sense.
 *
 *   G1  Nobody waits for it but its own subscription and outbox, and those not for ever.
 *   G2  An outage is warned of once.
 *   G3  It is never closed: whoever made it may use it elsewhere.
 */
import { delay } from "../runtime/clock.ts";
import { everything, type NotificationBackend } from "./notifier.ts";
import { Listeners } from "./listeners.ts";
import { OutageLog, type HintLog } from "./outage-log.ts";
import { Outbox } from "./outbox.ts";
import { pauseMs } from "./pause.ts";
import { withinTime } from "./time-limit.ts";
import { unreferencedClock as clock } from "./unreferenced-clock.ts";

const limits = {
  maxBytes: 32_768,
  gapMs: 0,
  closeMs: 500,
  breaker: { failures: 5, retryMs: 100, open: { firstMs: 1_000, maxMs: 30_000 } },
} as const;
const answerLimitMs = 5_000;
const leaveLimitMs = 500;
const pauses = { firstMs: 100, maxMs: 30_000 } as const;

/** Hints through a backend that is not of this package. */
export class GuardedNotifications implements NotificationBackend {
  readonly #backend: NotificationBackend;
  readonly #outages: OutageLog;
  readonly #outbox: Outbox;
  readonly #closing = new AbortController();
  readonly #listeners = new Listeners();
  #subscribing: Promise<void> | undefined;
  #isSubscribed = false;

  constructor(backend: NotificationBackend, log: HintLog | undefined) {
    this.#backend = backend;
    this.#outages = new OutageLog("the NotificationBackend of the option notifications", log);
    this.#outbox = new Outbox({
      ...limits,
      send: (topics) => inTime("publish", () => this.#backend.publish(topics)),
      onSent: () => this.#outages.worked("publishing"),
      onFailure: (error) => this.#outages.failed("publishing", reasonOf(error)),
      clock,
      random: Math.random,
    });
  }

  async publish(topics: readonly string[]): Promise<void> {
    this.#outbox.add(topics);
  }

  /** Resolves at once; subscribing is tried until it succeeds, and the listener is told "*" when it has. */
  async subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    const subscription = this.#listeners.add(listener);
    this.#subscribing ??= this.#keepSubscribed();
    if (this.#isSubscribed) setImmediate(() => subscription.tell([everything]));
    return async () => subscription.leave();
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#outbox.close();
    this.#closing.abort();
    await this.#subscribing;
  }

  async #keepSubscribed(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const leave = await this.#subscribeOnce(signal);
        this.#isSubscribed = true;
        this.#outages.worked("subscribing");
        this.#listeners.tell([everything]);
        await aborted(signal);
        await inTime("unsubscribe", leave, { limitMs: leaveLimitMs });
      } catch (error) {
        if (!signal.aborted) this.#outages.failed("subscribing", reasonOf(error));
      }
      await delay(clock, pauseMs(pauses, failures, Math.random()), signal);
    }
  }

  async #subscribeOnce(signal: AbortSignal): Promise<() => Promise<void>> {
    let waited = true;
    const subscribing = (async () => this.#backend.subscribe((topics) => this.#told(topics)))();
    // One that comes too late is left again.
    void subscribing.then((leave) => (waited ? undefined : leave())).catch(() => undefined);
    try {
      return await inTime("subscribe", () => subscribing, { signal });
    } catch (error) {
      waited = false;
      throw error;
    }
  }

  #told(topics: unknown): void {
    const isReadable = Array.isArray(topics) && topics.every((topic) => typeof topic === "string");
    this.#listeners.tell(isReadable ? topics : [everything]);
  }
}

/** By G1. What throws at once is rejected. */
function inTime<T>(
  what: string,
  act: () => Promise<T>,
  { limitMs = answerLimitMs, signal }: { limitMs?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const acting = (async () => act())();
  return withinTime(acting, { clock, limitMs, what, ...(signal && { signal }) });
}

/** Whatever it was. */
function reasonOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
