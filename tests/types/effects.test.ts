import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import type { uses } from "./effects.test-d.ts";

test("right uses of effects compile, and wrong ones do not", () => {
  const root = join(import.meta.dirname, "../..");
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const project = join(import.meta.dirname, "effects.tsconfig.json");
  const { stdout, status } = spawnSync(
    process.execPath,
    [compiler, "--project", project, "--pretty", "false", "--listFiles"],
    { cwd: root, encoding: "utf8" },
  );
  assert.equal(status, 0, stdout);
  // Without it, a program that holds nothing would pass.
  assert.match(stdout, /tests\/types\/effects\.test-d\.ts/);
  // The file runs nothing; that it is named here keeps it from being taken for dead.
  assert.ok(true satisfies typeof uses extends object ? true : never);
});
