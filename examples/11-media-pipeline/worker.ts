/** One of the processes that do the work. */
import { Stent } from "stentjs";
// oxlint-disable-next-line import/no-unassigned-import -- it registers what this process can run
import "./film.ts";

// Whoever started it is gone: nobody would stop it any more.
process.once("disconnect", () => process.exit());

const stent = await Stent.bootstrap("sqlite:media.db", { serve: { maxConcurrency: 4 } });
process.once("SIGTERM", () => void stent.close().then(() => process.disconnect()));
process.send?.("ready");
