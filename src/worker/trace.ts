import { isDeepStrictEqual } from "node:util";
import type { AnyEffect } from "../core/effects/any-effect.ts";
import { entryPlace } from "../core/places.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { RunId } from "./journal-loading.ts";

/** One effect that was yielded, as it was then: what it carries may change afterwards. */
export interface YieldedStep {
  readonly kind: string;
  readonly name: string | undefined;
  readonly path: string;
  /** How many branches it has. */
  readonly branches: number;
  /** What else there is of it, as it would be stored; undefined for what cannot be. */
  readonly data: readonly (Payload | undefined)[];
}

/** Every effect that a run has yielded, in that order. */
export class Trace {
  readonly steps: YieldedStep[] = [];
  readonly #codec: PayloadCodec;
  readonly #run: RunId;

  constructor(codec: PayloadCodec, run: RunId) {
    this.#codec = codec;
    this.#run = run;
  }

  add(effect: AnyEffect, path: string): void {
    const fields = Object.entries(effect).filter(([field]) => !toldApart.has(field));
    const items = effect.kind === "map" ? effect.items : [];
    const data = fields.length === 0 ? items : [Object.fromEntries(fields), ...items];
    this.steps.push({
      kind: effect.kind,
      name: "name" in effect ? effect.name : undefined,
      path,
      branches: "branches" in effect ? effect.branches.length : Number("branch" in effect),
      data: data.map((value) => this.#encoded(value, path)),
    });
  }

  /** The first place at which the two differ; undefined if there is none. */
  difference(other: Trace): number | undefined {
    const length = Math.max(this.steps.length, other.steps.length);
    for (let index = 0; index < length; index += 1) {
      const [a, b] = [this.steps[index], other.steps[index]];
      if (a === undefined || b === undefined || !this.#same(a, b)) return index;
    }
    return undefined;
  }

  #same(a: YieldedStep, b: YieldedStep): boolean {
    return (
      a.kind === b.kind &&
      a.name === b.name &&
      a.path === b.path &&
      a.branches === b.branches &&
      a.data.length === b.data.length &&
      a.data.every((payload, index) => this.#sameData(payload, b.data[index], a.path))
    );
  }

  /** A serializer may give one value several encodings: encryption does, and the order of an object's keys. */
  #sameData(a: Payload | undefined, b: Payload | undefined, path: string): boolean {
    if (a === b) return true;
    if (a === undefined || b === undefined) return false;
    const place = this.#place(path);
    return isDeepStrictEqual(this.#codec.decode(a, place), this.#codec.decode(b, place));
  }

  /** What cannot be stored is refused where it is yielded; the arguments of a `branch` never are. */
  #encoded(value: unknown, path: string): Payload | undefined {
    try {
      return this.#codec.encode(value, this.#place(path));
    } catch {
      return undefined;
    }
  }

  #place(path: string): ReturnType<typeof entryPlace> {
    return entryPlace(this.#run.id, this.#run.run, path);
  }
}

/** Branches tell what they are by what they yield. What is not enumerable is not here anyhow: closures, and the functions that are called. */
const toldApart: ReadonlySet<string> = new Set([
  "kind",
  "name",
  "items",
  "branches",
  "branch",
  "fn",
  "undo",
]);
