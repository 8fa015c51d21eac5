import { UsageError } from "./usage-error.ts";

/** A whole number from 1. For `coerce`: yargs would make NaN of what is none. @throws UsageError */
export function countOption(option: string): (text: string | undefined) => number | undefined {
  return (text) => {
    if (text === undefined) return undefined;
    if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
    throw new UsageError(`--${option} takes a whole number from 1, got "${text}"`);
  };
}
