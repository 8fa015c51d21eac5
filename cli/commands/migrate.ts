import type { Body } from "../body.ts";
import { databaseOf, type GlobalArguments } from "../database.ts";

/** `stent migrate`: makes or upgrades the tables. */
export const migrate: Body<GlobalArguments> = {
  builder: (yargs) => yargs,
  handler: async ({ database }) => {
    const backend = databaseOf(database);
    const { Stent } = await import("stentjs");
    const stent = await Stent.open({ backend, migrate: true });
    await stent.close();
    process.stderr.write("the tables are those of this version\n");
  },
};
