import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A block of TypeScript in a document. */
export interface Snippet {
  readonly document: string;
  /** Where the block's fence stands. */
  readonly line: number;
  readonly code: string;
  /** What other snippets of its page import it as: the name in its first line, or one of its own. */
  readonly fileName: string;
  /** The fence says `ts run`: it is a program that ends by itself. `ts test`: it is a file of tests. */
  readonly runs: "run" | "test" | undefined;
}

/** Every block of TypeScript in README.md and docs/. */
export function snippetsOf(root: string): Snippet[] {
  const pages = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" });
  return ["README.md", ...pages.map((name) => `docs/${name}`)]
    .filter((document) => document.endsWith(".md"))
    .flatMap((document) => snippetsIn(document, readFileSync(join(root, document), "utf8")));
}

function snippetsIn(document: string, text: string): Snippet[] {
  return [...text.matchAll(/^```ts(?: (run|test))?\n(.*?)^```$/gms)].map(
    ({ index, 1: run, 2: code = "" }) => {
      const line = text.slice(0, index).split("\n").length;
      const [, named] = /^\/\/ (\S+\.ts)\n/.exec(code) ?? [];
      return {
        document,
        line,
        code,
        fileName: named ?? `line-${line}.ts`,
        runs: run === "run" || run === "test" ? run : undefined,
      };
    },
  );
}
