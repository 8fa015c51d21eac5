/** Backends of notifications for tests: opened, listened to, and closed when the test ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Redis } from "ioredis";
import type { NotificationBackend } from "stentjs";
import { isOpenable } from "../../src/notify/openable.ts";
import type { MemoryLogger } from "./memory-logger.ts";
import { until, type Ending } from "./serving.ts";

/** A listener that is subscribed, and what it has been told since. */
export interface Listening {
  readonly backend: NotificationBackend;
  readonly told: (readonly string[])[];
  leave(this: void): Promise<void>;
}

/** The name of a channel that nobody else uses. */
export function freshChannel(): string {
  return `test-${process.pid}-${Math.random().toString(36).slice(2)}`;
}

/** The same backend; it is closed when the test ends. */
export function opened(t: Ending, backend: NotificationBackend): NotificationBackend {
  t.after(() => backend.close());
  return backend;
}

/** One as an engine opens it. */
export function scoped(
  backend: NotificationBackend,
  namespace: string | undefined,
  log?: MemoryLogger,
): NotificationBackend {
  assert.ok(isOpenable(backend));
  return backend.open({ namespace, log });
}

/** A listener that is subscribed; the "*" with which that begins is taken away. */
export async function listening(t: Ending, backend: NotificationBackend): Promise<Listening> {
  opened(t, backend);
  const told: (readonly string[])[] = [];
  const leave = await backend.subscribe((topics) => told.push(topics));
  await until("subscribed", () => told.length > 0);
  assert.deepEqual(told.splice(0), [["*"]]);
  return { backend, told, leave };
}

/** What was warned of. */
export function warnings(log: MemoryLogger): string[] {
  return log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
}

/** A client beside Stent. */
export function plainClient(url: string): AsyncDisposable & { readonly redis: Redis } {
  const client = new Redis(url);
  client.on("error", () => undefined);
  return {
    redis: client,
    [Symbol.asyncDispose]: async () => client.disconnect(),
  };
}

function scriptProcess(script: string, parameters: readonly string[], stdout: "pipe" | "inherit") {
  return spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script, "--", ...parameters],
    { cwd: import.meta.dirname, stdio: ["ignore", stdout, "inherit"] },
  );
}

/** Runs a module in a process of its own. @returns how it has exited. */
export function runScript(
  script: string,
  ...parameters: readonly string[]
): Promise<number | null> {
  const child = scriptProcess(script, parameters, "inherit");
  return new Promise((resolve) => child.once("exit", resolve));
}

/** The same. @returns what it has written to stdout. */
export async function outputOf(script: string, ...parameters: readonly string[]): Promise<string> {
  const child = scriptProcess(script, parameters, "pipe");
  let output = "";
  child.stdout?.on("data", (chunk) => (output += String(chunk)));
  await new Promise((resolve) => child.once("close", resolve));
  return output;
}
