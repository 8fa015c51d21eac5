/**
 * A batch: 400 customer records are imported, 50 at a time in flight, with progress while it runs. A few bad records do not stop it: they
 * are reported at the end. More than 2 % of them, and the import fails.
 *
 *   npx tsx examples/03-batch-processing/main.ts
 *
 * Kill it wherever you like and start it again: records that were imported are not imported again. Delete batch.db to begin anew.
 */
import { setTimeout as pause } from "node:timers/promises";
import { NonRetryableError, Stent, activity, call, context, map, workflow } from "stentjs";

interface CustomerRecord {
  readonly line: number;
  readonly email: string;
}

/** Stands for a file in a bucket. The workflow gets its records as they were when it was read. */
const read = activity("read", async (_file: string): Promise<CustomerRecord[]> =>
  Array.from({ length: 400 }, (_, index) => ({
    line: index + 1,
    email: index % 97 === 42 ? "nobody" : `customer-${index + 1}@example.com`,
  })),
);

/** Stands for an upsert by email: an import that is repeated changes nothing. */
const importRecord = activity("import record", async ({ line, email }: CustomerRecord) => {
  // Trying a bad record again makes it no better.
  if (!email.includes("@")) throw new NonRetryableError(`line ${line}: no email: ${email}`);
  await pause(20);
  // Stored in the commit that stores the outcome: each record counts once, whatever crashes.
  context().counters.add("imported");
});

export const importFile = workflow("import file", function* (file: string) {
  const records = yield* call(read, file);
  const outcomes = yield* map(importRecord, records, { concurrency: 50, tolerate: "2%" });
  return outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [String(outcome.reason.message)] : [],
  );
});

await using stent = await Stent.bootstrap("sqlite:batch.db", { serve: { maxConcurrency: 50 } });
const handle = await stent.dispatch(importFile, ["customers.csv"], {
  id: "import-customers",
  ifExists: "join",
});

// Any process may look; `stent watch` does it on the command line.
for (let state = await handle.state(); state.result === undefined; state = await handle.state()) {
  for (const { name, detail } of state.waitingFor) console.log(`${name}: ${detail}`);
  await pause(100);
}

const rejected = await handle.result();
const { counters } = await handle.state();
console.log(`${counters["imported"]} imported, ${rejected.length} rejected`);
for (const reason of rejected) console.log(`  ${reason}`);
