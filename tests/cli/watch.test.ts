import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CommandLine } from "../support/command-line.ts";
import { OnTerminal, withoutTerminal } from "../support/terminal.ts";

const entered = "\u001b[?1049h\u001b[?25l";
const restored = "\u001b[?25h\u001b[?1049l";

describe("watch", { skip: withoutTerminal }, () => {
  const line = new CommandLine();
  before(async () => {
    assert.equal((await line.alone(["migrate", "-d", "stent.db"])).status, 0);
  });
  after(() => line[Symbol.asyncDispose]());

  /** A watch that has drawn. */
  async function watching(
    parameters: readonly string[] = ["--interval", "100ms"],
    how: ConstructorParameters<typeof OnTerminal>[2] = {},
  ): Promise<OnTerminal> {
    const terminal = new OnTerminal(line, ["watch", ...parameters], how);
    await terminal.says("q quits");
    return terminal;
  }

  test("one that is no terminal gets one snapshot, without a command to it", async () => {
    const { status, stdout } = await line.alone(["watch"]);
    assert.equal(status, 0);
    assert.match(stdout, /^pending 0 {2}running 0/);
    assert.ok(!stdout.includes("\u001b"));
  });

  test("so does a terminal by --once, which stays on its screen", async () => {
    const terminal = new OnTerminal(line, ["watch", "--once"]);
    assert.deepEqual(await terminal.left(), { status: 0, asBefore: true });
    // oxlint-disable-next-line no-control-regex -- what a terminal is told
    assert.match(terminal.text, /^\u001b\[2mpending 0\u001b\[0m {2}/);
    assert.ok(!terminal.text.includes("\u001b[?"));
  });

  const waysOut: Record<string, readonly [leave: (on: OnTerminal) => void, status: number]> = {
    q: [(on) => on.type("q"), 0],
    "Ctrl-C": [(on) => on.type("\u0003"), 130],
    SIGINT: [(on) => on.signal("SIGINT"), 130],
    SIGTERM: [(on) => on.signal("SIGTERM"), 143],
  };
  for (const [way, [leave, status]] of Object.entries(waysOut)) {
    test(`${way} ends it, and leaves the terminal as it was`, async () => {
      const terminal = await watching();
      leave(terminal);
      assert.deepEqual(await terminal.left(), { status, asBefore: true });
      const at = terminal.text.indexOf(entered);
      assert.ok(at >= 0 && terminal.text.lastIndexOf(restored) > at, JSON.stringify(terminal.text));
    });
  }

  test("in another size it draws everything anew, cut to that", async () => {
    // It looks once: what is drawn after that is for the size.
    const terminal = await watching(["--interval", "1h"]);
    let at = terminal.text.length;
    terminal.resize(2, 7);
    // The height may come before the width.
    for (let first = ""; first !== "pending";) {
      at = await terminal.says("\u001b[2J\u001b[1;1H", at);
      await terminal.says("\u001b[2;1H", at);
      const [drawn = ""] = terminal.text.slice(at).split("\u001b[K");
      // oxlint-disable-next-line no-control-regex -- its colours
      first = drawn.replaceAll(/\u001b\[\d+m/g, "");
    }
    terminal.type("q");
    assert.deepEqual(await terminal.left(), { status: 0, asBefore: true });
    assert.ok(!terminal.text.slice(at).includes("\u001b[3;1H"));
  });

  test("where nothing can be typed it goes on until a signal", async () => {
    const terminal = await watching(["--interval", "100ms"], { withoutKeys: true });
    terminal.resize(10, 40);
    await terminal.says("\u001b[2J", terminal.text.indexOf("q quits"));
    terminal.signal("SIGTERM");
    assert.deepEqual(await terminal.left(), { status: 143, asBefore: true });
    assert.ok(terminal.text.includes(restored));
  });
});
