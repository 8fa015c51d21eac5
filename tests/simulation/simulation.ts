/** One run of the simulation: everything in it follows from its plan. */
import { Chance } from "./chance.ts";
import { lend, ownNow } from "./borrowed-globals.ts";
import { ClientLoad } from "./client-load.ts";
import { Disturbance } from "./disturbance.ts";
import { drawPrograms } from "./drawing.ts";
import { Faults } from "./faults.ts";
import {
  checkEffects,
  countStoredResults,
  checkRest,
  checkResults,
  checkRetries,
  rowsOf,
  unended,
} from "./final-checks.ts";
import { Fleet } from "./fleet.ts";
import { type RareEventCounts } from "./rare-events.ts";
import { Scene, setCurrentScene, type RunPlan } from "./scene.ts";

export interface RunReport {
  readonly plan: RunPlan;
  readonly failures: readonly string[];
  readonly digest: string;
  readonly lines: readonly string[];
  readonly rare: RareEventCounts;
  readonly steps: number;
  readonly virtualMs: number;
  readonly tookMs: number;
}

/** What a seed stands for. */
export function planOf(seed: number, every: number): RunPlan {
  const chance = new Chance(seed);
  const faults = Faults.drawn(chance.fork());
  const programs = drawPrograms(chance.fork());
  return { seed, faults, programs, disturbedSteps: chance.between(200, 2_500), every };
}

/** Runs it. `traced`: the lines of what happened are kept. */
export async function simulate(plan: RunPlan, traced = false): Promise<RunReport> {
  const beganAt = ownNow();
  const scene = await Scene.open(plan, traced);
  const { world } = scene;
  const onRejection = (error: unknown): void =>
    world.fail(`a promise was rejected, and nobody handles it: ${told(error)}`);
  process.on("unhandledRejection", onRejection);
  setCurrentScene(scene);
  const giveBack = lend(world);
  try {
    await new Run(scene).run();
  } catch (error) {
    world.fail(`the simulation stopped: ${told(error)}`);
  } finally {
    giveBack();
    setCurrentScene(undefined);
    process.off("unhandledRejection", onRejection);
  }
  world.trace.add(rowsOf(scene));
  const { failures, rare, steps, trace } = world;
  const virtualMs = world.monotonicNow();
  scene.database.close();
  const { lines } = trace;
  return {
    plan,
    failures,
    rare,
    steps,
    virtualMs,
    lines,
    digest: trace.digest(),
    tookMs: ownNow() - beganAt,
  };
}

/** Longest that everything may take to end once it is healed, in virtual time: sleeps, retries and leases, one after the other. */
const healedLimitMs = 240_000;
/** For a run that turns in circles without time going on. */
const maxSteps = 80_000;
/** After everything has ended, what is left to do is done. */
const settlingMs = 6_000;

class Run {
  readonly #scene: Scene;
  readonly #fleet: Fleet;
  readonly #load: ClientLoad;
  readonly #disturbance: Disturbance;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#fleet = new Fleet(scene, (process) => this.#load.gone(process));
    this.#load = new ClientLoad(scene, () => this.#fleet.anyClient());
    this.#disturbance = new Disturbance(scene, this.#fleet);
  }

  async run(): Promise<void> {
    const { world, plan } = this.#scene;
    this.#load.start();
    while (world.steps < plan.disturbedSteps && !this.#isOver()) {
      this.#disturbance.strike();
      if (!(await this.#step())) return;
    }
    this.#heal();
    await this.#untilEnded();
    await this.#settle();
    if (world.failures.length > 0) return;
    await this.#checkEnd();
  }

  /** @returns false once something is wrong */
  async #step(): Promise<boolean> {
    const { world } = this.#scene;
    if (!(await world.step())) world.fail("nothing can happen any more");
    await this.#scene.look();
    return world.failures.length === 0;
  }

  #isOver(): boolean {
    return this.#load.open.length === 0 && unended(this.#scene).length === 0;
  }

  #heal(): void {
    const { world, database, hints } = this.#scene;
    world.note("everything is healed");
    this.#scene.isDisturbed = false;
    hints.isReliable = true;
    database.setFull(false);
    this.#fleet.heal();
  }

  /** Liveness. */
  async #untilEnded(): Promise<void> {
    const { world } = this.#scene;
    const endAt = world.monotonicNow() + healedLimitMs + this.#disturbance.setBackMs;
    while (!this.#isOver()) {
      if (world.monotonicNow() > endAt || world.steps > maxSteps) {
        const left = [...unended(this.#scene), ...this.#load.open].join(", ");
        return world.fail(
          `liveness: after ${world.monotonicNow()} ms and ${world.steps} steps these have not ended: ${left}`,
        );
      }
      if (!(await this.#step())) return;
    }
  }

  async #settle(): Promise<void> {
    const { world } = this.#scene;
    const until = world.monotonicNow() + settlingMs;
    while (world.failures.length === 0 && world.monotonicNow() < until) await this.#step();
    for (const violation of await this.#scene.database.violations(world.wallNow()))
      world.fail(violation);
  }

  async #checkEnd(): Promise<void> {
    const { world } = this.#scene;
    const { client } = this.#fleet;
    const checked = { yet: false };
    await world.as(client, () => {
      void checkResults(this.#scene, client.stent, this.#load.results)
        .catch((error: unknown) => world.fail(told(error)))
        .finally(() => (checked.yet = true));
    });
    while (!checked.yet) await world.step();
    checkEffects(this.#scene);
    countStoredResults(this.#scene);
    const { faults } = this.#scene;
    checkRetries(this.#scene, faults.has("clock-ahead") || faults.has("clock-back"));
    checkRest(this.#scene, this.#disturbance.setBackMs > 0);
  }
}

function told(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
