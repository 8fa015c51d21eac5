import { after, before } from "node:test";
import { join } from "node:path";
import { freshDatabase } from "../support/postgres.ts";
import { postgresDatabase, sqliteDatabase } from "./database.ts";
import { built, Scene, temporaryDirectory, type Ending } from "./processes.ts";

export type Backend = "sqlite" | "postgres";

/** Makes a scene for one test. */
export type Stage = (t: Ending, name: string) => Promise<Scene>;

/** What crash tests run on if they do not say. */
export const usualBackend: Backend =
  process.env["TEST_BACKEND"] === "postgres" ? "postgres" : "sqlite";

/** The directory of one test file with its script, which is built once, before the first test. */
export function builtPlace(): { readonly directory: string; readonly script: string } {
  const ending: (() => unknown)[] = [];
  const place = { directory: "", script: "" };
  before(async () => {
    place.directory = temporaryDirectory({ after: (fn) => ending.push(fn) });
    place.script = await built("worker-process.ts", place.directory);
  });
  after(() => {
    for (const end of ending) end();
  });
  return place;
}

/** A place for the scenes of one test file. */
export function stage(backend: Backend = usualBackend): Stage {
  const place = builtPlace();
  return async (t, name) => {
    const database =
      backend === "sqlite"
        ? sqliteDatabase(join(place.directory, `${name}.db`))
        : await postgresDatabase(await freshDatabase(t));
    return new Scene(t, { ...place, name, database });
  };
}
