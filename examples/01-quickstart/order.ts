/** A workflow of five steps. Each step takes a moment, and writes into a log when it begins and when it has ended. */
import { appendFileSync } from "node:fs";
import { setTimeout as moment } from "node:timers/promises";
import { activity, call, workflow } from "stentjs";

const reserve = activity("reserve", (id: string) => step("reserve", `hold-${id}`));
const charge = activity("charge", (id: string, cents: number) =>
  step("charge", `payment of ${cents} for ${id}`),
);
const pack = activity("pack", (hold: string) => step("pack", `parcel of ${hold}`));
const ship = activity("ship", (parcel: string) => step("ship", `T-1000 (${parcel})`));
const notify = activity("notify", (tracking: string) => step("notify", `mail about ${tracking}`));

export const order = workflow("order", function* (id: string) {
  const hold = yield* call(reserve, id);
  const payment = yield* call(charge, id, 4_200);
  const parcel = yield* call(pack, hold);
  const tracking = yield* call(ship, parcel);
  yield* call(notify, tracking);
  return `${payment}, shipped as ${tracking}`;
});

async function step(name: string, result: string): Promise<string> {
  log(`${name} begins`);
  await moment(300);
  log(`${name} has ended`);
  return result;
}

function log(line: string): void {
  appendFileSync(process.env["QUICKSTART_LOG"] ?? "quickstart.log", `${line}\n`);
  console.log(line);
}
