import { Chance } from "./chance.ts";
import { EffectsLog } from "./effects-log.ts";
import type { Faults } from "./faults.ts";
import { HintNet } from "./hint-net.ts";
import type { Program } from "./nodes.ts";
import { SimulatedDatabase } from "./simulated-database.ts";
import type { Settings, Surroundings } from "./surroundings.ts";
import { World } from "./world.ts";

/** What a run is made of: all of it follows from these. */
export interface RunPlan {
  readonly seed: number;
  readonly faults: Faults;
  readonly programs: readonly Program[];
  /** How many operations may be disturbed, before everything is healed. */
  readonly disturbedSteps: number;
  /** The invariants are asked for after so many writes. */
  readonly every: number;
}

/** Everything that one run works with. */
export class Scene implements Surroundings {
  readonly plan: RunPlan;
  readonly world: World;
  readonly faults: Faults;
  readonly hints: HintNet;
  readonly effects: EffectsLog;
  readonly settings: Settings;
  readonly database: SimulatedDatabase;
  /** Faults happen. */
  isDisturbed = true;
  /** How many times `settled` has run: each run has a result of its own. */
  settledRuns = 0;
  /** Something was written that has not been looked at yet. */
  unseenWrites = 0;
  #latest = 0;
  readonly #mended = new Set<string>();

  static async open(plan: RunPlan, traced: boolean): Promise<Scene> {
    const told: ((what: string, id: string) => void)[] = [];
    const database = await SimulatedDatabase.open((what, id) => {
      for (const tell of told) tell(what, id);
    });
    const scene = new Scene(plan, database, traced);
    told.push((what, id) => {
      if (!scene.#mended.has(id)) scene.world.fail(`${what} (${id})`);
    });
    return scene;
  }

  private constructor(plan: RunPlan, database: SimulatedDatabase, traced: boolean) {
    this.plan = plan;
    this.faults = plan.faults;
    this.database = database;
    this.world = new World(new Chance(plan.seed), traced);
    this.hints = new HintNet(this.world, plan.faults);
    this.effects = new EffectsLog(this);
    const { chance } = this.world;
    this.settings = {
      concurrency: chance.between(1, 8),
      cached: plan.faults.has("small-cache") ? chance.between(0, 1) : 1_000,
      leaseMs: chance.pick([2_000, 4_000]),
      slowShare: chance.pick([0, 0.1, 0.4]),
    };
  }

  /** How long an operation takes to come to the database, or its answer to come back. */
  latency(): number {
    const { chance } = this.world;
    if (this.isDisturbed && this.faults.has("stall") && chance.happens(0.01))
      return chance.between(500, 6_000);
    return chance.happens(this.settings.slowShare) ? chance.between(1, 20) : 0;
  }

  wrote(): void {
    this.#latestWall();
    this.unseenWrites += 1;
  }

  /** What had left a process before it crashed. */
  applyLater(label: string, apply: () => Promise<void>): void {
    const afterMs = this.world.chance.happens(0.5) ? 0 : this.world.chance.between(1, 50);
    this.world.add({ label, afterMs, run: () => void apply() });
  }

  /** What failed for good in the execution of that id succeeds from now on. It may be reopened. */
  mend(id: string): void {
    this.#mended.add(id);
  }

  isMended(id: string): boolean {
    return this.#mended.has(id);
  }

  /** What was due before the clock was set back is due, as far as the invariants go: it only takes longer. */
  #latestWall(): number {
    this.#latest = Math.max(this.#latest, this.world.wallNow());
    return this.#latest;
  }

  /** Asks for the invariants, if it is time to. */
  async look(): Promise<void> {
    if (this.unseenWrites < this.plan.every) return;
    this.unseenWrites = 0;
    for (const violation of await this.database.violations(this.#latestWall()))
      this.world.fail(violation);
  }
}

let current: Scene | undefined;

/** The scene of the run that is under way: durable functions are registered once in a process, and ask whose world they are in. */
export function currentScene(): Scene {
  if (current === undefined) throw new Error("no simulation is under way");
  return current;
}

export function setCurrentScene(scene: Scene | undefined): void {
  current = scene;
}
