import type { Workflow } from "../../core/durable.ts";
import type { PayloadCodec } from "../../core/payload.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunId } from "../../worker/journal-loading.ts";
import { RunFacts } from "../../worker/run-facts.ts";
import type { Chance } from "../chance.ts";

/** What a run is and works with. */
export interface RunSetting {
  readonly run: RunId & { readonly name: string };
  readonly clock: Clock;
  readonly codec: PayloadCodec;
  readonly chance: Chance;
  /** The function that the next run will run. */
  readonly nextFunction: () => Workflow<unknown[], unknown>;
}

/** The world as a worker shows it to a workflow, but for chance, which follows from the seed. */
export class SimulatedFacts extends RunFacts {
  readonly #chance: Chance;
  /** What was answered since it was taken last: another coroutine of the same run is given the same. */
  #answers: { readonly random: number[]; readonly uuid: string[] } = { random: [], uuid: [] };

  constructor({ clock, codec, run, nextFunction, chance }: RunSetting) {
    super(clock, codec, run, nextFunction);
    this.#chance = chance;
  }

  override random(): number {
    const answer = this.#chance.next();
    this.#answers.random.push(answer);
    return answer;
  }

  override uuid(): string {
    const answer = this.#chance.uuid();
    this.#answers.uuid.push(answer);
    return answer;
  }

  takeAnswers(): Answers {
    const answers = this.#answers;
    this.#answers = { random: [], uuid: [] };
    return answers;
  }
}

/** Answers of chance, in the order in which they were given. */
export interface Answers {
  readonly random: readonly number[];
  readonly uuid: readonly string[];
}

/** The same world, seen a second time. */
export class RepeatedFacts extends RunFacts {
  #random: number[] = [];
  #uuid: string[] = [];

  constructor({ clock, codec, run, nextFunction }: RunSetting) {
    super(clock, codec, run, nextFunction);
  }

  repeat({ random, uuid }: Answers): void {
    this.#random = [...random];
    this.#uuid = [...uuid];
  }

  /** Asked for more often than the first time, it answers with what is no answer of the first: the difference shows. */
  override random(): number {
    return this.#random.shift() ?? -1;
  }

  override uuid(): string {
    return this.#uuid.shift() ?? "asked once more than the first time";
  }
}
