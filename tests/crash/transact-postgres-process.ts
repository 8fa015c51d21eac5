/** Runs an execution with a transaction to its end, its own or that of a process that was killed. */
import { sql } from "kysely";
import { postgres, Stent, transaction, workflow } from "stentjs";

/** Which database. */
export interface TransactPlace {
  readonly url: string;
  readonly schema: string;
}

const { url, schema } = JSON.parse(process.env["TRANSACT_PLACE"] ?? "") as TransactPlace;

const booking = workflow("booking", function* () {
  return yield* transaction("book", async (tx) => {
    await sql`insert into ${sql.id(schema, "ledger")} values ('Ada')`.execute(tx);
    return "booked";
  });
});

await using stent = await Stent.bootstrap(
  { backend: postgres(url, { schema }) },
  { serve: { leaseDuration: "3s" } },
);
await stent.run(booking, [], { id: "booking", ifExists: "join" });
