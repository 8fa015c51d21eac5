import { workflowRule } from "./rule.ts";
import { definitionOf, pathOf, type Rule, type SyntaxNode } from "./syntax.ts";

/** A workflow awaits nothing: what a promise gives is in no journal. */
export const noPromise: Rule = workflowRule(
  "no promises in the body of a workflow",
  (context, code) => {
    const report = (node: SyntaxNode, message: string): void => {
      if (code.isInWorkflow(node)) context.report({ node, message });
    };
    return {
      CallExpression(node) {
        const { callee } = node;
        if (code.stentName(callee) === "workflow") {
          const fn = node.arguments?.at(-1);
          if (fn?.async === true)
            context.report({
              node: fn,
              message:
                "A workflow is a function*, not an async function: write function* and yield* in place of await.",
            });
          return;
        }
        const isThen =
          callee?.type === "MemberExpression" &&
          callee.computed !== true &&
          callee.property?.name === "then";
        if (isThen)
          report(
            node,
            "A promise is awaited by nobody here, and what it gives is stored nowhere: do it in an activity and yield* call(it, …).",
          );
        if (callee?.type !== "Identifier") return;
        const { init } = definitionOf(context, callee)?.node ?? {};
        if (init?.type === "CallExpression" && code.stentName(init.callee) === "activity")
          report(
            node,
            `${callee.name ?? ""}(…) runs the activity at every replay, and gives a promise: write yield* call(${callee.name ?? ""}, …).`,
          );
      },
      Identifier(node) {
        if (node.name !== "Promise" || node.parent?.type === "TSTypeReference") return;
        const [first] = pathOf(node.parent ?? undefined) ?? [];
        const isUsed = first === node || node.parent?.type === "NewExpression";
        if (isUsed && definitionOf(context, node) === undefined)
          report(
            node,
            "Promises have no place in a workflow: write yield* all([…]), yield* race({…}), or an activity.",
          );
      },
    };
  },
);
