import type { ArgumentsCamelCase, Argv } from "yargs";
import type { GlobalArguments } from "./global-arguments.ts";

/** What a command takes beside its name, and does. */
export interface Body<A extends GlobalArguments> {
  builder(yargs: Argv<GlobalArguments>): Argv<A>;
  /** What its help has to say beside. */
  readonly further?: string;
  handler(given: ArgumentsCamelCase<A>): Promise<void>;
}
