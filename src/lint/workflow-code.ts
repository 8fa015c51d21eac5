/** Which code is a workflow's: that is all a rule has to know, without types. */
import { definitionOf, pathOf, type RuleContext, type SyntaxNode } from "./syntax.ts";

/** Functions that give an effect. Of `counters` and `state`, their methods do. */
export const effectFunctions: ReadonlySet<string> = new Set(
  (
    "all allSettled branch call cancel cancelled compensate continueAsNew counters dispatch fork join map now patched progress " +
    "race random run sendSignal shield signal sleep sleepUntil starmap state transaction uuid within"
  ).split(" "),
);
/** Their closures run once, and their outcome is stored. */
const runsOutside = new Set(["run", "transaction", "activity"]);
const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** What a file imports from Stent, and which of its functions are workflows. */
export class WorkflowCode {
  readonly #context: RuleContext;
  readonly #yielding = new Set<SyntaxNode>();

  constructor(context: RuleContext) {
    this.#context = context;
  }

  /** The name under which Stent exports what is called; undefined if it is not Stent's. */
  stentName(callee: SyntaxNode | undefined): string | undefined {
    const [first, second] = pathOf(callee) ?? [];
    if (first === undefined) return undefined;
    const definition = definitionOf(this.#context, first);
    if (definition?.type !== "ImportBinding") return undefined;
    const { node } = definition;
    if (node.parent?.source?.value !== "stentjs") return undefined;
    if (node.type === "ImportNamespaceSpecifier") return second?.name;
    return node.imported?.name;
  }

  /** Whether it is a call that gives an effect. */
  isEffect(node: SyntaxNode | null | undefined): boolean {
    return (
      node?.type === "CallExpression" && effectFunctions.has(this.stentName(node.callee) ?? "")
    );
  }

  /** To be told of every `yield` before any question is asked: a generator that yields Stent's effects is a workflow's. */
  note(node: SyntaxNode): void {
    const fn = functionAround(node);
    if (fn?.generator === true && this.isEffect(node.argument)) this.#yielding.add(fn);
  }

  /** Whether it runs again at every replay. */
  isInWorkflow(node: SyntaxNode): boolean {
    for (let fn = functionAround(node); fn !== undefined; fn = functionAround(fn)) {
      const takenBy = this.#takenBy(fn);
      if (runsOutside.has(takenBy ?? "")) return false;
      if (takenBy === "workflow" || this.#yielding.has(fn) || this.#isFlow(fn)) return true;
    }
    return false;
  }

  /** The function of Stent's that is given this one. */
  #takenBy(fn: SyntaxNode): string | undefined {
    const { parent } = fn;
    if (parent?.type !== "CallExpression" || parent.callee === fn) return undefined;
    return this.stentName(parent.callee);
  }

  /** Its type says so: `function* (…): Flow<…>`. */
  #isFlow(fn: SyntaxNode): boolean {
    const name = fn.returnType?.typeAnnotation?.typeName;
    return fn.generator === true && this.stentName(name) === "Flow";
  }
}

/** The function in which a node stands. */
function functionAround(node: SyntaxNode): SyntaxNode | undefined {
  for (let around = node.parent; around; around = around.parent) {
    if (functions.has(around.type)) return around;
  }
  return undefined;
}
