import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { nouns, verbs } from "../../cli/catalogue.ts";
import { CommandLine } from "../support/command-line.ts";

const line = new CommandLine();
before(async () => {
  assert.equal((await line.run(["migrate", "-d", "here.db"])).status, 0);
});
after(() => line[Symbol.asyncDispose]());

const password = "hunter2-tr0ub4dor";
const documented = new Set([0, 1, 2, 3, 4, 5, 10, 11, 12, 124, 130, 143]);
const rounds = 200;
/** One of so many is run in a process of its own. */
const oneAlone = 40;

const commands = [
  // A wait for what nobody serves has to be told when to leave off.
  ...verbs.map(({ command }) => {
    const name = command.split(" ")[0] ?? "";
    return name === "wait" ? [name, "--timeout", "50ms"] : [name];
  }),
  ...nouns.flatMap(({ name, commands: within }) =>
    within.map(({ command }) => [name, command.split(" ")[0] ?? ""]),
  ),
];
const words = [
  "-",
  "--",
  "",
  "latest",
  "1234e5",
  "-5",
  "[",
  "{}",
  "\u001b[31m",
  "ü\u202e",
  "__proto__",
  "constructor",
  "--json",
  "-o",
  "jsonl",
  "--state",
  "failed,,nope",
  "--limit",
  "0",
  "--since",
  "1h",
  "--all",
  "--dry-run",
  "--force",
  "--no-input",
  "--no-color",
  "--time=local",
  "--timeout",
  "1ms",
  "--once",
  "--help",
  "--id",
  "--cursor",
  "W10",
  "--__proto__=1",
  "--a.b=c",
  "-qn",
];
const databases = [
  "here.db",
  "absent.db",
  "sqlite::memory:",
  `postgres://ada:${password}@127.0.0.1:1/x`,
  `postgresql://ada:${password}@127.0.0.1:1/x?password=${password}`,
  `postgres://ada:${password}#@127.0.0.1:1/x`,
  `mysql://ada:${password}@127.0.0.1/x`,
  `redis://:${password}@127.0.0.1/x`,
];

test("whatever it is given, it ends with a documented code and prints no stack and no password", async () => {
  const next = lottery(20_261_122);
  const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T;
  for (let round = 0; round < rounds; round += 1) {
    const some = Array.from({ length: Math.floor(next() * 5) }, () => one(words));
    const parameters = [...one(commands), ...some, ...(next() < 0.9 ? ["-d", one(databases)] : [])];
    const { status, stdout, stderr } =
      round % oneAlone === 0
        ? await line.alone(parameters, "latest\n")
        : await line.run(parameters, "latest\n");
    const what = JSON.stringify(parameters);
    assert.ok(documented.has(status ?? -1), `${what} ended with ${status}: ${stderr}`);
    assert.doesNotMatch(stderr, /\n\s+at .*:\d+/, what);
    assert.ok(!`${stdout}${stderr}`.includes(password), `${what}: ${stderr}`);
    assert.ok(!`${stdout}${stderr}`.includes("\u001b"), what);
  }
});

/** The same numbers each time. */
function lottery(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
