/** One of the processes that do the work. */
import { Stent } from "stentjs";
// oxlint-disable-next-line import/no-unassigned-import -- it registers what this process can run
import "./film.ts";

const stent = await Stent.bootstrap("sqlite:media.db", { serve: { maxConcurrency: 4 } });

process.once("SIGTERM", () => void stop());
// Whoever started it is gone, and nobody would stop it any more.
process.once("disconnect", () => void stop());
if (process.connected) process.send?.("ready");
else await stop();

/** What runs ends, and the rest is handed back at once: nobody has to wait for this worker's lease to run out. */
async function stop(): Promise<void> {
  await stent.close();
  if (process.connected) process.disconnect();
}
