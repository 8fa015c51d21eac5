/** The pipeline: a film is split into segments, these are transcoded side by side while a poster is made, and then stitched together. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { activity, all, call, context, counters, workflow, type Flow } from "stentjs";

export const segmentsOfFilm = 8;
const folder = "media";

interface Segment {
  readonly title: string;
  readonly number: number;
}

const split = activity("split", async (title: string): Promise<Segment[]> =>
  Array.from({ length: segmentsOfFilm }, (_, number) => ({ title, number })),
);

/** Writes its file whole or not at all, so a second attempt finds either nothing or what it would have made. */
const transcode = activity(
  "transcode",
  { timeout: "10m", heartbeatTimeout: "30s" },
  async ({ title, number }: Segment) => {
    const { signal, heartbeat } = context();
    for (let percent = 0; percent < 100; percent += 25) {
      heartbeat({ percent });
      await pause(50, undefined, { signal });
    }
    const file = `${folder}/${title}-${number}.mp4`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.${process.pid}`, `[${title} ${number}]`);
    renameSync(`${file}.${process.pid}`, file);
    return file;
  },
);

const makePoster = activity("make poster", async (title: string) => `${folder}/${title}.jpg`);

const stitch = activity("stitch", async (files: readonly string[]) =>
  files.map((file) => readFileSync(file, "utf8")).join(""),
);

export const film = workflow("film", function* (title: string) {
  const segments = yield* call(split, title);
  const { files, poster } = yield* all({
    files: all(segments.map((segment) => transcoded(segment))),
    poster: call(makePoster, title),
  });
  return { poster, content: yield* call(stitch, files) };
});

/** The counter is what the live view shows. For thousands of segments take `map`, which is cheaper and counts by itself. */
function* transcoded(segment: Segment): Flow<string> {
  const file = yield* call(transcode, segment);
  yield* counters.add("segments");
  return file;
}
