/**
 * yargs takes what begins with a dash for options, a bare dash for nothing, and loses what stands behind "--". Such arguments travel
 * through it under a mark that no argument of a process can hold.
 */
const mark = "\0:";

/** Stands for `-` once the command line has been read. */
export const onStdin = "\0stdin";

/** The arguments as yargs is to have them: behind "--", and where they are negative numbers in any of JSON's spellings, they are no options. */
export function marked(given: readonly string[]): string[] {
  const options = optionsAmong(given);
  const operands = given.slice(options.length + 1);
  return [...options.map((each) => markedOne(each)), ...operands.map((each) => mark + each)];
}

/** Those before "--". */
export function optionsAmong(given: readonly string[]): readonly string[] {
  const end = given.indexOf("--");
  return end === -1 ? given : given.slice(0, end);
}

/** What yargs would take for "not", and what two options are called: the input of `start`, and that nobody is to be asked. */
const renamed: Readonly<Record<string, string>> = {
  "--no-input": "--questions=false",
  "--input": "--input-json",
};

function markedOne(argument: string): string {
  if (argument === "-") return onStdin;
  const [name = "", ...value] = argument.split("=");
  const other = renamed[name];
  if (other !== undefined) return [other, ...value].join("=");
  return /^-\d/.test(argument) ? mark + argument : argument;
}

/** Takes the marks off what yargs has read. */
export function unmark(read: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(read)) {
    read[name] = Array.isArray(value) ? value.map((each) => unmarkedOne(each)) : unmarkedOne(value);
  }
}

function unmarkedOne(value: unknown): unknown {
  return typeof value === "string" && value.startsWith(mark) ? value.slice(mark.length) : value;
}
