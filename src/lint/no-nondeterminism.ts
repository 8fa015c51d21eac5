import { workflowRule } from "./rule.ts";
import { definitionOf, pathOf, type Rule, type SyntaxNode } from "./syntax.ts";

const time = "write yield* now()";
const timer = 'write yield* sleep("1m")';
const outside = "do it in an activity, or in run(name, fn)";
const surroundings = "give it as an argument, or read it in an activity or in run(name, fn)";

/** What is called, and what to write. */
const calls: Readonly<Record<string, string>> = {
  Date: time,
  "Date.now": time,
  "performance.now": time,
  "Math.random": "write yield* random()",
  "crypto.randomUUID": "write yield* uuid()",
  "crypto.getRandomValues": "write yield* random()",
  fetch: outside,
  setTimeout: timer,
  setInterval: timer,
  setImmediate: timer,
  queueMicrotask: timer,
};
/** Modules of Node whose functions say something else the next time. */
const modules: Readonly<Record<string, string>> = {
  crypto: "write yield* uuid() or yield* random()",
  fs: outside,
  "fs/promises": outside,
  child_process: outside,
  http: outside,
  https: outside,
  os: surroundings,
  "timers/promises": timer,
};

/** What says something else in replay than in the first run. */
export const noNondeterminism: Rule = workflowRule(
  "no clock, chance, environment or I/O in the body of a workflow",
  (context, code) => {
    const report = (node: SyntaxNode, what: string, instead: string): void => {
      if (code.isInWorkflow(node))
        context.report({
          node,
          message: `${what} may say something else when the workflow is replayed: ${instead}.`,
        });
    };
    const isGlobal = (node: SyntaxNode): boolean => definitionOf(context, node) === undefined;
    return {
      CallExpression(node) {
        const path = pathOf(node.callee);
        const [first] = path ?? [];
        if (path === undefined || first === undefined) return;
        const name = path.map((part) => part.name).join(".");
        const definition = definitionOf(context, first);
        if (definition === undefined) {
          const instead = Object.hasOwn(calls, name) ? calls[name] : undefined;
          if (instead !== undefined) report(node, `${name}()`, instead);
        } else if (definition.type === "ImportBinding") {
          const from = definition.node.parent?.source?.value;
          if (typeof from !== "string") return;
          const module = from.replace(/^node:/, "");
          const called = path[1]?.name ?? definition.node.imported?.name ?? "";
          if (module === "crypto" && !/random|generate/i.test(called)) return; // a hash is the same each time
          const instead = Object.hasOwn(modules, module) ? modules[module] : undefined;
          if (instead !== undefined) report(node, `${name}() of ${from}`, instead);
        }
      },
      NewExpression(node) {
        const { callee } = node;
        if (callee?.name !== "Date" || node.arguments?.length !== 0 || !isGlobal(callee)) return;
        report(node, "new Date()", time);
      },
      MemberExpression(node) {
        const [object, property] = pathOf(node) ?? [];
        if (object?.name !== "process" || property === undefined || !isGlobal(object)) return;
        report(node, `process.${property.name ?? ""}`, surroundings);
      },
    };
  },
);
