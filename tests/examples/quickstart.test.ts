import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const temporary = mkdtempSync(join(tmpdir(), "stent-quickstart-test-"));
after(() => rmSync(temporary, { recursive: true }));

test("the quickstart kills a process in the third step, and a new one completes the rest once", () => {
  const { stdout, stderr, status } = spawnSync("npm", ["run", "--silent", "quickstart"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: temporary },
  });

  assert.equal(status, 0, stdout + stderr);
  const lines = stdout.split("\n").map((line) => line.replace(/process \d+/, "process"));
  const said = lines.filter((line) => line.startsWith("[process] ") || line.startsWith("process "));
  assert.deepEqual(said, [
    "[process] reserve begins",
    "[process] reserve has ended",
    "[process] charge begins",
    "[process] charge has ended",
    "[process] pack begins",
    "process has ended by SIGKILL",
    "[process] pack begins",
    "[process] pack has ended",
    "[process] ship begins",
    "[process] ship has ended",
    "[process] notify begins",
    "[process] notify has ended",
    "[process] result: payment of 4200 for A-1, shipped as T-1000 (parcel of hold-A-1)",
  ]);
  assert.match(stdout, /Each of the 5 steps was completed once; only pack, .* began twice\./);
});

test("the quickstart leaves nothing behind", () => {
  assert.deepEqual(
    readdirSync(temporary).filter((name) => name.startsWith("stent-")),
    [],
  );
});
