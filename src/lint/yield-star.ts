import { workflowRule } from "./rule.ts";
import type { Rule } from "./syntax.ts";

const yieldLength = "yield".length;

/** Every effect is yielded, and with the star. */
export const yieldStar: Rule = workflowRule(
  "yield* every effect of a workflow",
  (context, code) => ({
    YieldExpression(node) {
      if (node.delegate === true || !code.isInWorkflow(node)) return;
      const [start] = node.range ?? [];
      context.report({
        node,
        message: "Write yield*, with the star: without it the result has the type unknown.",
        ...(start !== undefined &&
          node.argument && {
            fix: (fixer) => fixer.insertTextAfterRange([start, start + yieldLength], "*"),
          }),
      });
    },
    ExpressionStatement(node) {
      const { expression } = node;
      if (typeof expression !== "object" || !code.isEffect(expression)) return;
      if (!code.isInWorkflow(node)) return;
      context.report({
        node,
        message: "An effect that is not yielded does nothing: write yield* in front of it.",
      });
    },
  }),
  "code",
);
