import type { FaultKind } from "./faults.ts";
import type { Fleet } from "./fleet.ts";
import type { Scene } from "./scene.ts";

/** What is done to a run from outside, between its operations. */
export class Disturbance {
  readonly #scene: Scene;
  readonly #fleet: Fleet;
  readonly #kinds: readonly FaultKind[];
  readonly #rate: number;
  #left: number;
  /** By how much the wall clock was set back, in all. */
  setBackMs = 0;

  constructor(scene: Scene, fleet: Fleet) {
    const { chance } = scene.world;
    this.#scene = scene;
    this.#fleet = fleet;
    this.#kinds = acting.filter((kind) => scene.faults.has(kind));
    this.#rate = chance.pick([0.002, 0.01, 0.03]);
    this.#left = chance.between(1, 14);
  }

  /** Perhaps, and not too often. */
  strike(): void {
    const { chance } = this.#scene.world;
    if (this.#left === 0 || this.#kinds.length === 0 || !chance.happens(this.#rate)) return;
    this.#left -= 1;
    this.#do(chance.pick(this.#kinds));
  }

  #do(kind: FaultKind): void {
    const { world, settings, database } = this.#scene;
    const { chance, rare } = world;
    const worker = this.#fleet.anyWorker();
    switch (kind) {
      case "crash":
        if (worker !== undefined) this.#fleet.crash(worker);
        return;
      case "client-crash":
        return this.#fleet.crash(this.#fleet.client);
      case "pause": {
        const ms = chance.pick([
          300,
          settings.leaseMs + 200,
          2 * settings.leaseMs,
          4 * settings.leaseMs,
        ]);
        if (worker !== undefined) this.#fleet.pause(worker, ms);
        return;
      }
      case "drain":
        if (worker !== undefined) this.#fleet.drain(worker);
        return;
      case "deploy":
        this.#fleet.deploy();
        if (worker !== undefined && worker.plan.deployed === 1) this.#fleet.drain(worker);
        return;
      case "clock-ahead":
        rare.happened("the clock jumped ahead");
        world.wallOffset += chance.pick([5, 1_000, 30_000]);
        return world.note("the clock jumps ahead");
      case "clock-back": {
        const ms = chance.pick([5, 1_000, 30_000]);
        rare.happened("the clock was set back");
        this.setBackMs += ms;
        world.wallOffset -= ms;
        return world.note("the clock is set back");
      }
      case "full-disk":
        database.setFull(true);
        world.note("the disk is full");
        return void world.add({
          label: "the disk has room again",
          afterMs: chance.between(500, 8_000),
          run: () => database.setFull(false),
        });
      default:
    }
  }
}

const acting: readonly FaultKind[] = [
  "crash",
  "client-crash",
  "pause",
  "drain",
  "deploy",
  "clock-ahead",
  "clock-back",
  "full-disk",
];
