import { rateOf } from "../measure.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";

/** Steps in sequence, on the bare driver: a commit completes one and begins the next. `pathOf`: of the entry of each. */
export async function rawSteps(
  scratch: Scratch,
  n: number,
  pathOf: (index: number) => string,
): Promise<number> {
  await using limit = await scratch.openRaw(await scratch.fresh());
  const insertExecution = limit.insertExecution("workflow");
  const insertEntry = limit.insertEntry();
  const completeEntry = limit.completeEntry();
  let key = 0;
  await limit.repeat(1, 1, () => {
    key = insertExecution(risingId(0));
    insertEntry(key, 0, pathOf(0));
  });
  return await rateOf(n, () =>
    limit.repeat(n, 1, (index) => {
      completeEntry(key, index);
      insertEntry(key, index + 1, pathOf(index + 1));
    }),
  );
}
