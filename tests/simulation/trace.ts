import { createHash, type Hash } from "node:crypto";

/** Ids that the product makes: they differ from run to run, and nothing follows from them. */
const madeIds = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** What happened in a run, a line each; the same seed gives the same lines. */
export class Trace {
  readonly #hash: Hash = createHash("sha256");
  readonly #lines: string[] = [];
  readonly #kept: boolean;

  /** `kept`: the lines can be read afterwards; else only their digest. */
  constructor(kept: boolean) {
    this.#kept = kept;
  }

  add(line: string): void {
    const told = line.replaceAll(madeIds, "<id>");
    this.#hash.update(told).update("\n");
    if (this.#kept) this.#lines.push(told);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** May be asked once, at the end. */
  digest(): string {
    return this.#hash.digest("hex").slice(0, 16);
  }
}
