import {
  ClosedError,
  DatabaseError,
  ExecutionRunningError,
  ExecutionFinishedError,
} from "../../src/core/errors.ts";
import type { Result } from "../../src/core/result.ts";
import type { Stent } from "../../src/stent.ts";
import { everyNode, type Program } from "./nodes.ts";
import { functions } from "./programs.ts";
import type { Scene } from "./scene.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** Something that a client asks for, until it is answered. */
interface Act {
  readonly label: string;
  readonly at: number;
  readonly act: (stent: Stent) => Promise<unknown>;
  /** What is asked for once this is answered. */
  readonly next: readonly Act[];
  process: SimulatedProcess | undefined;
  tries: number;
}

/** Everything that clients ask for in a run: each is asked again, of another process, where no answer has come. */
export class ClientLoad {
  readonly #scene: Scene;
  readonly #anyClient: () => SimulatedProcess | undefined;
  readonly #open = new Set<Act>();
  /** How each execution ended, as those who waited for it were told. */
  readonly results = new Map<string, Result<unknown>>();

  constructor(scene: Scene, anyClient: () => SimulatedProcess | undefined) {
    this.#scene = scene;
    this.#anyClient = anyClient;
  }

  start(): void {
    for (const program of this.#scene.plan.programs) this.#begin(this.#actsOf(program));
  }

  /** What is not answered yet. */
  get open(): readonly string[] {
    return [...this.#open].map(
      ({ label, process }) => `${label} (${process?.name ?? "nobody is asked"})`,
    );
  }

  /** What was asked of it has no answer. */
  gone(process: SimulatedProcess): void {
    for (const act of this.#open) {
      if (act.process !== process) continue;
      act.process = undefined;
      this.#askLater(act, 100);
    }
  }

  #begin(act: Act): void {
    this.#open.add(act);
    this.#askLater(act, act.at - this.#scene.world.monotonicNow());
  }

  #askLater(act: Act, afterMs: number): void {
    const { world } = this.#scene;
    world.add({ label: `a client wants to ${act.label}`, afterMs, run: () => this.#ask(act) });
  }

  #ask(act: Act): void {
    const { world } = this.#scene;
    const process = this.#anyClient();
    if (process === undefined) return this.#askLater(act, 200);
    act.process = process;
    act.tries += 1;
    if (act.tries > 1) world.rare.happened("a request repeated without its answer");
    world.add({
      owner: process,
      label: `asks to ${act.label}`,
      run: () => {
        act.act(process.stent).then(
          () => this.#answered(act),
          (error: unknown) => this.#failed(act, error),
        );
      },
    });
  }

  #answered(act: Act): void {
    this.#scene.world.note(`is told: ${act.label}`);
    this.#open.delete(act);
    for (const next of act.next) this.#begin(next);
  }

  #failed(act: Act, error: unknown): void {
    const { world } = this.#scene;
    act.process = undefined;
    if (error instanceof DatabaseError || error instanceof ClosedError || error instanceof TryAgain)
      return this.#askLater(act, 300);
    this.#open.delete(act);
    world.fail(
      `a client could not ${act.label}: ${error instanceof Error ? error.stack : String(error)}`,
    );
  }

  #actsOf(program: Program): Act {
    const { id } = program;
    const awaited = newAct(`wait for ${id}`, 0, async (stent) => {
      this.results.set(id, await stent.waitFor(id, { timeout: "20h" }));
    });
    const next = [awaited, ...this.#actsUpon(program)];
    return newAct(`dispatch ${id}`, program.at, (stent) => dispatched(stent, program), next);
  }

  #actsUpon(program: Program): Act[] {
    const { id } = program;
    if (program.kind === "mended" || program.kind === "mended job") return [this.#mending(id)];
    if (program.kind !== "program") return [];
    const acts: Act[] = [];
    for (const node of everyNode(program.nodes)) {
      if (node.do !== "receive") continue;
      acts.push(
        newAct(`send "${node.name}"`, node.sendAt, async (stent) => {
          await sentTo(stent, id, node.name, node.token, program.ending.how !== "returns");
        }),
      );
    }
    if (program.ending.how === "cancelled")
      acts.push(newAct(`cancel ${id}`, program.ending.at, (stent) => stent.cancel(id)));
    return acts;
  }

  /** Once it has failed, it is put right, and replayed until it goes on. */
  #mending(id: string): Act {
    return newAct(`mend ${id}`, 0, async (stent) => {
      const { state } = await stent.stateOf(id);
      if (this.#scene.isMended(id) && state !== "failed") return;
      if (state !== "failed") throw new TryAgain();
      const { items } = await stent.listDeadLetters();
      const letter = items.find(({ executionId }) => executionId === id);
      if (letter === undefined) throw new TryAgain();
      this.#scene.mend(id);
      await stent.replayDeadLetter(letter.task.id).catch((error: unknown) => {
        throw error instanceof ExecutionRunningError ? new TryAgain() : error;
      });
      this.#scene.world.rare.happened("a dead letter was replayed");
    });
  }
}

class TryAgain extends Error {}

function newAct(label: string, at: number, act: Act["act"], next: readonly Act[] = []): Act {
  return { label, at, act, next, process: undefined, tries: 0 };
}

async function sentTo(
  stent: Stent,
  id: string,
  name: string,
  token: string,
  mayHaveEnded: boolean,
): Promise<void> {
  try {
    await stent.sendSignal(id, name, token, { dedupeKey: token });
  } catch (error) {
    if (!(mayHaveEnded && error instanceof ExecutionFinishedError)) throw error;
  }
}

function dispatched(stent: Stent, program: Program): Promise<unknown> {
  const { id } = program;
  const options = { id, ifExists: "join" } as const;
  switch (program.kind) {
    case "job":
      return stent.dispatch(functions.step, [id, 20, program.fails], {
        ...options,
        delay: program.delay,
      });
    case "mended job":
      return stent.dispatch(functions.mendable, [id], options);
    case "mended":
      return stent.dispatch(functions.mended, [id], options);
    case "versioned":
      return stent.dispatch(
        program.version === 1 ? functions.versioned1 : functions.versioned2,
        [id],
        options,
      );
    case "patched":
      return stent.dispatch(functions.patching, [id], options);
    case "program": {
      const { nodes, ending, delay } = program;
      if (ending.how === "rounds")
        return stent.dispatch(functions.rounds, [ending.token, ending.rounds, 1], options);
      if (ending.how === "second run")
        return stent.dispatch(functions.secondRun, [ending.token], options);
      const limit = ending.how === "times out" ? { maxDuration: ending.afterMs } : {};
      return stent.dispatch(functions.program, [nodes, ending], { ...options, delay, ...limit });
    }
    default:
      return program satisfies never;
  }
}
