import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { CommandLine, environment } from "../support/command-line.ts";

/** util-linux's way to a pseudo-terminal. */
const withoutTerminal = spawnSync("script", ["--version"]).status !== 0;
const restored = "\u001b[?25h\u001b[?1049l";

describe("watch", { skip: withoutTerminal ? "script(1) is not there" : false }, () => {
  const line = new CommandLine();
  const { folder, program } = line;
  before(async () => {
    assert.equal((await line.alone(["migrate", "-d", "stent.db"])).status, 0);
  });
  after(() => line[Symbol.asyncDispose]());

  test("one that is no terminal gets one snapshot, without a command to it", async () => {
    const { status, stdout } = await line.alone(["watch"]);
    assert.equal(status, 0);
    assert.match(stdout, /^pending 0 {2}running 0/);
    assert.ok(!stdout.includes("\u001b"));
  });

  test("on a terminal it ends by q, and leaves it as it was", async () => {
    const { terminal, text } = await watching(program, folder);
    terminal.stdin?.write("q");
    assert.deepEqual(await once(terminal, "exit"), [0, null]);
    assert.ok(text().includes(restored));
  });

  test("Ctrl-C leaves the terminal as it was, with 130", async () => {
    const { terminal, text } = await watching(program, folder);
    terminal.stdin?.write("\u0003");
    assert.deepEqual(await once(terminal, "exit"), [130, null]);
    assert.ok(text().includes(restored));
  });
});

/** A watch on a terminal of its own, that has drawn. */
async function watching(
  program: string,
  cwd: string,
): Promise<{ terminal: ChildProcess; text: () => string }> {
  const command = `${process.execPath} ${program} watch --interval 100ms`;
  const terminal = spawn("script", ["-qefc", command, "/dev/null"], {
    cwd,
    env: { ...environment, TERM: "xterm" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  terminal.stdout?.setEncoding("utf8").on("data", (part: string) => (text += part));
  while (!text.includes("q quits")) await once(terminal.stdout as NodeJS.ReadableStream, "data");
  return { terminal, text: () => text };
}
