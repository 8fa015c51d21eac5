/** A copy of the project with one mistake in it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Change } from "./planted-bug.ts";

const root = join(import.meta.dirname, "../..");
const copied = ["src", "cli", "tests", "bench", "examples", "package.json", "tsconfig.json"];
/** What is made, and not ours to copy. */
const left = /\/(?:node_modules|\.compiled)$/;

export class Tree implements Disposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static copy(): Tree {
    const folder = mkdtempSync(join(tmpdir(), "stent-planted-"));
    for (const name of copied)
      cpSync(join(root, name), join(folder, name), {
        recursive: true,
        filter: (path) => !left.test(path),
      });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    return new Tree(folder);
  }

  /** @throws where the text does not stand there once: the code has changed, and the mistake has to be planted anew */
  plant(changes: readonly Change[]): void {
    for (const { file, find, put } of changes) {
      const path = join(this.folder, file);
      const parts = readFileSync(path, "utf8").split(find);
      if (parts.length !== 2)
        throw new Error(`${file} has ${parts.length - 1} times, and not once: ${find}`);
      writeFileSync(path, parts.join(put));
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
