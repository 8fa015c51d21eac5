import { copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { countLeftBehind, type LeftBehind, type Scratch } from "../scratch.ts";
import { preload } from "./preload.ts";
import { SqliteRawLimit } from "./raw-limit.ts";

/** Database files: at a path, or in a temporary folder. */
export class SqliteScratch implements Scratch {
  readonly backend = "sqlite";
  readonly #folder: string | undefined;
  readonly #path: string;

  /** At that path, or in a temporary folder. */
  constructor(path: string | undefined) {
    this.#folder = path === undefined ? mkdtempSync(join(tmpdir(), "stent-bench-")) : undefined;
    this.#path = path ?? join(this.#folder ?? "", "bench.db");
  }

  fresh(): Promise<string> {
    remove(this.#path);
    return Promise.resolve(this.#address);
  }

  async preload(executions: number): Promise<void> {
    remove(this.#original);
    await preload(this.#original, executions);
  }

  preloaded(): Promise<string> {
    remove(this.#path);
    copyFileSync(this.#original, this.#path);
    return Promise.resolve(this.#address);
  }

  openRaw(address: string): Promise<SqliteRawLimit> {
    return SqliteRawLimit.open(pathOf(address));
  }

  leftBehind(address: string): Promise<LeftBehind> {
    const database = new Database(pathOf(address), { readonly: true });
    const rows = database.prepare(countLeftBehind).pluck().get() as number;
    database.close();
    return Promise.resolve({ rows, mb: statSync(pathOf(address)).size / 1_048_576 });
  }

  cpuMs(): undefined {
    return undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    remove(this.#path);
    remove(this.#original);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true });
    return Promise.resolve();
  }

  get #address(): string {
    return `sqlite:${this.#path}`;
  }

  /** What stays until the end of the run. */
  get #original(): string {
    return `${this.#path}.original`;
  }
}

function pathOf(address: string): string {
  return address.slice("sqlite:".length);
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}
