import type { HistoryEntry } from "../../client/history.ts";
import type { Workflow } from "../../core/durable.ts";
import { describeEffect } from "../../core/effects/effect.ts";
import { CancelledError } from "../../core/errors.ts";
import { ownEnd } from "../../core/interpreter/effect-entry.ts";
import type { Delivery, Done, Turn } from "../../core/interpreter/turn.ts";
import type { Outcome } from "../../core/journal.ts";
import type { Payload } from "../../core/payload.ts";
import { inputPlace, resultPlace } from "../../core/places.ts";
import { withErrors } from "../../worker/ending.ts";
import { historyOf } from "../simulation/history-codec.ts";
import { payloadOf } from "../simulation/entry-codec.ts";
import { MemoryRun } from "../simulation/memory-run.ts";
import { Performing } from "../simulation/performing.ts";
import type { CallRecord, World } from "../simulation/world.ts";
import { choices, type Answer, type Choice } from "./decision.ts";
import type { ObservedGraph } from "./observed-graph.ts";

/** What is explored. */
export interface Explored {
  readonly fn: Workflow<unknown[], unknown>;
  readonly args: readonly unknown[];
  readonly signals: ReadonlyMap<string, readonly unknown[]>;
  readonly allowed: ReadonlySet<Answer>;
  readonly graph: ObservedGraph;
}

/** A path that has been taken. */
export interface TakenPath {
  readonly outcome: Outcome | undefined;
  readonly history: readonly HistoryEntry[];
  readonly calls: readonly CallRecord[];
  /** Of how many each decision was one, and which it was. */
  readonly decisions: readonly { readonly of: number; readonly index: number }[];
  /** The decisions that were not the normal ones, in words. */
  readonly told: readonly string[];
}

/** Longer paths are given up: a workflow that waits for ever has no end to look at. */
const maxDecisions = 1_000;

const id = "explored";

/** Goes one path: the first decisions are given, the rest are the normal ones. */
export class ExploredPath {
  readonly #explored: Explored;
  readonly #world: World;
  readonly #prefix: readonly number[];
  readonly #runs: MemoryRun[] = [];
  readonly #contests = new Set<string>();
  readonly #decisions: { readonly of: number; readonly index: number }[] = [];
  readonly #told: string[] = [];
  readonly #signals: Map<string, unknown[]>;
  #performing: Performing;
  #settled: Delivery | undefined;
  #at: { readonly node: string; readonly label?: string };

  constructor(explored: Explored, world: World, prefix: readonly number[]) {
    this.#explored = explored;
    this.#world = world;
    this.#prefix = prefix;
    this.#signals = new Map([...explored.signals].map(([name, payloads]) => [name, [...payloads]]));
    this.#at = { node: explored.graph.start };
    this.#performing = this.#newPerforming();
  }

  async take(): Promise<TakenPath> {
    const { codec } = this.#world;
    const input = codec.encode(this.#explored.args, inputPlace(id), "args");
    const outcome = this.#outcomeOf(await this.#allRuns(input));
    return {
      outcome,
      history: historyOf(this.#runs),
      calls: this.#world.calls,
      decisions: this.#decisions,
      told: this.#told,
    };
  }

  /** @returns how it ended; undefined if it was given up. */
  async #allRuns(input: Payload): Promise<Done | undefined> {
    let next = input;
    for (;;) {
      let done: Done | undefined;
      try {
        done = await this.#oneRun(next);
      } catch (error) {
        if (!(error instanceof NoBeginning)) throw error;
        return { kind: "failed", error: error.cause, failedBy: 0 };
      }
      if (done?.kind !== "continued") return done;
      next = payloadOf(done.input);
    }
  }

  async #oneRun(input: Payload): Promise<Done | undefined> {
    const run = this.#begin(input);
    let turn = this.#drive(run, []);
    while (turn.done === undefined) {
      const choice = this.#decide(run);
      if (choice === undefined) return undefined;
      turn = this.#drive(run, [await this.#delivery(run, choice)]);
    }
    return turn.done;
  }

