/**
 * Which process this is, so that a worker that starts can tell whether the process of an earlier session is gone and release at once
 * what it held.
 *
 *   P1  "Gone" is said only of a process that would be seen here if it were there: the same boot of the same machine, the same pid
 *       namespace. Containers share host names, and restarts of a machine say nothing about another one of the same name.
 *   P2  Whatever is unknown or cannot be read counts as "may be alive". Then the lease decides, later.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, told from every other: on this machine, on others, and from later ones with its number. Undefined is unknown. */
export interface ProcessIdentity {
  readonly host: string;
  /** Of the machine's start; another after each reboot. */
  readonly bootId: string | undefined;
  /** In which process numbers count: one a container. */
  readonly pidNamespace: string | undefined;
  readonly pid: number;
  /** In clock ticks since the machine's start. */
  readonly startedAt: number | undefined;
}

/** This process. What only Linux tells is undefined elsewhere. */
export function thisProcess(): ProcessIdentity {
  return {
    host: hostname(),
    bootId: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: attempt(() =>
      // Where /proc belongs to another namespace than the process, the numbers in it are not ours.
      readlinkSync("/proc/self") === String(process.pid)
        ? readlinkSync("/proc/self/ns/pid")
        : undefined,
    ),
    pid: process.pid,
    startedAt: statusOf(process.pid)?.startedAt,
  };
}

/** Whether that process is known to have ended; `self` is `thisProcess()`. */
export function isGone(identity: ProcessIdentity, self: ProcessIdentity): boolean {
  if (!sharesView(identity, self)) return false;
  if (!Number.isSafeInteger(identity.pid) || identity.pid < 1) return false;
  if (!exists(identity.pid)) return true;
  const status = statusOf(identity.pid);
  if (status === undefined) return false;
  return status.hasExited || (identity.startedAt ?? status.startedAt) !== status.startedAt;
}

/** Whether it is another process, of which could be said here that it is gone. */
export function isNeighbour(identity: ProcessIdentity, self: ProcessIdentity): boolean {
  return identity.pid !== self.pid && sharesView(identity, self);
}

/** By P1. The host name is asked for too: copies of a virtual machine that was saved while running have one boot id. */
function sharesView(identity: ProcessIdentity, self: ProcessIdentity): boolean {
  return (
    identity.bootId !== undefined &&
    identity.pidNamespace !== undefined &&
    identity.bootId === self.bootId &&
    identity.pidNamespace === self.pidNamespace &&
    identity.host === self.host
  );
}

/** Asked by a signal, not by /proc, which may hide other users' processes. */
function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** Field 22 of `stat`, counted from behind the name in brackets, which may hold spaces and brackets; a zombie has exited. */
function statusOf(pid: number): { startedAt: number; hasExited: boolean } | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startedAt = Number(fields[19]);
  if (!Number.isSafeInteger(startedAt)) return undefined;
  return { startedAt, hasExited: fields[0] === "Z" || fields[0] === "X" };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // by P2
  }
}
