import type { CommandModule } from "yargs";
import { databaseOf, type GlobalArguments } from "../database.ts";

/** `stent migrate`: makes or upgrades the tables. */
export const migrate: CommandModule<GlobalArguments, GlobalArguments> = {
  command: "migrate",
  describe: "Create the database, or upgrade its tables",
  handler: async ({ database }) => {
    const backend = databaseOf(database);
    const { Stent } = await import("stentjs");
    const stent = await Stent.open({ backend, migrate: true });
    await stent.close();
    process.stderr.write("the tables are those of this version\n");
  },
};
