/** Runs every workload in a process of its own, so that each one's memory is its own. */
import { spawnSync } from "node:child_process";

/** @returns the exit code: that of the first that failed, else 0. */
export function runEach(names: readonly string[], options: readonly string[]): number {
  const [program = ""] = process.argv.slice(1);
  const exitCodes = names.map(
    (name) =>
      spawnSync(process.execPath, [program, name, ...options], { stdio: "inherit" }).status ?? 1,
  );
  return exitCodes.find((exitCode) => exitCode !== 0) ?? 0;
}
