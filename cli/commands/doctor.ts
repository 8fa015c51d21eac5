import type { Body } from "../body.ts";
import { existingDatabase, stentOptions } from "../database.ts";
import { exitCodes } from "../failure.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { importModules } from "../modules.ts";
import { note } from "../note.ts";
import { outputOf } from "../global-arguments.ts";
import { printList } from "../output.ts";
import { paintOf, colourOf } from "../paint.ts";
import { printable } from "../printable.ts";

interface Arguments extends GlobalArguments {
  readonly import: readonly string[] | undefined;
}

/** `stent doctor`: what is wrong, and what to do about it. */
export const doctor: Body<Arguments> = {
  builder: (yargs) =>
    yargs.option("import", {
      type: "string",
      array: true,
      requiresArg: true,
      describe: "Modules whose functions are to be found; repeatable",
    }),
  handler: async (given) => {
    const { Stent, registry } = await import("stentjs");
    const backend = await existingDatabase(given);
    if (given.import !== undefined) await importModules(given.import);
    await using stent = new Stent({
      ...stentOptions({ ...given, quiet: true }, backend),
      migrate: false,
    });
    const { pending } = await stent.admin.migrations();
    const items = [...(await stent.admin.doctor())];
    if (given.import !== undefined && pending.length === 0) {
      const unknown = (await stent.admin.functions()).filter(
        ({ name, version, workers }) => workers === 0 && registry.get(name, version) === undefined,
      );
      for (const { kind, name, version } of unknown) {
        const code = version === undefined ? name : `${name} (version ${version})`;
        items.push({
          code: "CODE_MISSING",
          severity: "warning",
          message: `${kind} ${code} was used in this database, and neither these modules nor a live worker have it`,
          hint: "what there is of it cannot go on until a worker has its code",
        });
      }
    }
    if (outputOf(given) === "table") {
      const paint = paintOf(given);
      for (const { code, severity, message, hint } of items)
        process.stdout.write(
          `${paint(severity, colourOf(severity))} ${code}: ${printable(message)}\n  ${printable(hint)}\n`,
        );
    } else printList(given, { items }, { head: [], row: () => [], id: ({ code }) => code });
    if (items.length === 0) note(given, "nothing is wrong");
    if (pending.length > 0) process.exitCode = exitCodes.database;
    else if (items.some(({ severity }) => severity === "error"))
      process.exitCode = exitCodes.failed;
  },
};
