import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join, relative } from "node:path";
import { test } from "node:test";

test("the contract in use compiles unchanged, and its wrong uses do not", () => {
  const { faults, files } = compile("usage.tsconfig.json");
  assert.deepEqual(faults, []);
  // Without these, a program that holds nothing would pass.
  assert.ok(files.includes("tests/types/usage.ts"));
  assert.ok(files.includes("src/index.ts"));
});

function compile(project: string): { faults: string[]; files: string[] } {
  const root = join(import.meta.dirname, "../..");
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(
    process.execPath,
    [compiler, "--project", join(import.meta.dirname, project), "--pretty", "false", "--listFiles"],
    { cwd: root, encoding: "utf8" },
  );
  const lines = stdout.split("\n").filter((line) => line !== "");
  const isFile = (line: string): boolean => /^\S+\.(?:[cm]?ts|json)$/.test(line);
  return {
    faults: lines.filter((line) => !isFile(line)),
    files: lines.filter(isFile).map((path) => relative(root, path)),
  };
}
