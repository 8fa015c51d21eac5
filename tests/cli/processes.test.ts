import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { activity, call, signal, Stent, workflow } from "stentjs";
import { nouns, verbs } from "../../cli/catalogue.ts";
import { CommandLine } from "../support/command-line.ts";
import { until } from "../support/serving.ts";

const refused = activity("own.refused", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("declined");
});
const failing = workflow("own.failing", function* () {
  yield* call(refused);
});
const waiting = workflow("own.waiting", function* () {
  return yield* signal("go");
});

/** Each command, with what it prints and, where that is not 0, how it ends. `worker` and a live `watch` have tests of their own. */
const commands: readonly (readonly [
  parameters: string,
  stdout: RegExp,
  more?: { readonly status?: number; readonly input?: string },
])[] = [
  ["migrate --status", /^the tables are those of this version/],
  ["list -s failed -o ids", /^f2\nf1\n$/],
  ["show f1", /^id +f1\n[^]*RangeError: declined\n$/],
  ["why w1", /^signal go, since /],
  ["stats", /\n?failed +2/],
  ["executions list --all -o ids", /^w1\nf2\nf1\n$/],
  ["executions show w1", /^id +w1$/m],
  ["executions history f1 -o jsonl", /^\{.*"own\.refused"/],
  ["tasks list f1 -o ids", /^f1\/1\/1\n$/],
  ["tasks show f1/1/1", /own\.refused/],
  ["queues list -o ids", /^default\n$/],
  ["queues show default", /default/],
  ["workers list", /^ID +STATE/],
  ["workers show nobody", /^$/, { status: 4 }],
  ["workflows list -o ids", /^own\.failing\nown\.waiting\n$/],
  ["dlq list -o ids", /^f2\/1\/1\nf1\/1\/1\n$/],
  ["dlq show f1/1/1", /declined/],
  ["doctor", /^$/],
  ["cleanup --dry-run", /^0 executions, 0 dead letters\n$/],
  ["completion bash", /^complete -o default -F _stent stent$/m],
  ["watch --once", /^pending 0 {2}running 1 /],
  ["executions export f1 -O f1.ndjson", /^$/],
  ["executions import f1.ndjson --id copy", /^copy\n$/],
  ["replay --import flows.mjs f1.ndjson", /^f1: the same\n$/],
  ["start own.waiting --id w2", /^w2\n$/],
  ["signal w2 go 7", /^$/],
  ["wait w2 --timeout 1ms", /^$/, { status: 124 }],
  ["cancel -", /^w1\nw2\n$/, { input: "w1\nw2\n" }],
  ["dlq replay f1/1/1", /\n$/],
  ["dlq replay-all --yes", /\n$/],
  ["retry copy", /^copy\n$/],
  ["dlq discard nothing", /^$/, { status: 4 }],
];
const elsewhere = new Set(["worker <modules..>"]);

test("each command does its work in a process of its own", async () => {
  await using line = new CommandLine();
  await endedAndWaiting(join(line.folder, "stent.db"));
  writeFileSync(join(line.folder, "flows.mjs"), flows);
  for (const [parameters, printed, { status = 0, input = "" } = {}] of commands) {
    const ended = await line.alone(parameters.split(" "), input);
    assert.equal(ended.status, status, `${parameters}: ${ended.stderr}`);
    assert.match(ended.stdout, printed, parameters);
    assert.doesNotMatch(ended.stderr, /\n\s+at |ExperimentalWarning/, parameters);
  }
});

test("there is none that is not run so", () => {
  const run = commands.map(([parameters]) => parameters);
  const all = [
    ...verbs.map(({ command }) => command),
    ...nouns.flatMap(({ name, commands: of }) => of.map(({ command }) => `${name} ${command}`)),
  ];
  assert.deepEqual(
    all.filter(
      (command) =>
        !elsewhere.has(command) &&
        !run.some((each) => `${each} `.startsWith(`${command.replace(/ [<[].*/, "")} `)),
    ),
    [],
  );
});

async function endedAndWaiting(path: string): Promise<void> {
  await using stent = await Stent.bootstrap(path, { serve: true });
  for (const id of ["f1", "f2"])
    await (await stent.dispatch(failing, [], { id })).wait({ timeout: "20s" });
  const handle = await stent.dispatch(waiting, [], { id: "w1" });
  await until("it waits", async () => (await handle.state()).waitingFor[0]?.kind === "signal");
}

const flows = `
  import { activity, call, workflow } from "stentjs";
  const refused = activity("own.refused", async () => undefined);
  workflow("own.failing", function* () { yield* call(refused); });
`;
