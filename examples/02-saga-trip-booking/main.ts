/**
 * A saga: a trip is a flight, a hotel and a car, booked with three companies that share no transaction. When a step fails, what had been
 * booked before it is cancelled, newest first.
 *
 *   npx tsx examples/02-saga-trip-booking/main.ts
 *
 * Kill it wherever you like and start it again: it joins the trips that are under way. Delete trips.db to begin anew.
 */
import {
  NonRetryableError,
  Stent,
  activity,
  call,
  compensate,
  context,
  workflow,
  type Flow,
} from "stentjs";

interface Trip {
  readonly traveller: string;
  readonly to: string;
  readonly cents: number;
}

/** A company that knows the key books once, however often the step is tried: a process may die before the answer is stored. */
const book = activity("book", async (what: string, to: string) => {
  const { idempotencyKey } = context();
  console.log(`  book ${what} to ${to}`);
  return `${what}-${idempotencyKey}`;
});

/** Undoing has to be repeatable too, and must not fail for good: tried longer than anything else. */
const cancelBooking = activity(
  "cancel booking",
  { retry: { maxAttempts: 20, maxDelay: "10m" } },
  async (what: string, _booking: string) => {
    console.log(`  cancel ${what}`);
  },
);

const pay = activity("pay", async (traveller: string, cents: number) => {
  // A declined card is an answer, not an accident: it is not tried again.
  if (cents > 200_000) throw new NonRetryableError(`the card of ${traveller} was declined`);
  console.log(`  charge ${traveller} ${cents} cents`);
});

/** A step and its undo. A cancel that meets the running `call` waits for it, so nothing is booked without an undo. */
function* booked(what: string, to: string): Flow<string> {
  const booking = yield* call(book, what, to);
  yield* compensate(call(cancelBooking, what, booking));
  return booking;
}

export const bookTrip = workflow("book trip", function* (trip: Trip): Flow<string> {
  yield* booked("flight", trip.to);
  yield* booked("hotel", trip.to);
  yield* booked("car", trip.to);
  yield* call(pay, trip.traveller, trip.cents);
  return `${trip.traveller} goes to ${trip.to}`;
});

await using stent = await Stent.bootstrap("sqlite:trips.db", { serve: true });

for (const trip of [
  { traveller: "Ada", to: "Lisbon", cents: 90_000 },
  { traveller: "Bob", to: "Sydney", cents: 450_000 },
]) {
  console.log(`${trip.traveller}:`);
  const id = `trip-${trip.traveller}`;
  const handle = await stent.dispatch(bookTrip, [trip], { id, ifExists: "join" });
  const result = await handle.wait();
  console.log(result.ok ? `  ${result.value}` : `  no trip: ${result.error.message}`);
}
