import { setTimeout as delay } from "node:timers/promises";
import type { Stent } from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { exitCodes } from "../failure.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { overviewLines, overviewOf } from "../overview.ts";
import { paintOf } from "../paint.ts";
import { Screen } from "../screen.ts";
import { timeTextOf } from "../time.ts";

interface Arguments extends GlobalArguments {
  readonly interval: string;
  readonly once: boolean | undefined;
}

/** `stent watch`: what goes on, live. */
export const watch: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .option("interval", {
        type: "string",
        requiresArg: true,
        default: "2s",
        describe: "How often it looks",
      })
      .option("once", { type: "boolean", describe: "Print what there is, and end" }),
  handler: async (given) => {
    const { parseDuration } = await import("stentjs");
    const intervalMs = Math.max(100, parseDuration(given.interval));
    await withStent(given, async (stent) => {
      const output = outputOf(given);
      if (output !== "table") {
        const { stats, queues, workers } = await overviewOf(stent);
        process.stdout.write(`${toJson({ stats, queues, workers })}\n`);
      } else if (given.once === true || !process.stdout.isTTY) {
        process.stdout.write(`${(await linesOf(stent, given)).join("\n")}\n`);
      } else await live(stent, given, intervalMs);
    });
  },
};

async function linesOf(stent: Stent, given: Arguments): Promise<string[]> {
  const telling = { time: timeTextOf(given), paint: paintOf(given) };
  return overviewLines(await overviewOf(stent), telling);
}

const signals = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const;

/** Until q, or a signal. The terminal is as it was before, however this ends. */
async function live(stent: Stent, given: Arguments, intervalMs: number): Promise<void> {
  const screen = new Screen(process.stdout);
  const { promise: over, resolve: end } = withResolvers<number>();
  const restore = (): void => {
    screen.close();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  };
  process.once("exit", restore);
  for (const [name, code] of Object.entries(signals)) process.once(name, () => end(code));
  // What is left of a pause would hold up the end; and only it may hold the process where no key can come.
  const pauses = new AbortController();
  let lines: readonly string[] = [];
  const redraw = (): void => screen.show(lines);
  process.stdout.on("resize", redraw);
  if (process.stdin.isTTY) process.stdin.setRawMode(true);
  process.stdin.on("data", (keys: Buffer) => {
    if (keys.includes("q")) end(exitCodes.ok);
    if (keys.includes(3)) end(exitCodes.interrupted);
  });
  screen.open();
  try {
    for (let code: number | undefined; code === undefined;) {
      const read = linesOf(stent, given).then((found) => {
        lines = [...found, "", "q quits"];
        redraw();
        return undefined;
      });
      code = await Promise.race([over, read]);
      code ??= await Promise.race([over, pause(intervalMs, pauses.signal)]);
      if (code !== undefined) process.exitCode = code;
    }
  } finally {
    pauses.abort();
    restore();
    process.stdout.off("resize", redraw);
    process.stdin.removeAllListeners("data").pause();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<undefined> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

function withResolvers<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
