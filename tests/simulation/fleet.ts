import { registries } from "./programs.ts";
import type { Scene } from "./scene.ts";
import { SimulatedProcess, type ProcessPlan } from "./simulated-process.ts";

/** The processes of a run: starts them, and disturbs them. */
export class Fleet {
  readonly #scene: Scene;
  readonly #workers: SimulatedProcess[] = [];
  readonly #wasGone: (process: SimulatedProcess) => void;
  #client: SimulatedProcess;
  #started = 0;
  #deployed: 1 | 2;

  /** `wasGone` is told of each process that has crashed or stopped: what was asked of it has no answer. */
  constructor(scene: Scene, wasGone: (process: SimulatedProcess) => void) {
    this.#scene = scene;
    this.#wasGone = wasGone;
    this.#deployed = scene.faults.has("deploy") ? 1 : 2;
    this.#client = this.#start({ serves: false, deployed: 2 });
    const workers = scene.world.chance.between(2, 3);
    for (let index = 0; index < workers; index += 1) this.#startWorker();
  }

  /** One that can be asked something: mostly the client without a worker. */
  anyClient(): SimulatedProcess | undefined {
    const { chance } = this.#scene.world;
    const up = this.#workers.filter(({ state, plan }) => state === "up" && plan.deployed === 2);
    return up.length === 0 || chance.happens(0.6) ? this.#client : chance.pick(up);
  }

  get workers(): readonly SimulatedProcess[] {
    return this.#workers;
  }

  /** One that serves, if there is one. */
  anyWorker(): SimulatedProcess | undefined {
    const live = this.#workers.filter(({ state }) => state !== "gone");
    return live.length === 0 ? undefined : this.#scene.world.chance.pick(live);
  }

  get client(): SimulatedProcess {
    return this.#client;
  }

  // ── what goes wrong ──

  /** Not one more line of it is run. */
  crash(process: SimulatedProcess): void {
    const { world, hints, effects } = this.#scene;
    if (process.state === "gone") return;
    if (effects.runsIn(process)) world.rare.happened("a crash while an activity ran");
    world.note(`${process.name} crashes`);
    this.#leave(process);
    world.crash(process);
    hints.forget(process);
    this.#wasGone(process);
    if (process === this.#client) {
      world.rare.happened("a client crashed");
      this.#client = this.#start({ serves: false, deployed: 2 });
      return;
    }
    world.rare.happened("a worker crashed");
    this.#restartLater();
  }

  pause(process: SimulatedProcess, ms: number): void {
    const { world, settings } = this.#scene;
    world.rare.happened("a worker paused");
    if (ms > settings.leaseMs) {
      world.rare.happened("a pause past the lease");
    }
    world.note(`${process.name} is paused for ${ms} ms`);
    process.isDisturbed = true;
    process.pausedUntil = world.monotonicNow() + ms;
  }

  /** It ends what it runs, and another one is started, with what has been deployed. */
  drain(process: SimulatedProcess): void {
    const { world } = this.#scene;
    if (process.state !== "up") return;
    world.rare.happened("a worker drained");
    process.state = "draining";
    process.isDisturbed = true;
    world.add({
      owner: process,
      label: "is asked to drain",
      run: () => process.stent.requestWorkerDrain(),
    });
  }

  /** What is started from now on runs the newer code. */
  deploy(): void {
    if (this.#deployed === 2) return;
    this.#scene.world.rare.happened("a newer version deployed");
    this.#scene.world.note("a newer version is deployed");
    this.#deployed = 2;
  }

  /** Nothing is paused any more, and the old code is gone. */
  heal(): void {
    const { world } = this.#scene;
    this.deploy();
    for (const process of this.#workers) {
      process.pausedUntil = Math.min(process.pausedUntil, world.monotonicNow());
      if (process.plan.deployed === 1 && process.state !== "gone") this.crash(process);
    }
    this.#client.pausedUntil = 0;
  }

  // ── starting ──

  #startWorker(): void {
    this.#workers.push(this.#start({ serves: true, deployed: this.#deployed }));
  }

  #restartLater(): void {
    const { world } = this.#scene;
    world.add({
      label: "a worker is started again",
      afterMs: world.chance.between(10, 5_000),
      run: () => this.#startWorker(),
    });
  }

  #start({
    serves,
    deployed,
  }: Pick<ProcessPlan, "serves"> & { deployed: 1 | 2 }): SimulatedProcess {
    const { world } = this.#scene;
    this.#started += 1;
    const name = `${serves ? "worker" : "client"} ${this.#started}`;
    const registry = registries[deployed];
    const process = new SimulatedProcess(this.#scene, { name, serves, deployed, registry });
    world.add({
      owner: process,
      label: "starts",
      run: () => process.start(() => this.#exited(process)),
    });
    return process;
  }

  /** It has stopped by itself: it was drained, or could not begin. */
  #exited(process: SimulatedProcess): void {
    this.#scene.world.note("has stopped");
    this.#leave(process);
    this.#scene.hints.forget(process);
    // Its clients and what they wait for go with it.
    this.#scene.world.crash(process);
    this.#wasGone(process);
    this.#restartLater();
  }

  #leave(process: SimulatedProcess): void {
    process.state = "gone";
    process.isDisturbed = true;
    const index = this.#workers.indexOf(process);
    if (index >= 0) this.#workers.splice(index, 1);
  }
}
