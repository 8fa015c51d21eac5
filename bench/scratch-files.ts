import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The database files of a run: made for it, and removed with it. */
export class ScratchFiles implements Disposable {
  readonly #folder: string | undefined;
  readonly #path: string;

  /** At that path, or in a temporary folder. */
  constructor(path: string | undefined) {
    this.#folder = path === undefined ? mkdtempSync(join(tmpdir(), "stent-bench-")) : undefined;
    this.#path = path ?? join(this.#folder ?? "", "bench.db");
  }

  /** The path of a database that does not exist yet. What was there before is gone. */
  fresh(): string {
    remove(this.#path);
    return this.#path;
  }

  /** The path of a copy of a database. */
  copyOf(original: string): string {
    const path = this.fresh();
    copyFileSync(original, path);
    return path;
  }

  /** The path of a database that stays until the end of the run. */
  original(): string {
    const path = `${this.#path}.original`;
    remove(path);
    return path;
  }

  [Symbol.dispose](): void {
    remove(this.#path);
    remove(`${this.#path}.original`);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
  }
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}
