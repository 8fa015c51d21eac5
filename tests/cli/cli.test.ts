import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import Database from "better-sqlite3";
import { activity, call, signal, Stent, workflow } from "stentjs";
import { CommandLine, environment, type Run } from "../support/command-line.ts";

const root = join(import.meta.dirname, "../..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
};

const reserve = activity("cli.reserve", async (sku: string) => `hold-${sku}`);
const dated = workflow("cli.dated", function* (at: Date, names: Set<string>) {
  yield* call(reserve, at.toISOString());
  for (const name of names) yield* call(reserve, name);
});
const hold = activity("cli.hold", async () => undefined);
const order = workflow("cli.order", function* (sku: string) {
  yield* call(reserve, sku);
  if (sku === "boat") throw new TypeError("no boats \u001b[31m");
  return yield* signal("go");
});

describe("the command line", () => {
  const line = new CommandLine();
  const { folder, program } = line;
  const stent = (parameters: string, input = ""): Promise<Run> =>
    line.run(parameters.split(" "), input);

  before(async () => {
    await using engine = await Stent.bootstrap(join(folder, "stent.db"), { serve: true });
    const failing = await engine.dispatch(order, ["boat"], { id: "order-boat" });
    await failing.wait({ timeout: "20s" });
    const waiting = await engine.dispatch(order, ["book"], { id: "order-book" });
    while ((await waiting.state()).waitingFor[0]?.kind !== "signal")
      await new Promise(setImmediate);
  });
  after(() => line[Symbol.asyncDispose]());

  test("tells its version and its commands", async () => {
    assert.deepEqual(await stent("--version"), { status: 0, stdout: `${version}\n`, stderr: "" });
    const { status, stdout } = await stent("--help");
    assert.equal(status, 0);
    for (const command of [
      "list",
      "show",
      "why",
      "signal",
      "cancel",
      "retry",
      "worker",
      "migrate",
    ]) {
      assert.match(stdout, new RegExp(`^  stent ${command}`, "m"));
    }
  });

  test("lists executions, newest first, as a table, ids or JSON", async () => {
    const [head, first, second] = (await stent("list")).stdout.split("\n");
    assert.match(head ?? "", /^ID +WORKFLOW +STATE +CREATED +TOOK$/);
    assert.match(first ?? "", /^order-book +cli\.order +running /);
    assert.match(second ?? "", /^order-boat +cli\.order +failed /);
    assert.equal((await stent("list -o ids")).stdout, "order-book\norder-boat\n");
    assert.equal((await stent("list -s failed,cancelled -o ids")).stdout, "order-boat\n");
    assert.equal(
      (await stent("list --error boats -w cli.order --since 1h --all -o ids")).stdout,
      "order-boat\n",
    );
    const { items } = JSON.parse((await stent("ls --json")).stdout) as {
      items: { id: string; createdAt: string }[];
    };
    assert.deepEqual(
      items.map(({ id }) => id),
      ["order-book", "order-boat"],
    );
    assert.match(items[0]?.createdAt ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test("pages through a list, the way on being told on stderr", async () => {
    const first = await stent("list -n 1 -o ids");
    assert.equal(first.stdout, "order-book\n");
    const [, cursor = ""] = /^more: --cursor (\S+)\n$/.exec(first.stderr) ?? [];
    assert.deepEqual(await stent(`list -n 1 -o ids --cursor ${cursor}`), {
      status: 0,
      stdout: "order-boat\n",
      stderr: "",
    });
  });

  test("shows an execution, with what would move a terminal's cursor as text", async () => {
    const { status, stdout } = await stent("show order-boat");
    assert.equal(status, 0);
    assert.match(stdout, /state +failed\n/);
    assert.match(stdout, / {2}cli\.reserve +completed /);
    assert.match(stdout, /result\n {2}TypeError: no boats \\u001b\[31m\n$/);
    const shown = JSON.parse((await stent("show latest --json")).stdout) as Record<string, unknown>;
    assert.equal(shown["id"], "order-book");
    assert.equal(shown["state"], "running");
  });

  test("says why an execution is not moving", async () => {
    assert.match((await stent("why order-book")).stdout, /^signal go, since /m);
    const ended = await stent("why order-boat");
    assert.equal(ended.stdout, "");
    assert.match(ended.stderr, /it is failed/);
  });

  test("tells errors with a code to exit with, and no stack", async () => {
    const refused: Record<string, readonly [status: number, message: RegExp]> = {
      "": [2, /name a command/],
      nope: [2, /Unknown (?:argument|command): nope/],
      "list --limit abc": [2, /--limit takes a whole number from 1, got "abc"/],
      "list -s wrong": [2, /state must be of pending/],
      "list --since soon": [2, /soon/],
      "list -d a.db -d b.db": [2, /given twice/],
      "list -d sqlite::memory:": [2, /in memory/],
      "list -d postgres://u:secret@127.0.0.1:1/d": [
        3,
        /postgresql:\/\/127\.0\.0\.1:1\/d: .*start it/,
      ],
      "signal order-book go {": [2, /no JSON/],
      worker: [2, /modules|Not enough/],
      "worker nope.js": [2, /no module at/],
      "list -d stnet.db": [
        3,
        /no database at stnet\.db — did you mean stent\.db\? Create one with: stent migrate -d stnet\.db/,
      ],
      "list -o xml": [
        2,
        /^error: Invalid values: Argument: output, Given: "xml", Choices: .*"ids"$/m,
      ],
      "show order-": [
        5,
        /several executions have an id that begins with "order-": order-book, order-boat$/m,
      ],
      "show nope": [4, /no execution has the id "nope"/],
      "signal order-boat go": [5, /order-boat/],
      "retry order-book": [5, /order-book/],
    };
    for (const [parameters, [status, message]] of Object.entries(refused)) {
      const result = await line.run(parameters.split(" ").filter((each) => each !== ""));
      assert.equal(result.status, status, parameters);
      assert.equal(result.stdout, "", parameters);
      assert.match(result.stderr, message);
      assert.doesNotMatch(result.stderr, /secret|\n\s+at /);
    }
    assert.match((await stent("show nope -v")).stderr, /\n\s+at /);
  });

  test("tells errors as JSON where JSON is asked for", async () => {
    const { error } = JSON.parse((await stent("show nope --json")).stderr) as {
      error: { code: string; hint: string };
    };
    assert.equal(error.code, "EXECUTION_NOT_FOUND");
    assert.equal(error.hint, "see: stent list");
  });

  test("takes the beginning of an id where only one execution has it, and whole ids from stdin", async () => {
    assert.match((await stent("show order-boa")).stdout, /^id +order-boat$/m);
    assert.match((await stent("why order-boo")).stdout, /^signal go, since /m);
    const refused = await stent("retry -", "order-boa\n");
    assert.equal(refused.status, 4);
    assert.match(refused.stderr, /no execution has the id "order-boa"/);
  });

  test("takes what stands behind -- as it is, and negative numbers as payloads", async () => {
    await using engine = await Stent.open(join(folder, "stent.db"));
    await engine.dispatch(order, ["odd"], { id: "-odd" });
    for (const [parameters, payload] of [
      ["signal order-book minus -5", -5],
      ["signal order-book minus -1e3", -1_000],
      ["signal order-book minus -- -5.5", -5.5],
      ['signal order-book minus -- {"by":"Ada"}', { by: "Ada" }],
      ["signal --string -- order-book minus --json", "--json"],
    ] as const) {
      assert.deepEqual(await stent(parameters), { status: 0, stdout: "", stderr: "" }, parameters);
      assert.deepEqual(newestPayload(join(folder, "stent.db")), payload, parameters);
    }
    assert.match((await stent("show -- -odd")).stdout, /^id +-odd$/m);
    assert.equal((await stent("cancel -- -odd")).stdout, "-odd\n");
    assert.match(
      (await stent("list --limit -5")).stderr,
      /--limit takes a whole number from 1, got "-5"/,
    );
  });

  test("helps with each command, however that is asked for", async () => {
    const { stdout } = await stent("list --help");
    assert.match(stdout, /^stent list\n[^]*^ {2}-n, --limit … +How many \[20\]$/m);
    for (const asked of ["help list", "-d stent.db list -h", "ls -qh", "--help list"])
      assert.deepEqual(await stent(asked), { status: 0, stdout, stderr: "" }, asked);
    const ofNoun = await stent("dlq --help");
    assert.match(ofNoun.stdout, /^ {2}stent dlq replay \[ids\.\.\] /m);
    assert.deepEqual(await stent("help dlq"), ofNoun);
    assert.deepEqual(await stent("dlq help"), ofNoun);
    assert.match((await stent("dlq replay --help")).stdout, /^ {2}ids +/m);
    const unknown = await stent("lst --help");
    assert.deepEqual([unknown.status, unknown.stdout], [2, ""]);
    assert.match(unknown.stderr, /Unknown command: lst — did you mean list\?/);
    assert.match((await stent("dlq list --halp")).stderr, /did you mean --help\?/);
    assert.equal((await stent("why -- --help")).status, 4);
  });

  test("loads nothing of the engine for its help, and nothing that parses", () => {
    for (const [number, parameters] of [["--help"], ["list", "--help"], ["--version"]].entries()) {
      const loaded = loadedBy(program, join(folder, `coverage-${number}`), parameters);
      assert.ok(loaded.some((url) => url.endsWith("/dist/cli/catalogue.js")));
      assert.deepEqual(
        loaded.filter(
          (url) => /dist\/src\/|node_modules/.test(url) || /commands\/(?!list)/.test(url),
        ),
        [],
      );
    }
  });

  test("creates nothing by looking", async () => {
    await stent("list -d other.db");
    await stent("show x -d no/where.db");
    assert.deepEqual(
      readdirSync(folder).filter((name) => !/^(?:stent\.db|coverage-)/.test(name)),
      [],
    );
  });

  test("makes a database when it is told to", async () => {
    const made = await stent("migrate -d made.db");
    assert.equal(made.status, 0, made.stderr);
    assert.equal(made.stdout, "");
    assert.equal((await stent("list -d made.db -o ids")).stdout, "");
    assert.ok(existsSync(join(folder, "made.db")));
  });

  test("retries the executions named on stdin, and tells which", async () => {
    assert.equal((await stent("retry -", "order-boat\n")).stdout, "order-boat\n");
    const some = await stent("cancel - nope --reason enough", "order-boat\n");
    assert.equal(some.status, 1);
    assert.equal(some.stdout, "order-boat\n");
    assert.match(some.stderr, /"nope"/);
  });

  test("signals an execution, and a worker started from the command line finishes it", async () => {
    assert.deepEqual(await stent('signal order-book go {"by":"Ada"}'), {
      status: 0,
      stdout: "",
      stderr: "",
    });
    const module = join(folder, "flows.ts");
    writeFileSync(module, flows);
    const worker = spawn(process.execPath, [program, "worker", module, "--concurrency", "2"], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const gone = once(worker, "exit");
    try {
      const lines = createInterface(worker.stderr)[Symbol.asyncIterator]();
      for (let line = await lines.next(); line.value !== serving; line = await lines.next()) {
        assert.ok(line.done !== true, "the worker has ended");
      }
      await using engine = await Stent.open(join(folder, "stent.db"));
      const result = await engine.waitFor("order-book", { timeout: "20s" });
      assert.deepEqual(result.unwrap(), { by: "Ada" });
      worker.kill("SIGTERM");
      assert.deepEqual(await gone, [0, null]);
    } finally {
      worker.kill("SIGKILL");
    }
  });

  test("a replay has the arguments as they were, from the database and from a file", async () => {
    const backend = join(folder, "dated.db");
    {
      await using engine = await Stent.bootstrap(backend, { serve: true });
      const args = [new Date(0), new Set(["a", "b"])] as const;
      await (await engine.dispatch(dated, [...args], { id: "dated" })).result({ timeout: "20s" });
    }
    const module = join(folder, "dated.mjs");
    const replayed = (...more: string[]): Promise<Run> =>
      line.alone(["replay", "--import", module, ...more], "", { STENT_DATABASE_URL: backend });
    const exported = await line.run(["executions", "export", "dated", "-d", backend]);
    writeFileSync(join(folder, "dated.ndjson"), exported.stdout);
    writeFileSync(module, datedFlow("at.toISOString()"));
    for (const from of [["--id", "dated"], ["-s", "completed"], [join(folder, "dated.ndjson")]])
      assert.deepEqual(await replayed(...from), {
        status: 0,
        stdout: "dated: the same\n",
        stderr: "",
      });
    writeFileSync(module, datedFlow('"another"'));
    const differs = await replayed("--id", "dated");
    assert.equal(differs.status, 1);
    assert.match(
      differs.stdout,
      /^dated: differs at 1\n {2}recorded .*1970.*\n {2}yielded .*another/,
    );
  });

  test("a worker that is interrupted says what it waits for, and leaves at once when it is again", async () => {
    const module = join(folder, "flows.ts");
    writeFileSync(module, flows);
    await using engine = await Stent.open(join(folder, "stent.db"));
    await engine.dispatch(hold, [], { id: "held" });
    const worker = spawn(process.execPath, [program, "worker", module], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const gone = once(worker, "exit");
    try {
      while ((await engine.listTasks({ state: "running" })).items.length === 0)
        await new Promise(setImmediate);
      worker.kill("SIGINT");
      const told: string[] = [];
      for await (const line of createInterface(worker.stderr)) {
        told.push(line);
        if (line.startsWith("waiting for")) break;
      }
      assert.deepEqual(told.slice(-2), [
        "draining: takes nothing more; once more leaves at once",
        "waiting for cli.hold of held",
      ]);
      worker.kill("SIGINT");
      assert.deepEqual(await gone, [130, null]);
    } finally {
      worker.kill("SIGKILL");
    }
  });
});

const serving = "serving cli.hold, cli.reserve, cli.order";
const flows = `
  import Database from "better-sqlite3";
import { activity, call, signal, workflow } from "stentjs";
  activity("cli.hold", () => new Promise(() => undefined));
  const reserve = activity("cli.reserve", async (sku: string) => "hold-" + sku);
  workflow("cli.order", function* (sku: string) {
    yield* call(reserve, sku);
    return yield* signal("go");
  });
`;

function datedFlow(first: string): string {
  return `
    import { activity, call, workflow } from "stentjs";
    const reserve = activity("cli.reserve", async () => undefined);
    workflow("cli.dated", function* (at, names) {
      yield* call(reserve, ${first});
      for (const name of names) yield* call(reserve, name);
    });`;
}

/** The modules that a command loads. */
function loadedBy(program: string, folder: string, parameters: readonly string[]): string[] {
  spawnSync(process.execPath, [program, ...parameters], {
    env: { ...environment, NODE_V8_COVERAGE: folder },
  });
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as {
      result: { url: string }[];
    };
    return result.map(({ url }) => url);
  });
}

function newestPayload(path: string): unknown {
  const database = new Database(path, { readonly: true });
  const payload = database
    .prepare<[], string>("select payload from stent_signals order by key desc limit 1")
    .pluck()
    .get();
  database.close();
  return JSON.parse(String(payload));
}
