import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";

// In processes of their own: what is tried here ends the process where it is not guarded, and the test runner listens too.
const limit = { timeout: 60_000 };

describe("a promise that an activity leaves behind and that is rejected", limit, () => {
  test("is logged with the attempt whose it is, and the process lives", async () => {
    const { lines, exitCode } = await inProcess(`
      guardUnhandledRejections(observer);
      await perform("mail", async () => { void Promise.reject(new Error("lost")); });
      await turn();
      said("alive");
    `);
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 2);
    assert.match(String(lines[0]), /^error: activity "mail" left a promise behind.*await it/);
    assert.match(
      String(lines[0]),
      /"executionId":"e-mail".*"functionName":"mail".*"error":"Error: lost"/,
    );
    assert.equal(lines[1], "alive");
  });

  test("is its own though another runs, and though it ended long before", async () => {
    const { lines } = await inProcess(`
      guardUnhandledRejections(observer);
      await perform("mail", async () => {
        setTimeout(() => { void (async () => { throw new Error("lost"); })(); }, 5);
      });
      await perform("charge", () => new Promise((resolve) => setTimeout(resolve, 30)));
    `);
    assert.equal(lines.length, 1);
    assert.match(String(lines[0]), /activity "mail" left/);
  });

  test("does not change the attempt's outcome", async () => {
    const { lines } = await inProcess(`
      guardUnhandledRejections(observer);
      const outcome = await perform("mail", async () => {
        void Promise.reject(new Error("lost"));
        await turn();
        return "sent";
      });
      said(JSON.stringify(outcome));
    `);
    assert.equal(lines[1], '{"ok":true,"value":"sent"}');
  });

  test("may be rejected with anything", async () => {
    const { lines, exitCode } = await inProcess(`
      guardUnhandledRejections(observer);
      await perform("mail", async () => { void Promise.reject(); void Promise.reject("text"); });
      await turn();
    `);
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 2);
  });

  test("is told to the user's own listener too", async () => {
    const { lines, exitCode } = await inProcess(`
      process.on("unhandledRejection", (reason) => said("own: " + reason));
      guardUnhandledRejections(observer);
      await perform("mail", async () => { void Promise.reject(new Error("lost")); });
      await turn();
    `);
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 2);
    assert.ok(lines.includes("own: Error: lost"));
  });

  test("is logged once in a process of two workers, until the last of them ends", async () => {
    const { lines, exitCode } = await inProcess(`
      const ends = [guardUnhandledRejections(observer), guardUnhandledRejections(observer)];
      await perform("mail", async () => { void Promise.reject(new Error("one")); });
      await turn();
      ends[0]();
      ends[0]();
      await perform("mail", async () => { void Promise.reject(new Error("two")); });
      await turn();
      said(process.listenerCount("unhandledRejection"));
      ends[1]();
      said(process.listenerCount("unhandledRejection"));
    `);
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 4);
    assert.deepEqual(lines.slice(2), ["1", "0"]);
  });

  test("ends the process when no worker serves, as Node has it", async () => {
    const { exitCode, stderr } = await inProcess(`
      guardUnhandledRejections(observer)();
      await perform("mail", async () => { void Promise.reject(new Error("lost")); });
      await turn();
    `);
    assert.equal(exitCode, 1);
    assert.match(stderr, /Error: lost/);
  });
});

