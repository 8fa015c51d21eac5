import type { Connection } from "../client/connection.ts";
import { StentError } from "../core/errors.ts";
import type { WorkerState } from "../worker/lifecycle.ts";

/** How a client, its database and its workers are doing. */
export interface Health {
  readonly database: {
    readonly reachable: boolean;
    /** Why it is not: the code of the error, or "NO_ANSWER". */
    readonly code?: string;
  };
  /** `sessionLive`: it has a session whose lease has not run out. */
  readonly workers: readonly {
    readonly name: string;
    readonly state: WorkerState;
    readonly sessionLive: boolean;
  }[];
}

type Act = <T>(act: (connection: Connection) => Promise<T>) => Promise<T>;

/** Asks the database for next to nothing. There is one question at a time: while the database hangs, who asks waits for the same answer. */
export class DatabaseProbe {
  readonly #act: Act;
  #asking: Promise<Health["database"]> | undefined;

  constructor(act: Act) {
    this.#act = act;
  }

  /** Never rejects. `timeoutMs`: past it there is no answer. */
  async ask(timeoutMs: number): Promise<Health["database"]> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Health["database"]>((resolve) => {
      timer = setTimeout(() => resolve({ reachable: false, code: "NO_ANSWER" }), timeoutMs);
    });
    try {
      return await Promise.race([this.#asking, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(): Promise<Health["database"]> {
    try {
      await this.#act(({ store }) => store.executionByKey(noExecution));
      return { reachable: true };
    } catch (error) {
      return { reachable: false, code: error instanceof StentError ? error.code : "ERROR" };
    }
  }
}

/** Keys begin at 1: a look into the index finds nothing. */
const noExecution = 0;
