/** All of them: `npm run planted`. Here are those that take the least time. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { caught } from "./catching.ts";
import { nameOf } from "./planted-bug.ts";
import { planted } from "./planted.ts";
import { Tree } from "./tree.ts";

const cheap = ["wake-without-sequence", "timer-in-memory-only", "message-consumed-twice"];

test("every mistake can be planted in the code as it is, and compiles: what does not even run would be caught by anybody", async () => {
  using tree = Tree.copy();
  for (const { changes } of planted) tree.plant(changes);
  const unusedIsFine = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"];
  const compiler = ["node_modules/typescript/bin/tsc", "-p", "src/tsconfig.build.json", "--noEmit"];
  const args = [...compiler, ...unusedIsFine];
  await promisify(execFile)(process.execPath, args, { cwd: tree.folder });
});

test("they have names of their own, and somebody who has to notice them", () => {
  assert.equal(new Set(planted.map(({ name }) => name)).size, planted.length);
  assert.ok(planted.every(({ caughtBy }) => caughtBy.length > 0));
});

for (const { name, ...bug } of planted.filter((one) => cheap.includes(one.name))) {
  const [catcher] = bug.caughtBy;
  assert.ok(catcher);
  test(`${name} is caught by ${nameOf(catcher)}`, async () => {
    const finding = await caught({ name, ...bug }, catcher);
    assert.ok(finding.caught, finding.told);
  });
}
