import { readFileSync, readdirSync } from "node:fs";

/** Of the kernel's clock in which it counts processor time: 100 a second, whatever the machine. */
const tickMs = 10;

/** The time that a process and those that it has started have had on a processor, in milliseconds, those that have ended included. Linux only. */
export function cpuMsOf(pid: number): number | undefined {
  try {
    const parents = new Map<number, ProcessTimes>();
    for (const name of readdirSync("/proc")) {
      const times = /^\d+$/.test(name) ? timesOf(Number(name)) : undefined;
      if (times !== undefined) parents.set(Number(name), times);
    }
    let ticks = 0;
    for (const [each, times] of parents)
      if (each === pid || times.parent === pid) ticks += times.ticks;
    return ticks * tickMs;
  } catch {
    return undefined;
  }
}

interface ProcessTimes {
  readonly parent: number;
  readonly ticks: number;
}

/** @returns undefined if it is gone */
function timesOf(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // utime, stime, and the same of children that have ended
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}
