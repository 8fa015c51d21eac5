import { createRequire } from "node:module";
import { marked, optionsAmong } from "./arguments.ts";
import { report } from "./failure.ts";
import { helpAskedFor, versionAskedFor } from "./help.ts";

/** Does what these arguments ask for; how it ends is left in `process.exitCode`. */
export async function run(given: readonly string[]): Promise<void> {
  try {
    const told = (await helpAskedFor(given)) ?? versionOf(given);
    if (told !== undefined) {
      process.stdout.write(told);
      return;
    }
    const { programOf } = await import("./program.ts");
    await programOf().parseAsync(marked(given));
  } catch (error) {
    const parameters = optionsAmong(given);
    process.exitCode = report(error, {
      json: /(?:^| )(?:--json|(?:-o|--output)[ =]?jsonl?)(?: |$)/.test(parameters.join(" ")),
      verbose: parameters.includes("-v") || parameters.includes("--verbose"),
    });
  }
}

function versionOf(given: readonly string[]): string | undefined {
  if (!versionAskedFor(given)) return undefined;
  const { version } = createRequire(import.meta.url)("stentjs/package.json") as { version: string };
  return `${version}\n`;
}
