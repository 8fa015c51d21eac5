/**
 * What an outbox is for, without an outbox: an order and the execution that sees to it are stored in one transaction, so there is never
 * one without the other. What the workflow writes to the shop's own tables is stored with its journal entry, exactly once.
 *
 *   npx tsx examples/08-transactional-outbox/main.ts
 *
 * Kill it wherever you like and start it again. Delete shop.db to begin anew.
 */
import Database from "better-sqlite3";
import type { Transaction } from "kysely";
import { ExecutionExistsError, Stent, activity, call, transaction, workflow } from "stentjs";

interface Shop {
  readonly orders: { id: string; sku: string; status: string };
  readonly stock: { sku: string; left: number };
}

/** Goes out into the world, so it may happen twice: the mail service drops what it has seen by this id. */
const mail = activity("mail", async (order: string, text: string) => {
  console.log(`mail about ${order}: ${text}`);
});

export const fulfil = workflow("fulfil", function* (order: string) {
  // Awaits nothing but `tx`. Stock is taken once for each order, whatever crashes and whenever.
  const status = yield* transaction("take stock", async (tx: Transaction<Shop>) => {
    const { sku } = await tx
      .selectFrom("orders")
      .select("sku")
      .where("id", "=", order)
      .executeTakeFirstOrThrow();
    const taken = await tx
      .updateTable("stock")
      .set((row) => ({ left: row("left", "-", 1) }))
      .where("sku", "=", sku)
      .where("left", ">", 0)
      .executeTakeFirst();
    const status = taken.numUpdatedRows === 1n ? "taken" : "sold out";
    await tx.updateTable("orders").set({ status }).where("id", "=", order).execute();
    return status;
  });
  yield* call(mail, order, status);
  return status;
});

await using stent = await Stent.bootstrap("sqlite:shop.db", { serve: true });
const shop = new Database("shop.db");
shop.exec(`
  create table if not exists orders (id text primary key, sku text not null, status text not null);
  create table if not exists stock (sku text primary key, left integer not null);
  insert or ignore into stock values ('book', 2);
`);

/** The order and its execution, or neither. On PostgreSQL `transaction` takes a client of pg in the same way. */
async function placeOrder(id: string, sku: string): Promise<void> {
  shop.exec("begin immediate");
  try {
    await stent.dispatch(fulfil, [id], { id: `fulfil-${id}`, transaction: shop });
    shop.prepare("insert into orders values (?, ?, 'new')").run(id, sku);
    if (sku === "boat") throw new RangeError("we sell no boats");
    shop.exec("commit");
  } catch (error) {
    shop.exec("rollback");
    // Placed before this process was killed, and under way since.
    if (!(error instanceof ExecutionExistsError)) throw error;
  }
}

for (const id of ["A", "B", "C"]) {
  await placeOrder(id, "book");
  await stent.execution(`fulfil-${id}`).result();
}
await placeOrder("D", "boat").catch((error: unknown) =>
  console.log(`no order D: ${String(error)}`),
);

const orders = shop.prepare<[], Shop["orders"]>("select * from orders order by id").all();
console.log(orders.map(({ id, status }) => `${id} ${status}`).join(", "));
console.log(shop.prepare<[], Shop["stock"]>("select * from stock").all());
console.log((await stent.listExecutions()).items.length, "executions");
shop.close();
