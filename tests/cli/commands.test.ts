import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import Database from "better-sqlite3";
import {
  activity,
  all,
  call,
  map,
  remote,
  signal,
  sleep,
  Stent,
  workflow,
  type Activity,
} from "stentjs";
import { CommandLine, type Run } from "../support/command-line.ts";
import { freshDatabase } from "../support/postgres.ts";
import { until } from "../support/serving.ts";
import { schemaFaults } from "./json-schema.ts";

const double = activity("cmd.double", async (n: number) => 2 * n);
const broken = activity("cmd.broken", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("out of \u001b[31mrange\u0007");
});
const good = workflow("cmd.good", function* (n: number) {
  const both = yield* all([call(double, n), call(double, n + 1)]);
  return { both, items: yield* map(double, [1, 2, 3]), at: new Date(0) };
});
const bad = workflow("cmd.bad", function* () {
  return yield* call(broken);
});
const waits = workflow("cmd.waits", { tags: ["slow"] }, function* () {
  return yield* signal("go");
});
const sleeps = workflow("cmd.sleeps", function* () {
  yield* sleep("1h");
});
const times = workflow("cmd.times", { maxDuration: "1ms" }, function* () {
  yield* sleep("1h");
});
const huge = workflow("cmd.huge", function* () {
  yield* call(double, 1);
  return { text: "\u001b[2J".repeat(2_500_000) };
});
const far = remote<Activity<[], void>>("cmd.far", { kind: "activity", queue: "far" });

const line = new CommandLine();
const { folder } = line;
after(() => line[Symbol.asyncDispose]());

