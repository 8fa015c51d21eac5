/** Starts the order, or joins the one that is there, and serves it until it has ended. */
import { Stent } from "stentjs";
import { order } from "./order.ts";

const [database = "quickstart.db"] = process.argv.slice(2);

await using stent = await Stent.bootstrap(`sqlite:${database}`, { serve: true });
const handle = await stent.dispatch(order, ["A-1"], { id: "order-A-1", ifExists: "join" });
console.log(`result: ${await handle.result()}`);
