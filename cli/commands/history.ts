import type { HistoryEntry, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { printList } from "../output.ts";
import { shortened } from "../printable.ts";
import { timeTextOf } from "../time.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
  readonly follow: boolean | undefined;
}

/** How often --follow looks. */
const followMs = 500;

/** `stent executions history`: what a run has reached, entry by entry. */
export const history: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", demandOption: true, describe: idText })
      .option("follow", {
        type: "boolean",
        describe:
          "Go on until it has ended; each entry a line of JSON, once it is reached and again when it has its outcome",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const id = await onExecution(stent, given.id, async (found) => {
        await stent.stateOf(found);
        return found;
      });
      if (given.follow === true) return follow(stent, id);
      if (outputOf(given) === "jsonl") {
        for await (const entry of stent.history(id)) process.stdout.write(`${toJson(entry)}\n`);
        return undefined;
      }
      const items: HistoryEntry[] = [];
      for await (const entry of stent.history(id)) items.push(entry);
      const time = timeTextOf(given);
      printList(
        given,
        { items },
        {
          head: ["PATH", "EFFECT", "NAME", "OUTCOME", "REACHED", "VALUE"],
          row: (entry) => [
            entry.path,
            entry.effect.kind,
            entry.effect.name ?? "",
            entry.outcome === undefined ? "pending" : entry.outcome.ok ? "completed" : "failed",
            time(entry.scheduledAt),
            valueText(entry),
          ],
          id: ({ path }) => path,
        },
      );
      return undefined;
    }),
};

function valueText({ outcome }: HistoryEntry): string {
  if (outcome === undefined) return "";
  return shortened(
    outcome.ok ? toJson(outcome.value) : `${outcome.error.name}: ${outcome.error.message}`,
  );
}

async function follow(stent: Stent, id: string): Promise<void> {
  const told = new Map<string, boolean>();
  for (;;) {
    const { completedAt } = await stent.stateOf(id);
    for await (const entry of stent.history(id)) {
      const place = `${entry.run}/${entry.path}`;
      const ended = entry.outcome !== undefined;
      if (told.get(place) === ended) continue;
      told.set(place, ended);
      process.stdout.write(`${toJson(entry)}\n`);
    }
    if (completedAt !== undefined) return;
    await new Promise((resolve) => {
      setTimeout(resolve, followMs);
    });
  }
}
