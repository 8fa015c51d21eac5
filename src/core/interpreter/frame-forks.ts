import { Abandoned, type Log } from "./branches.ts";
import { addErrors } from "./closing-errors.ts";
import { closed, type Closing, type Forked, type Settlement } from "./node.ts";

/** The forks of one frame that have not ended, and what came of the others. */
export class FrameForks {
  readonly #running = new Set<Forked>();
  /** In the order in which they failed. */
  readonly #failed: Forked[] = [];
  readonly #errors: unknown[] = [];
  #closedOne = false;

  get running(): boolean {
    return this.#running.size > 0;
  }

  add(fork: Forked): void {
    this.#running.add(fork);
  }

  end(fork: Forked): void {
    this.#running.delete(fork);
    if (fork.how?.kind === "error") this.#failed.push(fork);
    if (fork.how?.kind !== "closed") return;
    for (const error of fork.how.errors ?? []) this.#errors.push(error);
  }

  close(closing: Closing): void {
    for (const fork of this.#running) {
      this.#closedOne = true;
      fork.close(closing);
    }
  }

  /** The frame's generator has ended: closes those whose owner has failed, be it by one of them. @returns how the frame ends */
  after(outcome: Settlement): Settlement {
    const failure = outcome.kind === "value" ? this.#untold() : undefined;
    const result = failure?.how ?? outcome;
    if (result.kind === "error") this.close(new Abandoned("the branch that started it failed"));
    return result;
  }

  /** All have ended. What was thrown meanwhile stands in `errors` of what the frame ends with. */
  conclude(result: Settlement, log: Log): Settlement {
    const errors = [...this.#errors, ...this.#failed.filter((fork) => !fork.told).map(errorOf)];
    switch (result.kind) {
      case "error": {
        const others = errors.filter((error) => error !== result.error);
        if (!addErrors(result.error, others)) log(others);
        return result;
      }
      case "closed":
        return errors.length === 0
          ? result
          : { kind: "closed", errors: [...(result.errors ?? []), ...errors] };
      case "value":
        if (errors.length > 0) log(errors);
        return this.#closedOne ? closed : result;
      default:
        return result satisfies never;
    }
  }

  #untold(): Forked | undefined {
    return this.#failed.find((fork) => !fork.told);
  }
}

function errorOf({ how }: Forked): unknown {
  return how?.kind === "error" ? how.error : undefined;
}
