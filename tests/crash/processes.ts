/** Starts processes to be killed, and ends every one of them with its test. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Failpoint, FailpointAction } from "../../src/runtime/failpoint.ts";
import { linesOf, type Line } from "./external-log.ts";
import type { SceneDatabase } from "./database.ts";
import type { ProcessTask } from "./worker-process.ts";

const root = join(import.meta.dirname, "../..");

/** What of node:test's context is needed here. */
export interface Ending {
  after(fn: () => unknown): void;
}

/** A script of this folder, made into one file of JavaScript: a plain node runs it, which starts in a third of the time. */
export async function built(script: string, directory: string): Promise<string> {
  const requireOfTsx = createRequire(createRequire(import.meta.url).resolve("tsx"));
  const esbuild = requireOfTsx("esbuild") as { build(options: object): Promise<unknown> };
  const outfile = join(directory, script.replace(/\.ts$/, ".mjs"));
  await esbuild.build({
    entryPoints: [join(import.meta.dirname, script)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    alias: { stentjs: join(root, "src/index.ts") },
    tsconfig: join(root, "tsconfig.json"),
    sourcemap: "inline",
    logLevel: "error",
  });
  return outfile;
}

/** A directory for one test, with a way to the packages of this one. */
export function temporaryDirectory(t: Ending): string {
  const directory = mkdtempSync(join(tmpdir(), "stent-crash-"));
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly startedAt: number;
  /** How it ended, with what it wrote to its standard error. */
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stderr: string;
  }>;
  kill(signal: NodeJS.Signals): void;
}

type Looked<T> = T | undefined | false;

/** What a process is asked to do, on the scene's own database or through another way to it. */
export type SceneTask = Omit<ProcessTask, "database"> & Partial<Pick<ProcessTask, "database">>;

/** Where one scene takes place: a database, a log of what happens outside of it, and the processes at work. */
export class Scene {
  readonly database: SceneDatabase;
  readonly log: string;
  readonly #script: string;
  readonly #children = new Set<ChildProcess>();

  constructor(
    t: Ending,
    place: {
      readonly directory: string;
      readonly name: string;
      readonly script: string;
      readonly database: SceneDatabase;
    },
  ) {
    this.database = place.database;
    this.log = join(place.directory, `${place.name}.log`);
    this.#script = place.script;
    t.after(async () => {
      this.killAll();
      await this.database.close();
    });
  }

  start(
    task: SceneTask,
    disturbed?: {
      readonly point: Failpoint;
      readonly action: FailpointAction;
      readonly count: number;
    },
  ): Child {
    const child = spawn(process.execPath, ["--enable-source-maps", this.#script], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        NODE_TEST_CONTEXT: undefined,
        STENT_CRASH_LOG: this.log,
        STENT_CRASH_TASK: JSON.stringify({ database: this.database.place, ...task }),
        STENT_FAILPOINT:
          disturbed === undefined
            ? ""
            : `${disturbed.point}:${disturbed.action}:${disturbed.count}`,
      },
    });
    this.#children.add(child);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = once(child, "close").then(([code, signal]) => {
      this.#children.delete(child);
      return { code: code as number | null, signal: signal as NodeJS.Signals | null, stderr };
    });
    return {
      process: child,
      pid: child.pid ?? -1,
      startedAt: Date.now(),
      ended,
      kill: (signal) => void child.kill(signal),
    };
  }

  lines(): Line[] {
    return linesOf(this.log);
  }

  /** Waits until the log says so. */
  async until<T>(
    what: string,
    look: (lines: readonly Line[]) => Looked<T> | Promise<Looked<T>>,
    timeoutMs = 20_000,
  ): Promise<T> {
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      const found = await look(this.lines());
      if (found !== undefined && found !== false) return found;
      if (performance.now() > giveUpAt)
        throw new Error(
          `waited ${timeoutMs} ms in vain until ${what}; the log ends with ${JSON.stringify(this.lines().slice(-5)).slice(0, 2_000)}`,
        );
      await pause(10);
    }
  }

  killAll(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

/** Waits until a process has ended by itself, and everything it had to do is done. */
export async function endedWell(child: Child, patienceMs: number, scene: Scene): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const { code, signal, stderr } = await child.ended;
  clearTimeout(timer);
  if (code === 0) return;
  const results = new Set(
    scene.lines().flatMap((line) => (line.what === "result" ? [line.id] : [])),
  );
  const complaints = scene.lines().filter((line) => line.what === "log" && line.pid === child.pid);
  throw new Error(
    signal === "SIGKILL"
      ? `a process was not done after ${patienceMs} ms; ended: ${[...results].join(", ")}; it complained: ${JSON.stringify(complaints).slice(0, 2_000)}; ${stderr}`
      : `a process ended with ${code ?? signal}: ${stderr}`,
  );
}
