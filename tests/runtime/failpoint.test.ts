import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failpoint, failpoints } from "../../src/runtime/failpoint.ts";

const root = join(import.meta.dirname, "../..");

test("a failpoint does nothing where none is asked for", () => {
  assert.equal(failpoint("turn.after-commit"), undefined);
});

test("every failpoint stands somewhere in the code", () => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith("failpoint.ts"))
    .map((path) => readFileSync(join(root, "src", path), "utf8"))
    .join("\n");
  assert.deepEqual(
    failpoints.filter((name) => !sources.includes(`"${name}"`)),
    [],
  );
});

test("a failpoint acts the time that was asked for, and once", () => {
  const script = `
    import { failpoint } from ${JSON.stringify(join(root, "src/runtime/failpoint.ts"))};
    for (let i = 1; i <= 4; i++) {
      failpoint("drain.begun");
      try { failpoint("turn.after-load"); console.log(i); } catch (error) { console.log(error.message); }
    }`;
  assert.equal(
    run(script, "turn.after-load:throw:3").stdout,
    "1\n2\nfailpoint turn.after-load\n4\n",
  );
  const killed = run(script, "turn.after-load:kill:2");
  assert.deepEqual([killed.stdout, killed.signal], ["1\n", "SIGKILL"]);
  for (const wrong of ["nowhere:kill", "turn.after-load:explode", "turn.after-load:kill:0"]) {
    assert.match(
      run(script, wrong).stderr,
      /RangeError: STENT_FAILPOINT is name:action\[:count\], got/,
    );
  }
});

function run(
  script: string,
  setting: string,
): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, STENT_FAILPOINT: setting, NODE_TEST_CONTEXT: undefined },
  });
}
