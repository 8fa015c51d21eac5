/** Steps of random programs, as data: what a workflow walks through, what it comes to, and what can be left out to make it shorter. */

/** `token` names the step in all of a run; what it comes to is known in advance. */
export type Node =
  /** An activity that fails in its first attempts. */
  | { readonly do: "step"; readonly token: string; readonly ms: number; readonly fails: number }
  /** One that fails in all of its attempts, which the workflow catches. */
  | { readonly do: "broken"; readonly token: string }
  /** One that is started once at most. */
  | { readonly do: "once"; readonly token: string; readonly ms: number }
  | { readonly do: "sleep"; readonly ms: number }
  /** A message that the client sends. */
  | { readonly do: "receive"; readonly name: string; readonly token: string; readonly sendAt: number }
  /** A message that nobody sends. */
  | { readonly do: "expire"; readonly ms: number }
  | { readonly do: "all"; readonly branches: readonly (readonly Node[])[] }
  /** Against what takes an hour. */
  | { readonly do: "race"; readonly fast: readonly Node[]; readonly slow: "sleep" | "signal" | "endless" }
  | { readonly do: "fork"; readonly branch: readonly Node[] }
  | { readonly do: "within"; readonly branch: readonly Node[] | "expires" }
  | { readonly do: "map"; readonly token: string; readonly items: number; readonly failing: number; readonly concurrency: number }
  | { readonly do: "child"; readonly nodes: readonly Node[]; readonly fails: boolean }
  | { readonly do: "children"; readonly token: string; readonly items: number }
  /** At most two run at a time. */
  | { readonly do: "narrow"; readonly token: string; readonly ms: number }
  /** One result for all that name the group. */
  | { readonly do: "settled"; readonly group: number }
  | { readonly do: "count"; readonly by: number }
  /** An activity that counts. */
  | { readonly do: "counting"; readonly token: string }
  | { readonly do: "closure"; readonly token: string }
  | { readonly do: "ledger"; readonly token: string }
  | { readonly do: "dispatch"; readonly token: string }; // prettier-ignore

/** How a program ends. */
export type Ending =
  | { readonly how: "returns" }
  /** Undo steps are registered first, and run. */
  | { readonly how: "throws"; readonly undo: readonly string[] }
  /** It waits for ever, and is cancelled by the client. */
  | { readonly how: "cancelled"; readonly at: number; readonly release: string }
  /** It waits for ever, and passes its maxDuration. */
  | { readonly how: "times out"; readonly afterMs: number }
  /** It goes on by continueAsNew for so many runs. */
  | { readonly how: "rounds"; readonly rounds: number; readonly token: string }
  /** Its first run fails. */
  | { readonly how: "second run"; readonly token: string };

/** What an execution of the run is. */
export type Program =
  | { readonly kind: "program"; readonly id: string; readonly at: number; readonly delay: number; readonly nodes: readonly Node[]; readonly ending: Ending }
  | { readonly kind: "job"; readonly id: string; readonly at: number; readonly delay: number; readonly fails: number }
  /** A job that fails for good; once it is mended, its dead letter is replayed. */
  | { readonly kind: "mended job"; readonly id: string; readonly at: number }
  /** The same, in a workflow. */
  | { readonly kind: "mended"; readonly id: string; readonly at: number }
  /** Code that another version changes. */
  | { readonly kind: "versioned"; readonly id: string; readonly at: number; readonly version: 1 | 2 }
  | { readonly kind: "patched"; readonly id: string; readonly at: number }; // prettier-ignore

/** Every node, those within others included. */
export function* everyNode(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const inner of within(node)) yield* everyNode(inner);
  }
}

/** What a node consists of. */
export function within(node: Node): readonly (readonly Node[])[] {
  switch (node.do) {
    case "all":
      return node.branches;
    case "race":
      return [node.fast];
    case "fork":
      return [node.branch];
    case "within":
      return node.branch === "expires" ? [] : [node.branch];
    case "child":
      return [node.nodes];
    default:
      return [];
  }
}
