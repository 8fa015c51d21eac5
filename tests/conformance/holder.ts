/** What the holder of an execution asks of both databases when it has a turn. */
import { stepId } from "../../src/core/places.ts";
import type { Next, TurnRequest } from "../../src/store/store.ts";
import type { TurnOperation } from "./operations.ts";
import type { RowOf, Side } from "./paired-rows.ts";
import { blocked, plannedTurn } from "./planned-turn.ts";
import { ended, hold, turnOf, type Held } from "./scene.ts";
import type { Sight } from "./turn-draft.ts";
import type { Holding } from "./world.ts";

/** As the operation says. Who holds nothing any more tries to hold on; so does a `second` one in a commit, unless it is to be in the way of the first. */
export function turnRequests(
  sight: Sight,
  held: Holding,
  operation: TurnOperation,
  second: boolean,
): readonly [TurnRequest, TurnRequest] {
  const [was] = held;
  const current = sight.rows.stent_executions.find(([row]) => row.key === was.key);
  const first = current?.[0];
  const holds = first?.worker === was.worker && first.claim === was.claim && first.run === was.run;
  if (current === undefined || first === undefined || !holds || (second && !operation.blind))
    return bySide((side) => turnOf(heldBy(held[side], held[side]), {}, hold));
  const seen = operation.looks ? current : held;
  const knowsCancel = first.state === "cancelling" && !operation.blind;
  if (first.kind === "activity") {
    const next = nextOfJob(first, operation, knowsCancel);
    return bySide((side) => turnOf(heldBy(held[side], seen[side]), { knowsCancel }, next));
  }
  const turn = plannedTurn(sight, first, operation, knowsCancel);
  return bySide((side) => turnOf(heldBy(held[side], seen[side]), turn.parts(side), turn.next));
}

function bySide<T>(make: (side: Side) => T): readonly [T, T] {
  return [make(0), make(1)];
}

/** As it was taken, and as it was seen last. */
function heldBy(
  { key, id, worker, claim, run }: RowOf<"stent_executions">,
  { wake_seq: wakeSeq }: RowOf<"stent_executions">,
): Held {
  return { execution: key, id, session: worker ?? -1, claim, run, wakeSeq };
}

function nextOfJob(
  row: RowOf<"stent_executions">,
  { next }: TurnOperation,
  knowsCancel: boolean,
): Next {
  if (next.kind === "hold") return hold;
  if (knowsCancel) return ended("cancelled");
  switch (next.kind) {
    case "again":
    case "continue":
      return {
        kind: "again",
        delayMs: 20,
        failures: row.failures + 1,
        result: "error",
        newRun: false,
        heartbeat: "beat",
      };
    case "block":
      return blocked(next.poison);
    case "fail":
      return ended("failed", { deadLetter: stepId(row, "1") });
    default:
      return ended();
  }
}
