import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

test("the example of an embedded interpreter prints what its document says", () => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", "examples/12-embedding/main.ts"],
    {
      cwd: root,
      encoding: "utf8",
    },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, block("text"));
});

test("the document of the interpreter shows the example as it is", () => {
  assert.equal(block("ts"), readFileSync(join(root, "examples/12-embedding/main.ts"), "utf8"));
});

/** The first block of code of a language in the document. */
function block(language: string): string {
  const document = readFileSync(join(root, "docs/interpreter.md"), "utf8");
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(document) ?? [];
  return code ?? assert.fail(`no ${language} in docs/interpreter.md`);
}
