import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { idText, onExecution } from "../executions.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
  readonly name: string;
  readonly payload: string | undefined;
  readonly string: boolean | undefined;
  readonly "dedupe-key": string | undefined;
}

/** `stent signal`: a message into an execution's inbox. */
export const signal: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", demandOption: true, describe: idText })
      .positional("name", { type: "string", demandOption: true, describe: "Name of the signal" })
      .positional("payload", {
        type: "string",
        describe: "JSON; left out: undefined. What begins with a dash goes behind --",
      })
      .option("string", { type: "boolean", describe: "The payload is a text, not JSON" })
      .option("dedupe-key", {
        type: "string",
        requiresArg: true,
        describe: "Sending it again under this key does nothing",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { "dedupe-key": dedupeKey } = given;
      const payload = payloadOf(given);
      const options = dedupeKey === undefined ? {} : { dedupeKey };
      await onExecution(stent, given.id, (id) =>
        stent.sendSignal(id, given.name, payload, options),
      );
    }),
};

function payloadOf({ payload, string }: Arguments): unknown {
  if (payload === undefined || string === true) return payload;
  try {
    return JSON.parse(payload) as unknown;
  } catch (error) {
    throw new UsageError(
      `the payload is no JSON: ${payload}. Quote texts ('"yes"'), or add --string`,
      { cause: error },
    );
  }
}
