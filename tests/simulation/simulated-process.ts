import type { FunctionRegistry } from "../../src/core/registry.ts";
import { Stent } from "../../src/stent.ts";
import { backendOf } from "./simulated-store.ts";
import type { Owner } from "./world.ts";
import type { Surroundings } from "./surroundings.ts";

/** How a process is started. */
export interface ProcessPlan {
  readonly name: string;
  readonly serves: boolean;
  readonly registry: FunctionRegistry;
  /** Which version of the code it runs: 1 or 2. */
  readonly deployed: number;
}

/** One start of one process: a Stent, and a worker if it serves. */
export class SimulatedProcess implements Owner {
  readonly name: string;
  readonly plan: ProcessPlan;
  readonly startedAt: number;
  pausedUntil = 0;
  state: "starting" | "up" | "draining" | "gone" = "starting";
  /** It has lost its session, or may have: what ran in it may run elsewhere. */
  isDisturbed = false;
  readonly stent: Stent;
  readonly #scene: Surroundings;

  constructor(scene: Surroundings, plan: ProcessPlan) {
    this.#scene = scene;
    this.plan = plan;
    this.name = plan.name;
    this.startedAt = scene.world.monotonicNow();
    this.stent = this.#makeStent();
  }

  /** Within a step of its own. `exited`: it has stopped by itself. */
  start(exited: () => void): void {
    const { world, settings } = this.#scene;
    if (!this.plan.serves) {
      this.state = "up";
      return;
    }
    const serving = this.stent.serve({
      workerId: this.name,
      maxConcurrency: settings.concurrency,
      maxCachedWorkflows: settings.cached,
      leaseDuration: settings.leaseMs,
      maxClaims: 1_000,
      pollInterval: 300,
      pollIntervalMax: 2_000,
      drainTimeout: 1_500,
      cancelGrace: 3_000,
      cleanupInterval: null,
    });
    serving.then(
      () => this.#stopped(exited),
      (error: unknown) => {
        world.note(`stops: ${error instanceof Error ? error.message : String(error)}`);
        this.#stopped(exited);
      },
    );
    this.stent.waitUntilReady().then(
      () => {
        if (this.state === "starting") this.state = "up";
      },
      () => undefined,
    );
  }

  #stopped(exited: () => void): void {
    if (this.state !== "gone") exited();
  }

  #makeStent(): Stent {
    const { world, hints } = this.#scene;
    const told = (level: string) => (message: string) => this.#logged(level, message);
    return new Stent({
      backend: backendOf(this.#scene, this),
      registry: this.plan.registry,
      notifications: hints.for(this),
      pollMinInterval: 200,
      pollMaxInterval: 1_500,
      clock: {
        now: () => world.wallNow(),
        schedule: (afterMs, fn) => world.timer(afterMs, fn),
      },
      logger: {
        debug: told("debug"),
        info: told("info"),
        warn: told("warn"),
        error: told("error"),
      },
      metrics: {
        taskClaimed: () => this.#hook(),
        taskCompleted: () => this.#hook(),
        taskFailed: () => this.#hook(),
        deadLettered: () => this.#hook(),
        leaseRenewed: () => this.#hook(),
        workflowReplayed: () => world.rare.happened("a journal was replayed"),
      },
    });
  }

  /** I13: what it throws changes nothing. */
  #hook(): void {
    if (this.#scene.faults.has("throwing-hooks")) throw new Error("a hook that throws");
  }

  #logged(level: string, message: string): void {
    const { world } = this.#scene;
    if (message.includes("session was found dead")) {
      this.isDisturbed = true;
      world.rare.happened("a session found itself dead");
    }
    if (level !== "debug") world.note(`logs ${level}: ${message.replaceAll(/\d+ ms/g, "… ms")}`);
  }
}
