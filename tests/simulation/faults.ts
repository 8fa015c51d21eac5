import type { Chance } from "./chance.ts";

/** What may go wrong in a run. Each is switched on or off by the seed: few at a time find what all of them together would hide. */
export const faultKinds = [
  "crash",
  "client-crash",
  "pause",
  "stall",
  "lost-before",
  "late-answer",
  "hints",
  "clock-ahead",
  "clock-back",
  "deploy",
  "drain",
  "full-disk",
  "small-cache",
  "throwing-hooks",
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** The faults of one run. */
export class Faults {
  readonly on: ReadonlySet<FaultKind>;

  constructor(on: Iterable<FaultKind>) {
    this.on = new Set(on);
  }

  static drawn(chance: Chance): Faults {
    const share = chance.pick([0.15, 0.35, 0.6]);
    return new Faults(faultKinds.filter(() => chance.happens(share)));
  }

  has(kind: FaultKind): boolean {
    return this.on.has(kind);
  }

  without(kind: FaultKind): Faults {
    return new Faults([...this.on].filter((each) => each !== kind));
  }
}
