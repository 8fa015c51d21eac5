import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { commandLine, UsageError } from "../../bench/command-line.ts";
import { asAdmin, postgresUrl } from "../support/postgres.ts";

const root = join(import.meta.dirname, "../..");
const temporary = mkdtempSync(join(tmpdir(), "stent-bench-test-"));
after(() => rmSync(temporary, { recursive: true }));

describe("every workload measures", () => {
  const withLimit = ["backend", "limit", "n", "peakMb", "rate", "ratio", "workload"];
  const withTimes = ["backend", "n", "p50", "p99", "peakMb", "workload"];
  const runs: Record<string, readonly [parameters: string, n: number, keys: readonly string[]]> = {
    hello: ["--n 20", 20, withLimit],
    chain: ["--n 20", 20, withLimit],
    chains: ["--n 2", 100, withLimit],
    fanout: ["--n 20", 20, withLimit],
    jobs: ["--n 20", 20, withLimit],
    latency: ["--n 5", 5, withTimes],
    sleepers: ["--n 5", 5, withTimes],
    resume: ["--n 5", 5, withTimes],
    rounds: ["--n 20", 20, withLimit],
  };
  for (const [workload, [parameters, n, keys]] of Object.entries(runs)) {
    test(`${workload}, and prints one line of JSON`, () => {
      const { status, stdout, stderr } = bench(
        workload,
        "--json",
        "--rounds",
        "1",
        ...parameters.split(" "),
      );
      assert.equal(status, 0, stderr);
      const figures = JSON.parse(stdout) as Record<string, unknown>;
      assert.deepEqual(Object.keys(figures).toSorted(), keys);
      assert.equal(figures["workload"], workload);
      assert.equal(figures["n"], n);
    });
  }

  test("history, in sequence and in branches, and its replay", () => {
    const { status, stdout, stderr } = bench("history", "--json", "--rounds", "1", "--n", "1000");
    assert.equal(status, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    const figures = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      figures.map(({ n }) => n),
      [1_000, 1_000],
    );
    assert.ok(figures.every(({ p50, rate, limit }) => p50 && rate && limit));
  });

  test("operators, beside executions that have ended", () => {
    const { status, stdout, stderr } = bench("operators", "--n", "2", "--preload", "50");
    assert.equal(status, 0, stderr);
    for (const asked of ["list -s running", "stats", "queues list"])
      assert.match(stdout, new RegExp(`p50 .*\\n.*p99 .*\\n +to +${asked}\\n`));
  });

  test("hello beside executions that have finished before", () => {
    const { status, stdout, stderr } = bench(
      "hello",
      "--n",
      "20",
      "--rounds",
      "1",
      "--preload",
      "50",
      "--concurrency",
      "5",
    );
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /hello on sqlite: 20 workflows, maxConcurrency 5\n[^]*50 finished executions/,
    );
  });

  test("at the path it is given, and leaves nothing there", () => {
    const path = join(temporary, "here.db");
    assert.equal(
      bench("chain", "--n", "2", "--rounds", "1", "--backend", `sqlite:${path}`).status,
      0,
    );
    assert.ok(!existsSync(path));
    assert.deepEqual(
      readdirSync(temporary).filter((name) => name.startsWith("stent-bench-")),
      [],
    );
  });
});

describe("on PostgreSQL, too", () => {
  const runs: Record<string, readonly string[]> = {
    "in one process": ["hello", "--n", "20"],
    "in several": ["hello", "--n", "20", "--processes", "2"],
    "step by step": ["chain", "--n", "20"],
    "beside what has finished": ["hello", "--n", "20", "--preload", "50"],
    "what is left behind": ["rounds", "--n", "20"],
    "the next process": ["resume", "--n", "5"],
  };
  for (const [what, parameters] of Object.entries(runs)) {
    test(what, async () => {
      const before = await databases();
      const { status, stdout, stderr } = bench(
        ...parameters,
        "--json",
        "--rounds",
        "1",
        "--backend",
        await postgresUrl(),
      );
      assert.equal(status, 0, stderr);
      const figures = JSON.parse(stdout) as Record<string, unknown>;
      assert.equal(figures["backend"], "postgres");
      assert.ok(figures["rate"] ?? figures["p50"]);
      assert.deepEqual(await databases(), before);
    });
  }

  test("a claim, beside what is there", async () => {
    const parameters = ["--n", "3", "--preload", "600", "--json", "--backend", await postgresUrl()];
    const { status, stdout, stderr } = bench("claims", ...parameters);
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trimEnd().split("\n").length, 5);
  });

  async function databases(): Promise<unknown[]> {
    return asAdmin("select datname from pg_database where datname like 'stent_bench%' order by 1");
  }
});

describe("what cannot be measured is refused with exit code 2", () => {
  const taken = join(temporary, "taken.db");
  writeFileSync(taken, "");
  const refused: Record<string, readonly [parameters: readonly string[], message: RegExp]> = {
    "no workload": [[], /name a workload: hello, .*, all/],
    "an unknown workload": [["nope"], /no workload "nope"; there are: hello/],
    "two workloads": [["hello", "chain"], /one workload at a time/],
    "an unknown option": [["hello", "--wat"], /--wat/],
    "a number that is none": [
      ["hello", "--n", "1e3"],
      /--n takes a whole number from 1, got "1e3"/,
    ],
    "an option of another workload": [["chain", "--preload", "5"], /chain has no --preload/],
    "another database": [["hello", "--backend", "mysql:h"], /--backend takes sqlite/],
    "claims on SQLite": [["claims"], /claims is measured on postgres only/],
    "processes where there is one": [["chain", "--processes", "2"], /chain has no --processes/],
    memory: [["hello", "--backend", "sqlite::memory:"], /not durable/],
    "a file that is there": [["hello", "--backend", `sqlite:${taken}`], /taken\.db exists/],
    "a folder that is not there": [["hello", "--backend", "sqlite:/no/where.db"], /no folder \/no/],
  };
  for (const [what, [parameters, message]] of Object.entries(refused)) {
    test(what, () => {
      assert.throws(
        () => commandLine(parameters),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, message);

          return true;
        },
      );
    });
  }

  test("with the message alone on stderr", () => {
    const { status, stdout, stderr } = bench("nope");
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /^error: no workload "nope"; .*\n$/);
  });
});

function bench(...parameters: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "bench/main.ts", ...parameters], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: temporary },
  });
}
