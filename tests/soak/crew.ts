/** The processes of a soak: workers and one client, each with a way to the database of its own. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { ServeOptions } from "stentjs";
import type { Chance } from "../crash/chance.ts";
import type { Child, Ending, Scene } from "../crash/processes.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import type { Kill } from "./recovery.ts";

export const leaseMs = 2_000;

const serve: ServeOptions = {
  leaseDuration: `${leaseMs}ms`,
  pollInterval: "50ms",
  pollIntervalMax: "200ms",
  maxConcurrency: 5,
  /** Whoever runs is an innocent here. */
  maxClaims: 1_000,
};

/** Executions of every shape that the client starts more each time when it is through with those before. */
const more = 3;
/** A process that is told to end and does not. */
const endLimitMs = 60_000;
const lookEveryMs = 100;

/** A place for a process. Who is killed has a successor, which goes the same way. */
export interface Place {
  readonly proxy: PostgresProxy | undefined;
  child: Child;
}

export class Crew {
  readonly workers: Place[] = [];
  readonly kills: Kill[] = [];
  readonly #scene: Scene;
  readonly #chance: Chance;
  /** To end. */
  readonly #told = new Set<Child>();
  #client: Place | undefined;
  /** Executions of every shape so far. */
  #size = more;
  #closing = false;
  #over = false;
  /** The first that went wrong. */
  trouble: Error | undefined;

  constructor(scene: Scene, chance: Chance) {
    this.#scene = scene;
    this.#chance = chance;
  }

  /** Begins with so many workers, and the client. */
  async start(t: Ending, workers: number): Promise<void> {
    for (let n = 0; n < workers; n += 1) {
      const proxy = await this.#way(t);
      const worker = { proxy, child: this.#worker(proxy) };
      this.workers.push(worker);
      this.#followWorker(worker);
    }
    const proxy = await this.#way(t);
    this.#client = { proxy, child: this.#driver(proxy) };
    this.#followClient(this.#client);
    t.after(() => {
      this.#over = true;
    });
  }

  get size(): number {
    return this.#size;
  }

  /** Workers and the client. */
  get places(): readonly Place[] {
    return this.#client === undefined ? this.workers : [...this.workers, this.#client];
  }

  anyWorker(): Place {
    const place = this.workers[this.#chance.upTo(this.workers.length) - 1];
    assert.ok(place);
    return place;
  }

  anyPlace(): Place {
    const place = this.places[this.#chance.upTo(this.places.length) - 1];
    assert.ok(place);
    return place;
  }

  /** SIGKILL. */
  async kill({ child }: Place): Promise<void> {
    if (child.process.exitCode !== null || child.process.signalCode !== null) return;
    this.kills.push({ pid: child.pid, at: Date.now() });
    child.kill("SIGKILL");
    await child.ended;
  }

  /** SIGTERM: it drains and ends by itself. */
  drain({ child }: Place): Promise<void> {
    return this.#ends(child);
  }

  /** What has been started is brought to its end, and everybody ends. */
  async finish(patienceMs: number): Promise<void> {
    this.#closing = true;
    const client = this.#client;
    assert.ok(client);
    const giveUpAt = performance.now() + patienceMs;
    for (;;) {
      const timer = setTimeout(
        () => client.child.kill("SIGKILL"),
        Math.max(1, giveUpAt - performance.now()),
      );
      const { child } = client;
      const { code } = await child.ended;
      clearTimeout(timer);
      await new Promise((done) => setImmediate(done)); // who follows it has seen that first
      if (code === 0) break;
      assert.ok(
        performance.now() < giveUpAt,
        `work has not ended ${patienceMs} ms after the faults`,
      );
    }
    await Promise.all(this.workers.map(({ child }) => this.#ends(child)));
    assert.equal(this.trouble, undefined);
  }

  async #ends(child: Child): Promise<void> {
    await this.#serves(child);
    // It listens to the first: a second one ends it as it would any process.
    if (!this.#told.has(child)) child.kill("SIGTERM");
    this.#told.add(child);
    const timer = setTimeout(() => child.kill("SIGKILL"), endLimitMs);
    const { code, signal, stderr } = await child.ended;
    clearTimeout(timer);
    if (this.#wasKilled(child) || couldNotOpen(stderr)) return;
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: "" });
  }

  /** Before it does, a signal ends it as it would any process. */
  async #serves({ pid, process }: Child): Promise<void> {
    while (process.exitCode === null && process.signalCode === null) {
      const lines = this.#scene.lines();
      if (lines.some((line) => line.pid === pid && line.what === "note" && line.text === "ready"))
        return;
      await pause(lookEveryMs);
    }
  }

  #wasKilled({ pid }: Child): boolean {
    return this.kills.some((kill) => kill.pid === pid);
  }

  /** It has a successor, however it ended. */
  #followWorker(worker: Place): void {
    const { child } = worker;
    void child.ended.then(({ code, signal, stderr }) => {
      if (this.#over || this.#closing) return;
      if (!this.#told.has(child) && !this.#wasKilled(child) && !couldNotOpen(stderr))
        this.trouble ??= new Error(`a worker ended with ${code ?? signal}: ${stderr}`);
      worker.child = this.#worker(worker.proxy);
      this.#followWorker(worker);
    });
  }

  /** One that is through has a successor with more to do; one that was killed has one that goes on. */
  #followClient(client: Place): void {
    const { child } = client;
    void child.ended.then(({ code, signal, stderr }) => {
      const isOver = code === 0;
      if (this.#over || (isOver && this.#closing)) return;
      if (!isOver && !this.#wasKilled(child) && !couldNotOpen(stderr))
        this.trouble ??= new Error(`the client ended with ${code ?? signal}: ${stderr}`);
      if (isOver) this.#size += more;
      client.child = this.#driver(client.proxy);
      this.#followClient(client);
    });
  }

  #worker(proxy: PostgresProxy | undefined): Child {
    return this.#scene.start({ serve, ...through(proxy) });
  }

  #driver(proxy: PostgresProxy | undefined): Child {
    return this.#scene.start({ serve: false, load: this.#size, ...through(proxy) });
  }

  async #way(t: Ending): Promise<PostgresProxy | undefined> {
    const { place } = this.#scene.database;
    if (!("url" in place)) return undefined;
    const proxy = await PostgresProxy.to(place.url);
    t.after(() => proxy[Symbol.asyncDispose]());
    return proxy;
  }
}

/** The database was away when it began. Whoever starts it starts it again. */
function couldNotOpen(stderr: string): boolean {
  return stderr.includes("DATABASE_UNREACHABLE") && stderr.includes("openConnection");
}

function through(proxy: PostgresProxy | undefined): { database?: { url: string } } {
  return proxy === undefined ? {} : { database: { url: proxy.url } };
}
