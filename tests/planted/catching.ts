/** Plants mistakes one by one, and asks those who have to notice whether they do. */
import { spawn } from "node:child_process";
import { relative } from "node:path";
import { text } from "node:stream/consumers";
import type { Catcher, PlantedBug } from "./planted-bug.ts";
import { Tree } from "./tree.ts";

/** Whoever has not noticed by then has not. */
const limitMs = 300_000;

/** What came of one mistake at one of those who have to notice it. */
export interface Finding {
  readonly caught: boolean;
  readonly ms: number;
  /** What it said, or what it did not. */
  readonly told: string;
}

/** Plants it in a copy, and runs one of its catchers there. */
export async function caught(bug: PlantedBug, catcher: Catcher): Promise<Finding> {
  using tree = Tree.copy();
  tree.plant(bug.changes);
  const begunAt = performance.now();
  const { output, timedOut } = await run(tree.folder, argumentsOf(catcher));
  const ms = performance.now() - begunAt;
  const told = timedOut ? undefined : complaintIn(output, catcher);
  return {
    caught: told !== undefined,
    ms,
    told: told ?? (timedOut ? "it hangs" : (output.trimEnd().split("\n").at(-1) ?? "")),
  };
}

function argumentsOf(catcher: Catcher): string[] {
  if ("seeds" in catcher) {
    const { seeds, first = 1 } = catcher;
    const range = ["--seeds", String(seeds), "--seed", String(first)];
    return ["tests/simulation/main.ts", ...range, "--shrink-seconds", "0"];
  }
  const file = relative("tests", catcher.file);
  return ["tests/run.ts", file, "--test-name-pattern", catcher.test];
}

/** A mistake that does not even run is not caught by its failure: that very run or test has to say so. */
function complaintIn(output: string, catcher: Catcher): string | undefined {
  if (/SyntaxError|TransformError|ERR_MODULE_NOT_FOUND/.test(output)) return undefined;
  if ("seeds" in catcher) {
    const [, seed, failure] = /^seed (\d+) fails.*\n {2}(.*)/m.exec(output) ?? [];
    return seed === undefined ? undefined : `seed ${seed}: ${failure ?? ""}`;
  }
  const failed = /✖ (.*?) \(\d+(?:\.\d+)?ms\)/g;
  return [...output.matchAll(failed)]
    .map(([, name]) => name ?? "")
    .find((name) => new RegExp(catcher.test).test(name));
}

async function run(
  folder: string,
  script: readonly string[],
): Promise<{ readonly output: string; readonly timedOut: boolean }> {
  const child = spawn(process.execPath, ["--import", "tsx", ...script], {
    cwd: folder,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, STENT_SEED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, limitMs);
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)]);
  clearTimeout(timer);
  return { output: said + complained, timedOut };
}
