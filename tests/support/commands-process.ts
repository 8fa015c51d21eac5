/**
 * Runs commands one after the other in one process, as `cli/main.ts` runs one: to load all that a command needs takes much longer than
 * most commands do. Started by `CommandLine`, with the built `cli/run.js` as its argument.
 */
import { Readable, Writable } from "node:stream";

/** A command. */
export interface Asked {
  readonly parameters: readonly string[];
  readonly input: string;
}

/** What a command has written, and how it has ended. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const { run } = (await import(process.argv[2] ?? "")) as {
  readonly run: (parameters: readonly string[]) => Promise<void>;
};
process.on("message", (asked: Asked) => void answer(asked));

async function answer({ parameters, input }: Asked): Promise<void> {
  const stdout = collected("stdout");
  const stderr = collected("stderr");
  Object.defineProperty(process, "stdin", { value: Readable.from([Buffer.from(input)]) });
  process.exitCode = undefined;
  await run(parameters);
  const answered: Run = {
    status: exitCode(),
    stdout: stdout(),
    stderr: stderr(),
  };
  process.exitCode = undefined;
  process.send?.(answered);
}

function exitCode(): number {
  return Number(process.exitCode ?? 0);
}

/** Puts another stream in its place, no terminal; what is written to that. */
function collected(name: "stdout" | "stderr"): () => string {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(part);
      done();
    },
  });
  Object.defineProperty(process, name, { value: stream });
  return () => Buffer.concat(parts).toString();
}
