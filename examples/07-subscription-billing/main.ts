/**
 * A subscription: bills on the same day of every month, tries a declined card again for some days, changes the plan when told to, and goes
 * on for ever. Here a year of it passes in a second: in virtual time, with a crash after every write.
 *
 *   npx tsx examples/07-subscription-billing/main.ts
 *
 * In production it is the same workflow: `stent.dispatch(subscription, […], { id: "subscription-Ada" })`.
 */
import {
  activity,
  call,
  continueAsNew,
  counters,
  defineSignal,
  now,
  race,
  signal,
  sleepUntil,
  workflow,
} from "stentjs";
import { mock, simulate } from "stentjs/testing";

type Plan = "basic" | "team" | "cancelled";
const prices = { basic: 900, team: 4_900 };

/** Messages that come while a bill is under way wait in the inbox, over `continueAsNew` too. */
export const changePlan = defineSignal<Plan>("change plan");

/** A card that is declined is tried again after one, two and four days, then the subscription ends. */
const charge = activity(
  "charge",
  { retry: { maxAttempts: 4, initialDelay: "1d", maxDelay: "7d", jitter: 0 } },
  async (customer: string, _month: number, cents: number) => `${customer} paid ${cents}`,
);

const goodbye = activity("goodbye", async (_customer: string, why: string) => why);

/** One run is one month: its journal stays short, and the next month begins with the code that is deployed then. */
export const subscription = workflow(
  "subscription",
  function* (customer: string, plan: Plan, since: Date | undefined, month: number) {
    const start = since ?? (yield* now());
    if (plan === "cancelled") return yield* call(goodbye, customer, "cancelled");
    try {
      yield* call(charge, customer, month, prices[plan]);
    } catch {
      return yield* call(goodbye, customer, "the card was declined four times");
    }
    yield* counters.add("billed", prices[plan]);

    // By the calendar and not by thirty days; each date is reckoned from the first, so that nothing drifts.
    const next = monthsLater(start, month);
    const { winner, value } = yield* race({
      due: sleepUntil(next),
      changed: signal(changePlan),
    });
    if (winner === "changed") yield* sleepUntil(next);
    return yield* continueAsNew(customer, winner === "changed" ? value : plan, start, month + 1);
  },
);

/** The same day of a later month, or the last one of a month that has no such day. */
function monthsLater(start: Date, months: number): Date {
  const first = new Date(start);
  first.setUTCDate(1);
  first.setUTCMonth(first.getUTCMonth() + months);
  const daysInMonth = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0));
  first.setUTCDate(Math.min(start.getUTCDate(), daysInMonth.getUTCDate()));
  return first;
}

let declined = 0;
const bank = mock(charge, (customer, month, cents) => {
  if (month === 5 && declined < 2) {
    declined += 1;
    throw new Error("declined");
  }
  console.log(`month ${month}: ${customer} pays ${cents}`);
  return `${customer} paid ${cents}`;
});

const {
  outcome,
  elapsed,
  crashes,
  counters: sums,
} = await simulate(subscription, ["Ada", "basic", undefined, 1], {
  startAt: new Date("2026-01-31T09:00:00Z"),
  signals: [
    { at: "200d", name: changePlan.name, payload: "team" },
    { at: "350d", name: changePlan.name, payload: "cancelled" },
  ],
  mocks: [bank],
  crash: 1,
});
console.log(outcome.ok ? outcome.value : outcome.error);
console.log(`${elapsed / 86_400_000} days, ${sums["billed"]} cents billed, ${crashes} crashes`);