for (const kind of ["SQLite", "PostgreSQL"] as const) {
  describe(`the commands on ${kind}`, () => {
    let url = "";
    const stent = (parameters: readonly string[], input = ""): Promise<Run> =>
      line.run([...parameters, "-d", url], input);
    const json = async (...parameters: readonly string[]): Promise<unknown> => {
      const { stdout, stderr, status } = await stent([...parameters, "-o", "json"]);
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout);
    };

    before(async (t) => {
      url =
        kind === "SQLite"
          ? join(folder, "all.db")
          : await freshDatabase({ after: (act) => after(act as () => Promise<void>) });
      assert.ok(t !== undefined);
      await inEveryState(url);
    });

    test("what they print as JSON is as the written schema says", async () => {
      for (const command of [
        "list",
        "executions list",
        "tasks list",
        "queues list",
        "workers list",
        "workflows list",
        "dlq list",
        "doctor",
      ]) {
        const { items, nextCursor } = (await json(...command.split(" "))) as Page;
        assert.deepEqual(schemaFaults(command, items), []);
        assert.ok(command === "doctor" || items.length > 0, command);
        assert.ok(nextCursor === null || typeof nextCursor === "string");
      }
      for (const id of ["good", "bad", "waiting", "sleeping", "timed", "cancelled", "far"]) {
        assert.deepEqual(schemaFaults("show", await json("show", id)), []);
        assert.deepEqual(schemaFaults("why", ((await json("why", id)) as Page).items), []);
      }
      for (const id of ["good", "bad"]) {
        assert.deepEqual(
          schemaFaults(
            "executions history",
            ((await json("executions", "history", id)) as Page).items,
          ),
          [],
        );
        assert.deepEqual(
          schemaFaults("tasks list", ((await json("tasks", "list", id)) as Page).items),
          [],
        );
      }
      const [letter] = ((await json("dlq", "list")) as Page).items as { task: { id: string } }[];
      const [worker] = ((await json("workers", "list")) as Page).items as { id: string }[];
      const one: Record<string, readonly string[]> = {
        "dlq show": ["dlq", "show", letter?.task.id ?? ""],
        "tasks show": ["tasks", "show", letter?.task.id ?? ""],
        "queues show": ["queues", "show", "far"],
        "workers show": ["workers", "show", worker?.id ?? ""],
        stats: ["stats", "--since", "1d"],
        wait: ["wait", "good"],
        cleanup: ["cleanup", "--dry-run", "--executions", "--dlq"],
        "cancel --dry-run": ["cancel", "--dry-run", "--all"],
        "migrate --status": ["migrate", "--status"],
        "watch --once": ["watch", "--once"],
      };
      for (const [command, parameters] of Object.entries(one))
        assert.deepEqual(schemaFaults(command, await json(...parameters)), [], command);
    });

    test("errors are as the schema says, wherever JSON is asked for", async () => {
      for (const parameters of [
        ["show", "nope"],
        ["list", "--limit", "x"],
        ["queues", "show", "nope"],
      ]) {
        const { stderr, status } = await stent([...parameters, "--json"]);
        assert.notEqual(status, 0);
        assert.deepEqual(schemaFaults("error", JSON.parse(stderr)), []);
      }
    });

    test("stats count what the list has", async () => {
      const { byState } = (await json("stats")) as { byState: Record<string, number> };
      assert.deepEqual(byState, {
        pending: 1,
        running: 2,
        cancelling: 0,
        completed: 2,
        failed: 1,
        timed_out: 1,
        cancelled: 1,
      });
      for (const [state, count] of Object.entries(byState))
        assert.equal(
          ((await json("list", "-s", state, "--all")) as Page).items.length,
          count,
          state,
        );
    });

    test("show draws branches and a bar for each effect", async () => {
      const { stdout } = await stent(["show", "good"]);
      assert.match(stdout, /^ {2}branches(?: |$)/m);
      assert.match(stdout, /^ {4}cmd\.double +completed +0\.\d\ds +.*█/m);
      assert.match(stdout, /^ {2}cmd\.double +completed .*█.* 3 items$/m);
    });

    test("wait prints the result, and ends with how the execution did", async () => {
      assert.deepEqual(JSON.parse((await stent(["wait", "good"])).stdout), {
        both: [2, 4],
        items: [2, 4, 6],
        at: "1970-01-01T00:00:00.000Z",
      });
      const codes = Object.entries({ bad: 10, cancelled: 11, timed: 12 });
      for (const [id, code] of codes) {
        const { status, stdout, stderr } = await stent(["result", id]);
        assert.deepEqual([status, stdout], [code, ""], stderr);
        assert.match(stderr, /^error: /);
      }
      assert.equal((await stent(["wait", "waiting", "--timeout", "10ms"])).status, 124);
    });

    test("what is stored cannot move the cursor, however long it is", async () => {
      const escape = "\u001b";
      for (const parameters of [
        ["show", "bad"],
        ["show", "bad", "--json"],
        ["wait", "bad"],
        ["dlq", "list"],
        ["executions", "history", "bad"],
        ["show", "huge"],
        ["list", "--error", "range"],
      ]) {
        const { stdout, stderr } = await stent(parameters);
        assert.ok(!`${stdout}${stderr}`.includes(escape), parameters.join(" "));
        assert.ok(stdout.length < 20_000, parameters.join(" "));
      }
      const { text } = JSON.parse((await stent(["wait", "huge"])).stdout) as { text: string };
      assert.equal(text.length, 10_000_000);
    });

    test("acts on many ask first, and do nothing where nobody can be asked", async () => {
      const refused = await stent(["cancel", "-w", "cmd.far"]);
      assert.deepEqual([refused.status, refused.stdout], [2, ""]);
      assert.match(refused.stderr, /cancel 1 execution\? Nobody can be asked here: add --yes/);
      assert.equal((await stent(["cancel", "-w", "cmd.far", "--dry-run"])).stdout, "1\n");
      assert.equal((await stent(["cancel"])).status, 2);
      assert.equal((await stent(["cancel", "far", "--all"])).status, 2);
      assert.equal((await stent(["list", "-s", "pending", "-o", "ids"])).stdout, "far\n");
    });

    test("a start by name is found by its id, and its arguments are JSON or text", async () => {
      const started = await stent([
        "start",
        "cmd.good",
        "7",
        "word",
        '{"a":1}',
        "--id",
        "started",
        "--queue",
        "far",
        "--tag",
        "a",
        "--tag",
        "b",
        "--priority",
        "3",
      ]);
      assert.deepEqual(started, { status: 0, stdout: "started\n", stderr: "" });
      const [head] = (await stent(["executions", "export", "started"])).stdout.split("\n");
      assert.deepEqual((JSON.parse(head ?? "") as { json: { args: unknown } }).json.args, [
        7,
        "word",
        { a: 1 },
      ]);
      const shown = (await json("show", "started")) as Record<string, unknown>;
      assert.deepEqual([shown["queue"], shown["tags"], shown["priority"]], ["far", ["a", "b"], 3]);
      assert.equal((await stent(["start", "cmd.good", "--id", "started"])).status, 5);
      assert.equal(
        (await stent(["start", "cmd.good", "--id", "started", "--if-exists", "join"])).status,
        0,
      );
      assert.equal((await stent(["start", "cmd.good", "--input", "{", "--id", "x"])).status, 2);
      assert.equal(
        (await stent(["start", "cmd.good", "--input", "-", "--id", "piped"], "[1]")).status,
        0,
      );
      assert.equal((await stent(["cancel", "started", "piped"])).stdout, "started\npiped\n");
    });

    test("a bundle goes out to a file, which is not overwritten, and comes back in", async () => {
      const file = join(folder, `${kind}.ndjson`);
      assert.equal((await stent(["executions", "export", "good", "bad", "-O", file])).status, 0);
      assert.equal((await stent(["executions", "export", "good", "-O", file])).status, 2);
      assert.equal((await stent(["executions", "export", "nope", "-O", `${file}.2`])).status, 4);
      assert.equal(existsSync(`${file}.2`), false);
      assert.equal((await stent(["executions", "import", file])).status, 5);
      assert.equal(
        (await stent(["executions", "export", "good"])).stdout,
        readFileSync(file, "utf8").split("\n").slice(0, 4).join("\n") + "\n",
      );
      const imported = await stent(
        ["executions", "import", "-", "--id", `${kind}-copy`],
        (await stent(["executions", "export", "good"])).stdout,
      );
      assert.equal(imported.stdout, `${kind}-copy\n`);
      assert.equal(
        (await stent(["wait", `${kind}-copy`])).stdout,
        (await stent(["wait", "good"])).stdout,
      );
      writeFileSync(`${file}.3`, "nonsense\n");
      assert.equal((await stent(["executions", "import", `${file}.3`])).status, 1);
    });

    test("a dead letter is discarded once", async () => {
      const [letter] = ((await json("dlq", "list")) as Page).items as { task: { id: string } }[];
      const id = letter?.task.id ?? "";
      assert.equal((await stent(["dlq", "discard", "--all"])).status, 2);
      assert.equal((await stent(["dlq", "discard", id])).stdout, `${id}\n`);
      assert.equal((await stent(["dlq", "discard", id])).status, 4);
      assert.equal((await stent(["dlq", "list", "-o", "ids"])).stdout, "");
    });

    test("a clean-up deletes what it was told to count, and asks before", async () => {
      const ended = ["list", "-s", "completed,failed,timed_out,cancelled", "--all", "-o", "ids"];
      const { executions } = (await json("cleanup", "--dry-run", "--older-than", "1ms")) as {
        executions: number;
      };
      assert.equal((await stent(ended)).stdout.split("\n").length - 1, executions);
      const refused = await stent(["cleanup", "--older-than", "1ms"]);
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, new RegExp(`delete ${executions} executions .*add --yes`));
      assert.deepEqual(await stent(["cleanup", "--older-than", "1ms", "--yes"]), {
        status: 0,
        stdout: `${executions} executions, 0 dead letters\n`,
        stderr: "",
      });
      assert.equal((await stent(ended)).stdout, "");
      assert.notEqual((await stent(["list", "-o", "ids"])).stdout, "");
    });

    test("doctor is quiet about what is well, and ends with 1 for what is not", async () => {
      const { status, stderr } = await stent(["doctor"]);
      assert.equal(status, 0, stderr);
    });
  });
}

