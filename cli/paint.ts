import type { GlobalArguments } from "./global-arguments.ts";

const codes = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof codes;

/** Puts a text in a colour, where colours are wanted. A colour never says what the text does not. */
export type Paint = (text: string, colour: Colour | undefined) => string;

/** What paints what goes to stdout: on a terminal, unless --no-color, NO_COLOR or TERM=dumb say otherwise; FORCE_COLOR says so anywhere. */
export function paintOf({ color }: Pick<GlobalArguments, "color">): Paint {
  if (!wanted(color)) return (text) => text;
  return (text, colour) =>
    colour === undefined ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`;
}

function wanted(color: boolean | undefined): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (color !== undefined) return color;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0";
  return process.stdout.isTTY && TERM !== "dumb";
}

const colours: Readonly<Record<string, Colour>> = {
  failed: "red",
  error: "red",
  dead: "red",
  timed_out: "red",
  cancelled: "yellow",
  cancelling: "yellow",
  warning: "yellow",
  running: "cyan",
  completed: "green",
  live: "green",
  pending: "dim",
};

/** The colour of a state, if it has one. */
export function colourOf(state: string): Colour | undefined {
  return colours[state];
}
