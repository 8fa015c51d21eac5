import { context } from "../../src/index.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { Surroundings } from "./surroundings.ts";

/** One attempt of an activity, as the world outside saw it. */
export interface Attempt {
  readonly fn: string;
  readonly token: string;
  readonly key: string;
  readonly execution: string;
  readonly process: SimulatedProcess;
  readonly startedAt: number;
  /** "stopped": it was told to, by a drain for example; it may begin again at once. */
  end: "none" | "succeeded" | "failed" | "stopped";
  endedAt?: number;
}

/** What happened outside of the database: every attempt that began, and how it ended. */
export class EffectsLog {
  readonly #scene: Surroundings;
  readonly attempts: Attempt[] = [];
  readonly #last = new Map<string, Attempt>();

  constructor(scene: Surroundings) {
    this.#scene = scene;
  }

  /** Within an attempt: it begins. Holds I4, I9 and I11 against it. */
  begin(fn: string, token: string): Attempt {
    const { world } = this.#scene;
    const { idempotencyKey: key, executionId: execution } = context();
    const process = world.current;
    if (!(process instanceof SimulatedProcess)) throw new Error("an attempt outside of a process");
    const attempt: Attempt = {
      fn,
      token,
      key,
      execution,
      process,
      startedAt: world.monotonicNow(),
      end: "none",
    };
    world.note(`begins ${fn} ${token}`);
    this.#checkAnew(attempt);
    if (fn === "narrow") this.#checkPlaces(attempt);
    this.attempts.push(attempt);
    this.#last.set(key, attempt);
    return attempt;
  }

  end(attempt: Attempt, end: "succeeded" | "failed" | "stopped"): void {
    attempt.end = end;
    attempt.endedAt = this.#scene.world.monotonicNow();
    this.#scene.world.note(`${end}: ${attempt.fn} ${attempt.token}`);
  }

  /** How often this step succeeded. */
  successes(token: string): number {
    return this.attempts.filter((each) => each.token === token && each.end === "succeeded").length;
  }

  /** Something of this process was running. */
  runsIn(process: SimulatedProcess): boolean {
    return this.attempts.some((each) => each.process === process && each.end === "none");
  }

  #checkAnew(attempt: Attempt): void {
    const { world } = this.#scene;
    const { key, fn, token } = attempt;
    if (this.#isStored(key))
      world.fail(`I4: ${fn} ${token} (${key}) had its outcome stored, and was started again`);
    const last = this.#last.get(key);
    if (last === undefined) return;
    if (last.fn !== fn || last.token !== token)
      world.fail(`I11: ${fn} ${token} and ${last.fn} ${last.token} share the key ${key}`);
    if (fn === "once")
      world.fail(`I5: once ${token} may be started once at most, and was started again`);
    if (last.end === "failed" || last.end === "stopped") return;
    if (!this.#isCutOff(last.process))
      world.fail(
        `${fn} ${token} was started again, and its last attempt in ${last.process.name} was not lost`,
      );
    else world.rare.happened("an attempt began again beside a lost one");
  }

  #checkPlaces(attempt: Attempt): void {
    const { world } = this.#scene;
    const beside = this.attempts.filter(
      (each) => each.fn === "narrow" && each.end === "none" && !this.#isCutOff(each.process),
    );
    if (beside.length + 1 > narrowPlaces)
      world.fail(`I9: ${attempt.token} runs beside ${beside.map(({ token }) => token).join(", ")}`);
    if (beside.length + 1 === 2) world.rare.happened("two places of a limit were taken at once");
  }

  /** What runs there may have been given to others. */
  #isCutOff({ isDisturbed, state, name }: SimulatedProcess): boolean {
    if (isDisturbed || state === "gone" || state === "draining") return true;
    return this.#scene.database.hasLostItsSession(name);
  }

  /** Whether a completion, or a failure for good, of this step is committed. */
  #isStored(key: string): boolean {
    const { database } = this.#scene;
    const [id = "", runAndCut = "", path = ""] = key.split("/");
    const [run, cut = "0"] = runAndCut.split(".");
    const dot = path.lastIndexOf(".");
    const [row] = database.all<{ stored: number }>(
      `select exists (select 1 from stent_journal j where j.execution = e.key and j.run = @run and j.cut = @cut and j.path = @path and j.kind = 'call'
          and (j.status in (1, 2) or exists (
            select 1 from stent_arrivals a where a.execution = e.key and a.run = @run and a.seq = j.seq)))
        or exists (select 1 from stent_journal j join stent_items i on i.execution = j.execution and i.run = j.run and i.seq = j.seq
          where j.execution = e.key and j.run = @run and j.path = @mapPath and i.item = @item and i.status in (1, 2))
        or (e.kind = 'activity' and e.run = @run and e.cut = @cut and e.ended_at is not null) as stored
       from stent_executions e where e.id = @id`,
      {
        id,
        run: Number(run),
        cut: Number(cut),
        path,
        mapPath: path.slice(0, Math.max(0, dot)),
        item: Number(path.slice(dot + 1)),
      },
    );
    return row?.stored === 1;
  }
}

/** At most this many of `narrow` may run at a time. */
export const narrowPlaces = 2;