test("without a database, or tables, they say how one is made, and make none", async () => {
  for (const command of [["list"], ["stats"], ["watch", "--once"], ["doctor"], ["dlq", "list"]]) {
    const { status, stderr } = await line.run([...command, "-d", "none.db"]);
    assert.equal(status, 3, command.join(" "));
    assert.match(stderr, /stent migrate -d none\.db/);
  }
  const status = await line.run(["migrate", "--status", "-d", "none.db"]);
  assert.equal(status.status, 3);
  assert.match(status.stdout, /^no tables → 0001-engine/);
  assert.match(
    (await line.run(["migrate", "--dry-run", "--sql", "-d", "none.db"])).stdout,
    /^create table /m,
  );
  assert.equal(existsSync(join(folder, "none.db")), false);
});

test("doctor ends with 1 for an error, and says so of code that nobody has", async () => {
  const path = join(folder, "ill.db");
  await using stent = await Stent.open(path);
  await stent.dispatch(waits, [], { id: "one" });
  const module = join(folder, "other.mjs");
  writeFileSync(module, 'import { activity } from "stentjs"; activity("cmd.other", () => 1);\n');
  const doctor = async (...more: string[]): Promise<[number | null, string]> => {
    const parameters = ["doctor", "-d", path, "-o", "ids", ...more];
    // What is imported stays in its process.
    const { status, stdout } = await (more.length === 0
      ? line.run(parameters)
      : line.alone(parameters));
    return [status, stdout];
  };
  assert.deepEqual(await doctor(), [0, ""]);
  assert.deepEqual(await doctor("--import", module), [0, "CODE_MISSING\n"]);
  const database = new Database(path);
  database.exec("update stent_executions set due_at = null");
  assert.deepEqual(await doctor(), [1, "ORPHANED\n"]);
  database.exec("update stent_executions set due_at = 1");
  assert.deepEqual(await doctor(), [0, "QUEUE_UNSERVED\n"]);
  database.exec("insert into stent_migrations values ('9999-later', '2027-01-01')");
  database.close();
  assert.deepEqual(await doctor(), [3, ""]);
});

