/** What programs come to, whatever goes wrong meanwhile: the model, which knows nothing of how it is done. */
import type { Node, Program } from "./nodes.ts";

/** One of several, where a fault may decide. */
export class OneOf {
  readonly choices: readonly unknown[];

  constructor(choices: readonly unknown[]) {
    this.choices = choices;
  }
}

/** Every call that names the group gets the same of these. */
export class OfGroup {
  readonly group: number;

  constructor(group: number) {
    this.group = group;
  }
}

export interface Expected {
  readonly state: "completed" | "failed" | "cancelled" | "timed_out";
  /** Of what has completed; of what failed, the name of its error. */
  readonly value: unknown;
}

export function expectedOf(program: Program): Expected {
  switch (program.kind) {
    case "job":
    case "mended job":
    case "mended":
      return completed(program.id);
    case "versioned":
      return completed(`version ${program.version}`);
    case "patched":
      return completed(new OneOf(["as before", "as patched"]));
    case "program":
      return ofEnding(program);
    default:
      return program satisfies never;
  }
}

function ofEnding({ nodes, ending }: Extract<Program, { kind: "program" }>): Expected {
  const counted = countedBy(nodes);
  switch (ending.how) {
    case "returns":
      return completed([valuesOf(nodes), counted]);
    case "throws":
      return { state: "failed", value: "Error" };
    case "cancelled":
      return { state: "cancelled", value: "CancelledError" };
    case "times out":
      return { state: "timed_out", value: "ExpiryError" };
    case "rounds":
      return completed([ending.rounds, ending.rounds]);
    case "second run":
      return completed("second run");
    default:
      return ending satisfies never;
  }
}

function completed(value: unknown): Expected {
  return { state: "completed", value };
}

/** By the workflow itself: a child has counters of its own. */
function countedBy(nodes: readonly Node[]): number {
  let sum = 0;
  for (const node of nodes) {
    if (node.do === "count") sum += node.by;
    if (node.do === "counting") sum += 1;
    if (node.do === "all") for (const branch of node.branches) sum += countedBy(branch);
    if (node.do === "race") sum += countedBy(node.fast);
    if (node.do === "fork") sum += countedBy(node.branch);
    if (node.do === "within" && node.branch !== "expires") sum += countedBy(node.branch);
  }
  return sum;
}

export function valuesOf(nodes: readonly Node[]): unknown[] {
  return nodes.map(valueOf);
}

function valueOf(node: Node): unknown {
  switch (node.do) {
    case "step":
    case "receive":
    case "narrow":
    case "counting":
    case "closure":
    case "ledger":
    case "dispatch":
      return node.token;
    case "broken":
      return "Error";
    case "once":
      return new OneOf([node.token, "LeaseLostError", "DrainError"]);
    case "sleep":
    case "count":
      return null;
    case "expire":
      return "ExpiryError";
    case "all":
      return node.branches.map(valuesOf);
    case "race":
      return ["fast", valuesOf(node.fast)];
    case "fork":
      return valuesOf(node.branch);
    case "within":
      return node.branch === "expires" ? "ExpiryError" : valuesOf(node.branch);
    case "map":
      return Array.from({ length: node.items }, (_, item) =>
        item < node.failing ? "rejected" : `${node.token}/${item}`,
      );
    case "children":
      return Array.from({ length: node.items }, (_, item) => [`${node.token}/${item}`]);
    case "child":
      return node.fails ? "Error" : [valuesOf(node.nodes), countedBy(node.nodes)];
    case "settled":
      return new OfGroup(node.group);
    default:
      return node satisfies never;
  }
}

/** Whether this is what was expected. `groups`: what each came to so far; the first that is met says it. */
export function isAs(expected: unknown, actual: unknown, groups: Map<number, string>): boolean {
  if (expected instanceof OneOf) return expected.choices.some((one) => isAs(one, actual, groups));
  if (expected instanceof OfGroup) {
    if (typeof actual !== "string" || !actual.startsWith(`group ${expected.group} `)) return false;
    const known = groups.get(expected.group) ?? actual;
    groups.set(expected.group, known);
    return known === actual;
  }
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((each, index) => isAs(each, actual[index], groups))
    );
  }
  return expected === actual;
}
