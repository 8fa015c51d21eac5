/** Dispatches in a transaction of its own, says when it has come to the moment that it is asked for, and waits to be killed. */
import Driver from "better-sqlite3";
import pg from "pg";
import { postgres, sqlite, Stent, workflow } from "stentjs";

/** Which database. */
export type OwnPlace =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string };

const place = JSON.parse(process.env["OWN_PLACE"] ?? "") as OwnPlace;
const moment = process.env["OWN_MOMENT"];

const idle = workflow("idle", function* () {
  yield* [];
});

setInterval(() => undefined, 1_000); // lives until it is killed
if (place.kind === "sqlite") await onSqlite(place.file);
else await onPostgres(place.url, place.schema);

async function onSqlite(file: string): Promise<void> {
  const stent = await Stent.open({ backend: sqlite(file) });
  const database = new Driver(file);
  database.exec("begin immediate");
  await stent.dispatch(idle, [], { transaction: database });
  if (moment === "after-commit") database.exec("commit");
  process.stdout.write("there\n");
}

async function onPostgres(url: string, schema: string): Promise<void> {
  const stent = await Stent.open({ backend: postgres(url, { schema }) });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("begin");
  await stent.dispatch(idle, [], { transaction: client });
  if (moment === "after-commit") await client.query("commit");
  process.stdout.write("there\n");
}