test("a module that throws ends the worker with its error, and no stack", async () => {
  const module = join(folder, "throws.mjs");
  writeFileSync(module, "throw new RangeError('not today');\n");
  const { status, stderr } = await line.run(["worker", module, "-d", "worker.db"]);
  assert.deepEqual(
    [status, stderr],
    [1, `error: ${module} cannot be loaded: RangeError: not today\n`],
  );
  assert.equal(existsSync(join(folder, "worker.db")), false);
});

test("completions name every command, and bash can read them", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { status, stdout } = await line.run(["completion", shell]);
    assert.equal(status, 0);
    for (const word of ["list", "executions", "history", "dlq", "replay-all", "older-than"])
      assert.ok(stdout.includes(word), `${shell}: ${word}`);
  }
  assert.equal((await line.run(["completion", "tcsh"])).status, 2);
});

interface Page {
  readonly items: readonly unknown[];
  readonly nextCursor: string | null;
}

/** One execution of every state but "cancelling", which lasts no longer than its clean-up. */
async function inEveryState(backend: string): Promise<void> {
  await using stent = await Stent.bootstrap(
    { backend, maxPayloadBytes: 200_000_000 },
    { serve: true },
  );
  await (await stent.dispatch(good, [1], { id: "good" })).wait();
  await (await stent.dispatch(huge, [], { id: "huge" })).wait();
  await (await stent.dispatch(bad, [], { id: "bad" })).wait();
  await (await stent.dispatch(times, [], { id: "timed" })).wait();
  const cancelled = await stent.schedule("1h", waits, [], { id: "cancelled" });
  await cancelled.cancel();
  await stent.dispatch(far, [], { id: "far" });
  const waiting = await stent.dispatch(waits, [], { id: "waiting" });
  const sleeping = await stent.dispatch(sleeps, [], { id: "sleeping" });
  await until("it waits", async () => (await waiting.state()).waitingFor[0]?.kind === "signal");
  await until("it sleeps", async () => (await sleeping.state()).waitingFor[0]?.kind === "sleep");
}
