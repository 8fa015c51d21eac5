import { after, before } from "node:test";
import { built, Scene, temporaryDirectory, type Ending } from "./processes.ts";

/** A place for the scenes of one test file: the script is built once, before the first test. */
export function stage(): (t: Ending, name: string) => Scene {
  const ending: (() => unknown)[] = [];
  const place = { directory: "", script: "" };
  before(async () => {
    place.directory = temporaryDirectory({ after: (fn) => ending.push(fn) });
    place.script = await built("worker-process.ts", place.directory);
  });
  after(() => {
    for (const end of ending) end();
  });
  return (t, name) => new Scene(t, { ...place, name });
}
