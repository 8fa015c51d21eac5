import type { Argv, Options } from "yargs";
import type { Body } from "./body.ts";
import { globalOptions, type GlobalArguments } from "./global-arguments.ts";

/** An option, or what stands behind a command's name, as help has it. */
export interface Declared {
  /** As it is given: `--limit`, or `id` of what stands behind the name. */
  readonly name: string;
  /** `-n`, where it has one. */
  readonly short: string | undefined;
  readonly says: string;
  readonly takesValue: boolean;
  readonly positional: boolean;
}

/** How a person gives what the command line is told under another name. */
const spoken: Readonly<Record<string, string>> = {
  "input-json": "input",
  questions: "no-input",
  color: "no-color",
};

/** What a declaration of options says, read without a parser: that costs as much again as the start of the process (X3). */
export function declaredBy<A>(declare: (yargs: Argv) => Argv<A>): readonly Declared[] {
  const listener = new Listener();
  declare(listener as unknown as Argv);
  return listener.heard;
}

/** What a command takes beside the options of every command; what stands behind its name comes first. */
export function declaredByBody(body: Body<GlobalArguments>): readonly Declared[] {
  const all = declaredBy((yargs) => body.builder(globalOptions(yargs)));
  return all
    .slice(declaredBy(globalOptions).length)
    .toSorted((a, b) => Number(b.positional) - Number(a.positional));
}

/** Of what yargs is told, as much as the commands tell it. */
class Listener {
  readonly heard: Declared[] = [];

  option(name: string, told: Options): this {
    const { alias, type } = told;
    this.heard.push({
      name: `--${spoken[name] ?? name}`,
      short: typeof alias === "string" ? `-${alias}` : undefined,
      says: saidOf(told),
      takesValue: type !== "boolean",
      positional: false,
    });
    return this;
  }

  positional(name: string, told: Options): this {
    const says = saidOf(told);
    this.heard.push({ name, short: undefined, says, takesValue: true, positional: true });
    return this;
  }
}

function saidOf({ describe, choices, default: value }: Options): string {
  return [
    describe ?? "",
    ...(choices === undefined ? [] : [`(${choices.join(", ")})`]),
    ...(value === undefined ? [] : [`[${String(value)}]`]),
  ].join(" ");
}
