/** Runs every workload in a process of its own, so that each one's memory is its own. */
import { spawnSync } from "node:child_process";
import { workloads } from "./workloads.ts";

/** @returns the exit code: that of the first that failed, else 0. */
export function runEach(options: readonly string[]): number {
  const [program = ""] = process.argv.slice(1);
  const exitCodes = Object.keys(workloads).map(
    (name) =>
      spawnSync(process.execPath, [program, name, ...options], { stdio: "inherit" }).status ?? 1,
  );
  return exitCodes.find((exitCode) => exitCode !== 0) ?? 0;
}
