import type { Body } from "../body.ts";
import { databaseOf, stentOptions } from "../database.ts";
import { exitCodes } from "../failure.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { note } from "../note.ts";
import { printOne } from "../output.ts";

interface Arguments extends GlobalArguments {
  readonly status: boolean | undefined;
  readonly "dry-run": boolean | undefined;
  readonly sql: boolean | undefined;
}

/** `stent migrate`: makes or upgrades the tables. */
export const migrate: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .option("status", {
        type: "boolean",
        describe: "Say how the tables compare with this version; exit code 3 if they are not its",
      })
      .option("dry-run", { type: "boolean", describe: "Say what would be run, and run nothing" })
      .option("sql", { type: "boolean", describe: "With --dry-run: every statement" }),
  handler: async (given) => {
    const backend = databaseOf(given.database);
    const { Stent } = await import("stentjs");
    await using stent = new Stent({ ...stentOptions(given, backend), migrate: false });
    const looking = given.status === true || given["dry-run"] === true || given.sql === true;
    if (!looking) {
      await stent.admin.migrate();
      note(given, "the tables are those of this version");
      return;
    }
    const found = await stent.admin.migrations();
    const { current, wanted, pending } = found;
    if (given.sql === true && outputOf(given) === "table") {
      for (const statement of pending.flatMap(({ sql }) => sql))
        process.stdout.write(`${statement};\n`);
      return;
    }
    printOne(given, found, {
      id: wanted,
      text: () =>
        pending.length === 0
          ? `the tables are those of this version (${wanted})\n`
          : `${current ?? "no tables"} → ${wanted}: ${pending.map(({ name, sql }) => `${name} (${sql.length} statements)`).join(", ")}\n`,
    });
    if (given.status === true && pending.length > 0) process.exitCode = exitCodes.database;
  },
};
