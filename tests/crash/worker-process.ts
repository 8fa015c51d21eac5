/** A process of its own: a worker, and if it is asked to, a client. Told by its environment what to do. */
import { Stent, type Durable, type Logger, type ServeOptions } from "stentjs";
import type { DatabasePlace } from "./database.ts";
import { drive } from "./load.ts";
import { dispatchable, log, tree } from "./workflows.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- functions of every kind
type AnyDurable = Durable<any, any>;

/** What a process is asked to do; JSON in STENT_CRASH_TASK. */
export interface ProcessTask {
  readonly database: DatabasePlace;
  readonly serve: ServeOptions | false;
  /** What carries hints beside the database itself. */
  readonly notifications?: string;
  /** How many executions of every shape it starts and waits for; undefined: it serves until it is told to stop. */
  readonly load?: number;
  /** Executions that it starts before anything else, and does not wait for: name of the shape, id, arguments. */
  readonly dispatch?: readonly {
    readonly shape: keyof typeof dispatchable;
    readonly id: string;
    readonly args: readonly unknown[];
  }[];
  /** Executions that it cancels then. */
  readonly cancel?: readonly string[];
  /** So many trees of executions, started in one transaction. */
  readonly trees?: number;
  /** How many workers serve in it; one, if nothing is said. */
  readonly workers?: number;
  /** In the middle of the load its worker is drained, and another one begins at once. */
  readonly drainAfterMs?: number;
}

const task = JSON.parse(process.env["STENT_CRASH_TASK"] ?? "{}") as ProcessTask;

/** Tells the log what is stored, and what the engine complains of. */
const logger: Logger = {
  debug: (_, fields) => stored(fields),
  // That something can be reached again has no fields.
  info: (message, fields) => (fields === undefined ? complaint("info", message) : stored(fields)),
  warn: (message, fields) => complaint("warn", message, fields),
  error: (message, fields) => complaint("error", message, fields),
};

function stored(fields: object = {}): void {
  const {
    type,
    taskId: key,
    retrying,
  } = fields as { type?: string; taskId?: string; retrying?: boolean };
  if (key === undefined) return;
  if (type === "taskCompleted") log.write({ what: "completed", key });
  if (type === "taskFailed") log.write({ what: retrying === true ? "retried" : "gave-up", key });
}

function complaint(level: string, message: string, fields: object = {}): void {
  const { error } = fields as { error?: Error };
  log.write({
    what: "log",
    level,
    message,
    error: error?.stack ?? (error === undefined ? undefined : String(error)),
  });
}

const { database, notifications } = task;
const stent = await Stent.open({
  backend: "url" in database ? database.url : `sqlite:${database.path}`,
  ...(notifications !== undefined && { notifications }),
  logger,
});
process.once("SIGTERM", () => {
  stent.requestWorkerDrain();
  void stent.close().then(() => process.exit(0));
});

for (const { shape, id, args } of task.dispatch ?? []) {
  await stent.dispatch(dispatchable[shape] as AnyDurable, args, { id, ifExists: "join" });
  log.write({ what: "acknowledged", request: `dispatch ${id}` });
}
for (const id of task.cancel ?? []) {
  await stent.cancel(id);
  log.write({ what: "acknowledged", request: `cancel ${id}` });
}
if (task.trees !== undefined) {
  await stent.dispatchMany(
    tree,
    Array.from({ length: task.trees }, (_, n): [number] => [n]),
  );
}
if (task.serve !== false) {
  for (let more = (task.workers ?? 1) - 1; more > 0; more--) void stent.serve(task.serve);
  const lifecycle = stent.createWorkerLifecycle();
  void stent.serve({ ...task.serve, lifecycle });
  await stent.waitUntilReady();
  log.write({ what: "note", text: "ready" });
  if (task.drainAfterMs !== undefined) {
    const { serve } = task;
    setTimeout(() => {
      stent.requestWorkerDrain(lifecycle);
      void lifecycle.waitUntilStopped().then(() => {
        log.write({ what: "note", text: "drained" });
        return stent.serve(serve);
      });
    }, task.drainAfterMs);
  }
}
if (task.load !== undefined) {
  await drive(stent, task.load);
  await stent.close();
  log.write({ what: "note", text: "done" });
  process.exit(0);
}
if (task.load === undefined && task.serve === false) await stent.close();
