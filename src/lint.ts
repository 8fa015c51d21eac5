/** A plugin for oxlint (`jsPlugins`) and ESLint: what the body of a workflow may not do. */
import { noNondeterminism } from "./lint/no-nondeterminism.ts";
import { noPromise } from "./lint/no-promise.ts";
import type { Rule } from "./lint/syntax.ts";
import { yieldStar } from "./lint/yield-star.ts";

export type { Finding, Rule, RuleContext, SyntaxNode } from "./lint/syntax.ts";

/** The rules by their names. */
export const rules: Readonly<Record<"no-nondeterminism" | "no-promise" | "yield-star", Rule>> = {
  "no-nondeterminism": noNondeterminism,
  "no-promise": noPromise,
  "yield-star": yieldStar,
};

const plugin = { meta: { name: "stent" }, rules };

// oxlint-disable-next-line import/no-default-export -- a linter takes the default of a plugin
export default plugin;
