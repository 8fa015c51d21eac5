import type { AnyEffect } from "../effects/any-effect.ts";
import { isImmediate, isRecord, resultPath, type Entry, type EntryKind } from "../journal.ts";
import type { NonDeterminismError } from "../errors.ts";
import { missing, reordered, unexpected } from "./divergence.ts";
import { nameOf } from "./effect-entry.ts";

/** A journal that is being replayed: the entries that the workflow has not come to yet, by path. */
export class Recorded {
  /** What was delivered, in that order; answers at the yield are not among it, they come by themselves. */
  readonly deliveries: readonly Entry[];
  readonly #left = new Map<string, Entry>();
  /** Changes of state that were refused, which have no number. */
  readonly #refused = new Map<string, Entry>();
  readonly #patches = new Set<string>();
  /** Names of the middleware with which the run began. */
  readonly middleware: readonly string[];

  constructor(journal: Iterable<Entry>) {
    const deliveries: Entry[] = [];
    let middleware: readonly string[] = [];
    for (const entry of journal) {
      if (isRecord(entry)) {
        if (entry.outcome?.ok === false) this.#refused.set(refusalKey(entry), entry);
        if (entry.kind === "middleware")
          middleware = JSON.parse(entry.name ?? "[]") as readonly string[];
        if (entry.kind === "patched" && entry.name !== undefined) this.#patches.add(entry.name);
        continue;
      }
      this.#left.set(entry.path, entry);
      if (isDelivery(entry)) deliveries.push(entry);
    }
    this.middleware = middleware;
    this.deliveries = deliveries.toSorted((a, b) => (a.delivery ?? 0) - (b.delivery ?? 0));
  }

  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** The entry at a path, which has to be of this kind and name. @throws NonDeterminismError */
  take(effect: AnyEffect, kind: EntryKind, path: string): Entry {
    const entry = this.#left.get(path);
    if (entry === undefined) throw unexpected(effect, path, undefined, this.#below(path));
    if (entry.kind !== kind || (entry.name ?? undefined) !== nameOf(effect))
      throw unexpected(effect, path, entry);
    this.#left.delete(path);
    return entry;
  }

  /** With what error the run's result was refused, if it was. */
  takeRefusedResult(): { readonly error: unknown } | undefined {
    const outcome = this.#left.get(resultPath)?.outcome;
    if (outcome?.ok !== false) return undefined;
    this.#left.delete(resultPath);
    return outcome;
  }

  /** An event of the whole execution has been delivered. */
  takeEvent(event: Entry): void {
    this.#left.delete(event.path);
  }

  /** Branches have no entry of their own, but a race that is decided. @throws NonDeterminismError if another effect stands there. */
  expectBranches(effect: AnyEffect, path: string): void {
    const entry = this.#left.get(path);
    if (entry !== undefined && !(entry.kind === "race" && effect.kind === "race"))
      throw unexpected(effect, path, entry);
  }

  /** A race is decided, as it was then. @throws NonDeterminismError */
  takeWinner(path: string, winner: string, delivery: number): void {
    const entry = this.#left.get(path);
    const yielded = { kind: "race", name: winner };
    if (entry?.name !== winner) throw unexpected(yielded, path, entry);
    if (entry.delivery !== delivery) throw reordered(yielded, entry, delivery);
    this.#left.delete(path);
  }

  /** Whether the run had the change of this id when it came to it. */
  hasPatch(id: string): boolean {
    return this.#patches.has(id);
  }

  /** What the `ordinal`-th change of this key of the state was refused with, within one delivery. */
  refusal(name: string, reached: number, ordinal: number): Entry | undefined {
    return this.#refused.get(`${reached}.${ordinal}.${name}`);
  }

  /** Why the outcome of `entry` is not the next, where the workflow has been given `number - 1` of them. */
  outOfOrder(entry: Entry, number: number): NonDeterminismError {
    const skipped = [...this.#left.values()].find((left) => left.delivery === number);
    return missing(skipped ?? entry);
  }

  /** @throws NonDeterminismError naming the entry, of those that the workflow did not come to, that was reached first. */
  expectNothingLeft(): void {
    if (this.#left.size === 0) return;
    const [first, ...others] = this.#left.values();
    if (first !== undefined)
      throw missing(others.reduce((a, b) => (b.reached < a.reached ? b : a), first));
  }

  #below(path: string): Entry | undefined {
    return [...this.#left.values()].find((entry) => entry.path.startsWith(`${path}.`));
  }
}

function isDelivery(entry: Entry): boolean {
  if (entry.delivery === undefined || entry.kind === "race") return false;
  return entry.kind === "cancel" || entry.kind === "grace" || !isImmediate(entry);
}

/** The path of a refusal is ~delivery.index.ordinal. */
function refusalKey(entry: Entry): string {
  return `${entry.reached}.${entry.path.split(".")[2] ?? ""}.${entry.name ?? ""}`;
}