  #begin(input: Payload): MemoryRun {
    const { clock, codec, chance } = this.#world;
    const { fn } = this.#explored;
    const number = this.#runs.length + 1;
    const setting = {
      run: { key: 1, id, run: number, cut: 0, name: fn.functionName },
      clock,
      codec,
      chance,
      nextFunction: () => this.#world.nextFunction(fn),
    };
    const records = this.#runs.at(-1)?.journal.records ?? { counters: new Map(), state: new Map() };
    const current = number === 1 ? fn : this.#world.nextFunction(fn);
    const run = new MemoryRun(setting, current, input, records);
    run.yielded = ({ kind }, path) => {
      if (kind === "race" || kind === "within") this.#contests.add(path);
    };
    this.#contests.clear();
    this.#runs.push(run);
    this.#performing = this.#newPerforming();
    try {
      run.begin(false);
    } catch (error) {
      throw new NoBeginning("the workflow gave no generator", { cause: error });
    }
    return run;
  }

  #drive(run: MemoryRun, deliveries: readonly Delivery[]): Turn {
    let turn = run.drive(deliveries);
    for (;;) {
      this.#draw(turn);
      this.#performing.note(turn);
      const instant = turn.done === undefined ? this.#performing.instantly(turn) : [];
      if (instant.length === 0) break;
      turn = run.drive(instant);
    }
    run.commit();
    return turn;
  }

  /** @returns nothing where the path is given up. */
  #decide(run: MemoryRun): Choice | undefined {
    const { coroutine } = run;
    const possible = choices(coroutine, this.#contests, this.#explored.allowed);
    if (possible.length === 0)
      throw new Error(
        `workflow "${this.#explored.fn.functionName}" waits for nothing, and has not ended`,
      );
    if (this.#decisions.length >= maxDecisions) return undefined;
    const index = this.#prefix[this.#decisions.length] ?? 0;
    const choice = possible[index];
    if (choice === undefined) {
      throw new Error(
        `workflow "${this.#explored.fn.functionName}" did something else after the same answers; explore needs a deterministic workflow and stand-ins`,
      );
    }
    this.#decisions.push({ of: possible.length, index });
    const { leaf, answer } = choice;
    const effect = `${leaf.path} ${describeEffect(leaf.effect)}`;
    if (index > 0) this.#told.push(`${effect}: ${answer}`);
    const { graph } = this.#explored;
    this.#at = { node: graph.effect(leaf.path, leaf.effect), label: answer };
    return choice;
  }

  async #delivery(run: MemoryRun, { leaf, answer }: Choice): Promise<Delivery> {
    const { path, effect } = leaf;
    if (answer === "cancel") {
      const awaited = [...run.coroutine.pending()].filter(isWork).map((waiting) => waiting.path);
      return { kind: "cancel", reason: new CancelledError(), awaited };
    }
    switch (effect.kind) {
      case "sleep":
      case "sleepUntil":
      case "within":
        this.#world.clock.advanceTo(leaf.dueAt);
        return { kind: "outcome", path, outcome: ownEnd(effect) };
      case "signal":
        if (answer === "fail") this.#world.clock.advanceTo(leaf.dueAt);
        return answer === "fail"
          ? { kind: "outcome", path, outcome: ownEnd(effect) }
          : { kind: "outcome", path, outcome: { ok: true, value: this.#message(effect.name) } };
      case "call":
      case "map":
      case "run":
      case "transaction":
        if (answer === "ok") return this.#perform(path);
        return this.#fail(
          path,
          effect.kind === "map" ? (effect.items[0] ?? []) : "args" in effect ? effect.args : [],
          effect.name,
        );
      default:
        return this.#perform(path);
    }
  }

  /** For real, or by its stand-in. */
  async #perform(path: string): Promise<Delivery> {
    this.#settled = undefined;
    this.#performing.beginAt(path);
    return this.#world.runUntil(
      () => this.#settled,
      () =>
        new Error(`what was asked for at path ${path} never ends; give it a stand-in that does`),
    );
  }

  #fail(path: string, args: readonly unknown[], name: string): Delivery {
    this.#world.called(name, args, false);
    const error = new Error(`${name} fails, as explore has chosen`);
    return { kind: "outcome", path, outcome: { ok: false, error } };
  }

  #message(name: string): unknown {
    const payload = this.#signals.get(name)?.shift();
    return this.#world.codec.roundTrip(payload, { kind: "signal", owner: id, path: name }).value;
  }

  #newPerforming(): Performing {
    const runs = this.#runs;
    const performed = {
      id,
      get run(): MemoryRun {
        const run = runs.at(-1);
        if (run === undefined) throw new Error("the path has not begun");
        return run;
      },
    };
    return new Performing(this.#world, performed, (delivery) => {
      this.#settled = delivery;
    });
  }

  #draw({ scheduled, done }: Turn): void {
    const { graph } = this.#explored;
    const { node, label } = this.#at;
    for (const { path, effect } of scheduled)
      if (effect !== undefined) graph.edge(node, graph.effect(path, effect), label);
    if (done !== undefined) graph.edge(node, graph.end(ends[done.kind]), label);
  }

  #outcomeOf(done: Done | undefined): Outcome | undefined {
    const { codec } = this.#world;
    const place = resultPlace(id);
    const failed = (error: unknown): Outcome => ({
      ok: false,
      error: codec.decodeFailure(codec.encodeFailure(error, place), place),
    });
    switch (done?.kind) {
      case "completed":
        try {
          return { ok: true, value: codec.roundTrip(done.value, place, "result").value };
        } catch (error) {
          return failed(error);
        }
      case "failed":
        return failed(done.error);
      case "closed":
        return failed(withErrors(done.reason, done.errors));
      default:
        return undefined;
    }
  }
}

/** The workflow's code threw before it was a generator. */
class NoBeginning extends Error {}

const ends = {
  completed: "completed",
  failed: "failed",
  closed: "cancelled",
  continued: "continued as new",
} as const;

/** What a cancel waits for once it has begun. */
function isWork({ effect }: Choice["leaf"]): boolean {
  return ["call", "map", "run", "transaction"].includes(effect.kind);
}
