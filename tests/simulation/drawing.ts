import type { Chance } from "./chance.ts";
import type { Ending, Node, Program } from "./nodes.ts";

/** Draws the programs of a run. */
export function drawPrograms(chance: Chance): Program[] {
  const count = chance.between(2, 7);
  return Array.from({ length: count }, (_, index) => drawProgram(chance, `p${index}`));
}

function drawProgram(chance: Chance, id: string): Program {
  const at = chance.between(0, 6_000);
  const delay = chance.happens(0.15) ? chance.between(100, 4_000) : 0;
  const kind = chance.between(1, 14);
  if (kind === 1) return { kind: "job", id, at, delay, fails: chance.between(0, 2) };
  if (kind === 2) return { kind: "mended job", id, at };
  if (kind === 3) return { kind: "mended", id, at };
  if (kind === 4) return { kind: "versioned", id, at, version: chance.pick([1, 2]) };
  if (kind === 5) return { kind: "patched", id, at };
  const draw = new Drawing(chance, id);
  const nodes = draw.nodes(chance.between(1, 5), 2);
  return { kind: "program", id, at, delay, nodes, ending: draw.ending() };
}

class Drawing {
  readonly #chance: Chance;
  readonly #id: string;
  #tokens = 0;
  /** Whom clients cannot name: a child. */
  #isInChild = false;

  constructor(chance: Chance, id: string) {
    this.#chance = chance;
    this.#id = id;
  }

  ending(): Ending {
    const chance = this.#chance;
    switch (chance.between(1, 12)) {
      case 1:
      case 2:
        return {
          how: "throws",
          undo: Array.from({ length: chance.between(1, 3) }, () => this.#token()),
        };
      case 3:
      case 4:
        return { how: "cancelled", at: chance.between(1_000, 15_000), release: this.#token() };
      case 5:
        return { how: "times out", afterMs: chance.between(500, 8_000) };
      case 6:
        return { how: "rounds", rounds: chance.between(2, 4), token: this.#token() };
      case 7:
        return { how: "second run", token: this.#token() };
      default:
        return { how: "returns" };
    }
  }

  nodes(count: number, depth: number): Node[] {
    return Array.from({ length: count }, () => this.#node(depth));
  }

  #node(depth: number): Node {
    const chance = this.#chance;
    const token = this.#token();
    const ms = chance.happens(0.35) ? chance.between(300, 5_000) : chance.between(0, 60);
    switch (chance.between(1, depth > 0 ? 26 : 18)) {
      case 1:
      case 2:
      case 3:
        return { do: "step", token, ms, fails: chance.happens(0.4) ? chance.between(1, 2) : 0 };
      case 4:
        return { do: "broken", token };
      case 5:
        return { do: "once", token, ms };
      case 6:
      case 7:
        return { do: "sleep", ms: chance.happens(0.3) ? chance.between(1_000, 6_000) : ms };
      case 8:
      case 9:
        if (this.#isInChild) return { do: "sleep", ms };
        return { do: "receive", name: `to ${token}`, token, sendAt: chance.between(0, 12_000) };
      case 10:
        return { do: "expire", ms };
      case 11:
        return {
          do: "map",
          token,
          items: chance.between(0, 9),
          failing: chance.between(0, 2),
          concurrency: chance.between(1, 5),
        };
      case 12:
        return { do: "narrow", token, ms };
      case 13:
        return { do: "settled", group: chance.between(1, 2) };
      case 14:
        return { do: "count", by: chance.between(1, 5) };
      case 15:
        return { do: "counting", token };
      case 16:
        return { do: "ledger", token };
      case 17:
        return chance.happens(0.5) ? { do: "closure", token } : { do: "dispatch", token };
      case 18:
        return { do: "children", token, items: chance.between(1, 4) };
      case 19:
      case 20:
        return {
          do: "all",
          branches: Array.from({ length: chance.between(2, 3) }, () =>
            this.nodes(chance.between(1, 2), depth - 1),
          ),
        };
      case 21:
        return {
          do: "race",
          fast: this.nodes(1, depth - 1),
          slow: chance.pick(["sleep", "signal", "endless"]),
        };
      case 22:
        return { do: "fork", branch: this.nodes(chance.between(1, 2), depth - 1) };
      case 23:
        return { do: "within", branch: chance.happens(0.4) ? "expires" : this.nodes(1, depth - 1) };
      default:
        return this.#child(depth);
    }
  }

  #child(depth: number): Node {
    const isInChild = this.#isInChild;
    this.#isInChild = true;
    const nodes = this.nodes(this.#chance.between(1, 3), depth - 1);
    this.#isInChild = isInChild;
    return { do: "child", nodes, fails: this.#chance.happens(0.25) };
  }

  #token(): string {
    this.#tokens += 1;
    return `${this.#id}.${this.#tokens}`;
  }
}
