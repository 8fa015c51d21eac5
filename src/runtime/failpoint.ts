/**
 * Named points at which a test can kill, stop or disturb this very process. Off, they are calls of an empty function; on, one of them is,
 * by the environment: STENT_FAILPOINT=name:action or name:action:count, read once when this module is loaded. Not for production.
 */

/** Every point. A test goes through them all, and fails for one that is never reached. */
export const failpoints = [
  // Of a client: what is handed in may be stored or not; what is answered is.
  "dispatch.before-submit",
  "dispatch.after-commit",
  "dispatch.after-adoption",
  "signal.before-submit",
  "signal.after-commit",
  "cancel.before-submit",
  "cancel.after-commit",
  "retry.before-submit",
  "retry.after-commit",
  // Of a turn.
  "turn.after-load",
  "turn.after-advance",
  "turn.after-commit",
  "turn.after-acting",
  "hold.before-submit",
  "hold.after-commit",
  "park.before-submit",
  "park.after-commit",
  "end.before-submit",
  "end.after-commit",
  "again.before-submit",
  "again.after-commit",
  "continue.before-submit",
  "continue.after-commit",
  // Of calls that are begun anew before a replay.
  "recover.before-submit",
  "recover.after-commit",
  // Of a transaction, whatever is in it.
  "commit.after-begin",
  "commit.before-commit",
  "commit.after-commit",
  // Of a closure that runs inside the transaction that stores its outcome.
  "transact.before-submit",
  "transact.after-begin",
  "transact.before-commit",
  "transact.after-commit",
  "transact.after-answer",
  // Of one attempt of an activity, wherever it runs.
  "perform.before-start",
  "perform.after-end",
  "perform.after-commit",
  // Of attempts from the queue, and of jobs.
  "task.before-submit",
  "task.after-commit",
  "job.before-submit",
  "job.after-commit",
  // Of a worker and its session.
  "register.after-commit",
  "claim.before-submit",
  "claim.after-commit",
  "heartbeat.before-submit",
  "heartbeat.after-commit",
  "reap.before-submit",
  "reap.after-commit",
  "drain.begun",
  "drain.before-release",
  "drain.after-release",
] as const;

/** The name of a point. */
export type Failpoint = (typeof failpoints)[number];

/** What happens at a point. `hang` blocks the event loop for ever; `stop` is SIGSTOP, until a SIGCONT comes. */
export type FailpointAction = "kill" | "throw" | "hang" | "stop";

const actions: Record<FailpointAction, (name: Failpoint) => void> = {
  kill: () => {
    process.kill(process.pid, "SIGKILL");
    blockForEver(); // not one more line is run
  },
  throw: (name) => {
    throw new Error(`failpoint ${name}`);
  },
  hang: blockForEver,
  stop: () => {
    process.kill(process.pid, "SIGSTOP");
  },
};

/** Marks a point in the code. Does nothing, unless this process was started to be disturbed here. */
export const failpoint: (name: Failpoint) => void = armed(process.env["STENT_FAILPOINT"]);

/** `count`: at which time the point acts; once only. @throws RangeError for what is no point or action. */
function armed(setting: string | undefined): (name: Failpoint) => void {
  if (setting === undefined || setting === "") return nothing;
  const [point = "", action = "", count = "1"] = setting.split(":");
  const act = isAction(action) ? actions[action] : undefined;
  if (act === undefined || !isFailpoint(point) || !/^[1-9]\d*$/.test(count)) {
    throw new RangeError(`STENT_FAILPOINT is name:action[:count], got ${JSON.stringify(setting)}`);
  }
  let left = Number(count);
  return (name) => {
    if (name !== point) return;
    left -= 1;
    if (left === 0) act(name);
  };
}

function isFailpoint(name: string): name is Failpoint {
  return (failpoints as readonly string[]).includes(name);
}

function isAction(name: string): name is FailpointAction {
  return Object.hasOwn(actions, name);
}

function blockForEver(): never {
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(nobodyWakes, 0, 0);
}

function nothing(): void {
  // off
}
