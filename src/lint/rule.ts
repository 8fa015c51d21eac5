import type { Rule, RuleContext, SyntaxNode } from "./syntax.ts";
import { WorkflowCode } from "./workflow-code.ts";

/** What a rule looks at, by kind of node. */
export type Looks = Readonly<Record<string, (node: SyntaxNode) => void>>;

/** A rule about the code of workflows. It looks when the whole file is known. */
export function workflowRule(
  description: string,
  looksOf: (context: RuleContext, code: WorkflowCode) => Looks,
  fixable?: "code",
): Rule {
  return {
    meta: {
      type: "problem",
      docs: { description },
      ...(fixable && { fixable }),
      schema: [],
    },
    create(context) {
      const code = new WorkflowCode(context);
      const looks = looksOf(context, code);
      const seen: (readonly [(node: SyntaxNode) => void, SyntaxNode])[] = [];
      const visitors = Object.entries(looks).map(([kind, look]) => [
        kind,
        (node: SyntaxNode) => {
          if (kind === "YieldExpression") code.note(node);
          seen.push([look, node]);
        },
      ]);
      return {
        YieldExpression: (node: SyntaxNode) => code.note(node),
        ...Object.fromEntries(visitors),
        "Program:exit": () => {
          for (const [look, node] of seen) look(node);
        },
      };
    },
  };
}
