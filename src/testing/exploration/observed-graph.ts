import { describeEffect, type Effect } from "../../core/effects/effect.ts";

/** What followed what, on all paths that were taken: a node an effect by its path, an edge an answer. */
export class ObservedGraph {
  readonly #nodes = new Map<string, string>();
  readonly #edges = new Set<string>();

  constructor() {
    this.#node("start", "([start])");
  }

  /** The effect at this path. @returns its node */
  effect(path: string, effect: Effect<unknown>): string {
    const text = `${path} ${describeEffect(effect)}`.replaceAll('"', "'");
    return this.#node(`${path} ${effect.kind}`, `["${text}"]`);
  }

  /** How a path ended. @returns its node */
  end(how: string): string {
    return this.#node(how, `([${how}])`);
  }

  get start(): string {
    return "n0";
  }

  edge(from: string, to: string, label?: string): void {
    this.#edges.add(label === undefined ? `${from} --> ${to}` : `${from} -->|${label}| ${to}`);
  }

  /** As mermaid draws it. */
  toString(): string {
    const lines = [...this.#nodes.values(), ...this.#edges];
    return `flowchart TD\n${lines.map((line) => `  ${line}\n`).join("")}`;
  }

  #node(key: string, shape: string): string {
    const [known] = (this.#nodes.get(key) ?? "").split(/[[(]/);
    if (known !== undefined && known !== "") return known;
    const name = `n${this.#nodes.size}`;
    this.#nodes.set(key, name + shape);
    return name;
  }
}
