import type { Body } from "./body.ts";
import type { GlobalArguments } from "./global-arguments.ts";

/** A command as help has it; its options and its body are loaded when it is the one that is named (X3). */
export interface Entry {
  /** Its name behind its noun, and what stands behind it. */
  readonly command: string;
  readonly aliases?: readonly string[];
  readonly describe: string;
  readonly load: () => Promise<Body<GlobalArguments>>;
}

/** Commands about one kind of thing. */
export interface Noun {
  readonly name: string;
  readonly describe: string;
  readonly commands: readonly Entry[];
}

/** Everything that can be named. */
export interface Commands {
  readonly verbs: readonly Entry[];
  readonly nouns: readonly Noun[];
}