describe("a rejected promise that was made outside of activities", limit, () => {
  test("is logged with the names of those that run, and the process lives", async () => {
    const { lines, exitCode } = await inProcess(`
      guardUnhandledRejections(observer);
      const left = new Promise((_, reject) => setTimeout(reject, 5, new Error("connection lost")));
      await Promise.all(["mail", "charge", "mail"].map((name) =>
        perform(name, () => new Promise((resolve) => setTimeout(resolve, 30)))));
    `);
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 1);
    assert.match(
      String(lines[0]),
      /^error: .*cannot be told whose.*ran then: "mail", "charge"\..*connection lost/,
    );
  });

  test("ends the process when none runs, as Node has it", async () => {
    const { lines, exitCode, stderr } = await inProcess(`
      guardUnhandledRejections(observer);
      await perform("mail", async () => {});
      void Promise.reject(new Error("not an activity's"));
      setTimeout(said, 1_000, "alive");
    `);
    assert.equal(exitCode, 1);
    assert.deepEqual(lines, []);
    assert.match(stderr, /Error: not an activity's/);
  });

  test("is a warning when none runs and Node was told so; the guard stays", async () => {
    const { lines, exitCode, stderr } = await inProcess(
      `
      guardUnhandledRejections(observer);
      void Promise.reject(new Error("not an activity's"));
      await turn(); await turn();
      await perform("mail", async () => { void Promise.reject(new Error("lost")); });
      await turn();
      said(process.listenerCount("unhandledRejection"));
    `,
      "--unhandled-rejections=warn",
    );
    assert.equal(exitCode, 0);
    assert.match(stderr, /UnhandledPromiseRejectionWarning: Error: not an activity's/);
    assert.equal(lines.length, 2);
    assert.match(String(lines[0]), /activity "mail" left/);
    assert.equal(lines[1], "1");
  });

  test("is the user's when none runs and the user listens", async () => {
    const { lines, exitCode } = await inProcess(`
      guardUnhandledRejections(observer);
      process.on("unhandledRejection", (reason) => said("own: " + reason));
      void Promise.reject(new Error("not an activity's"));
      await turn();
    `);
    assert.equal(exitCode, 0);
    assert.deepEqual(lines, ["own: Error: not an activity's"]);
  });
});

test("a promise that a workflow's body or a closure leaves behind is logged, and the process lives", async () => {
  const { lines, exitCode } = await inProcess(`
    const { Stent, run, sleep, transaction, workflow } = await import(${JSON.stringify(
      pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href,
    )});
    const leave = (what) => void Promise.reject(new Error(what));
    const body = workflow("body", function* () { leave("by the body"); yield* sleep(20); return 1; });
    const closure = workflow("closure", function* () {
      return yield* run("r", async () => { leave("by the closure"); await turn(); return 2; });
    });
    const posting = workflow("posting", function* () {
      return yield* transaction("t", async () => { leave("by the transaction"); return 3; });
    });
    const heard = { debug() {}, info() {}, warn() {}, error: (message, { error }) => said(message.split(" left")[0] + ": " + error.message) };
    const stent = await Stent.bootstrap({ backend: "sqlite::memory:", logger: heard }, { serve: true });
    said(String(await stent.run(body, [])));
    said(String(await stent.run(closure, [])));
    said(String(await stent.run(posting, [])));
    await stent.close();
  `);
  assert.deepEqual(lines, [
    'workflow "body": by the body',
    "1",
    "the run closure at 1: by the closure",
    "2",
    'transaction "t": by the transaction',
    "3",
  ]);
  assert.equal(exitCode, 0);
});

const root = join(import.meta.dirname, "../..");
const source = (path: string): string =>
  JSON.stringify(pathToFileURL(join(root, "src", path)).href);

const prelude = `
  import { guardUnhandledRejections } from ${source("worker/unhandled-rejections.ts")};
  import { startAttempt } from ${source("worker/perform.ts")};
  import { Observer } from ${source("observe/observer.ts")};
  import { systemClock } from ${source("runtime/clock.ts")};

  const said = (line) => process.stdout.write(line + "\\n");
  const shown = (key, value) => value instanceof Error ? String(value) : value;
  const log = (level) => (message, fields) => said(level + ": " + message + " " + JSON.stringify(fields, shown));
  const observer = new Observer({ logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") } });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
  const perform = (functionName, run) => new Promise((done) => startAttempt({
    executionId: "e-" + functionName, taskId: "t-1", idempotencyKey: "k-1", functionName, attempt: 1, lastHeartbeat: undefined,
    run, args: [], timeoutMs: undefined, heartbeatTimeoutMs: undefined, logger: observer.log, clock: systemClock,
  }, done));
`;

async function inProcess(
  code: string,
  ...flags: readonly string[]
): Promise<{ lines: readonly string[]; stderr: string; exitCode: number | null }> {
  const child = spawn(
    process.execPath,
    [...flags, "--import", "tsx", "--input-type=module", "--eval", prelude + code],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { lines: stdout.split("\n").slice(0, -1), stderr, exitCode: await ended };
}
