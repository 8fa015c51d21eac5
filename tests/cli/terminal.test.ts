import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { activity, map, remote, signal, Stent, workflow, type Activity } from "stentjs";
import { CommandLine } from "../support/command-line.ts";
import { until } from "../support/serving.ts";
import { OnTerminal, withoutTerminal } from "../support/terminal.ts";

const far = remote<Activity<[number], number>>("tty.far", { kind: "activity", queue: "far" });
const fans = workflow("tty.fans", function* () {
  return yield* map(far, [1, 2, 3]);
});
const waits = workflow("tty.waits", function* () {
  return yield* signal("go");
});
const escape = "\u001b";

describe("on a terminal", { skip: withoutTerminal }, () => {
  const line = new CommandLine();
  const database = join(line.folder, "stent.db");
  before(async () => {
    await using stent = await Stent.bootstrap(database, { serve: { queues: ["default"] } });
    const fanned = await stent.dispatch(fans, [], { id: "fanned" });
    await stent.dispatch(waits, [], { id: "one" });
    const two = await stent.dispatch(waits, [], { id: "two" });
    await until("it waits", async () => (await two.state()).waitingFor[0]?.kind === "signal");
    await until("it fans out", async () => (await fanned.state()).waitingFor.length > 0);
  });
  after(() => line[Symbol.asyncDispose]());

  test("states have colours, unless they are refused or the terminal knows none", async () => {
    const plain = (text: string): boolean => !text.includes(escape);
    const coloured = `${escape}[36mrunning`;
    const on = async (parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<string> => {
      const terminal = new OnTerminal(line, parameters, { env });
      assert.equal((await terminal.left()).status, 0);
      assert.match(terminal.text, /tty\.waits/);
      return terminal.text;
    };
    assert.ok((await on(["list"], { NO_COLOR: undefined })).includes(coloured));
    assert.ok(plain(await on(["list", "--no-color"], {})));
    assert.ok(plain(await on(["list"], { NO_COLOR: "1" })));
    assert.ok(plain(await on(["list"], { TERM: "dumb" })));
    assert.ok((await on(["list"], { TERM: "dumb", FORCE_COLOR: "1" })).includes(coloured));
    const piped = await line.alone(["list"], "", { FORCE_COLOR: "1" });
    assert.ok(piped.stdout.includes(coloured));
    assert.ok(plain((await line.alone(["list"])).stdout));
  });

  test("an act on many shows what it is about, and is done by yes alone", async () => {
    const asked = async (answer: string): Promise<OnTerminal> => {
      const terminal = new OnTerminal(line, ["cancel", "-w", "tty.waits"]);
      await terminal.says("cancel 2 executions? [y/N] ");
      assert.match(terminal.text, /^ {2}two .*\r\n {2}one /m);
      terminal.type(answer);
      return terminal;
    };
    for (const answer of ["\r", "n\r"]) {
      const terminal = await asked(answer);
      assert.deepEqual(await terminal.left(), { status: 2, asBefore: true });
      assert.match(terminal.text, /error: nothing was done/);
    }
    const unasked = new OnTerminal(line, ["cancel", "-w", "tty.waits", "--no-input"]);
    assert.equal((await unasked.left()).status, 2);
    assert.match(unasked.text, /Nobody can be asked here/);
    await using stent = await Stent.open(database);
    assert.equal((await stent.stateOf("one")).state, "running");
    const terminal = await asked("y\r");
    assert.deepEqual(await terminal.left(), { status: 0, asBefore: true });
    assert.match(terminal.text, /^two\r\none\r$/m);
    assert.notEqual((await stent.stateOf("one")).state, "running");
  });

  test("a wait tells how far it is, and takes that away at its end", async () => {
    const terminal = new OnTerminal(line, ["wait", "fanned"]);
    await terminal.says(`\r${escape}[Krunning `);
    await terminal.says("0 of 3 items");
    const worker = activity("tty.far", { queue: "far" }, async (n: number) => 2 * n);
    assert.equal(worker.kind, "activity");
    await using stent = await Stent.bootstrap(database, { serve: true });
    assert.deepEqual((await stent.waitFor("fanned", { timeout: "20s" })).unwrap(), [2, 4, 6]);
    assert.deepEqual(await terminal.left(), { status: 0, asBefore: true });
    assert.ok(terminal.text.endsWith(`\r${escape}[K[2,4,6]\r\n`), JSON.stringify(terminal.text));
  });
});
