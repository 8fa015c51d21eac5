/** What of a syntax tree and of a linter the rules use: that of ESLint, which oxlint has as well. Written down here, so that neither is a dependency. */

/** A node as ESTree has it; what only some kinds have is optional. */
export interface SyntaxNode {
  readonly type: string;
  readonly parent?: SyntaxNode | null;
  readonly range?: readonly [number, number];
  readonly argument?: SyntaxNode | null;
  readonly arguments?: readonly SyntaxNode[];
  readonly async?: boolean;
  readonly body?: SyntaxNode | readonly SyntaxNode[];
  readonly callee?: SyntaxNode;
  readonly computed?: boolean;
  readonly delegate?: boolean;
  readonly expression?: SyntaxNode | boolean;
  readonly generator?: boolean;
  readonly imported?: SyntaxNode;
  readonly importKind?: string;
  readonly init?: SyntaxNode | null;
  readonly local?: SyntaxNode;
  readonly name?: string;
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly returnType?: SyntaxNode | null;
  readonly source?: SyntaxNode;
  readonly specifiers?: readonly SyntaxNode[];
  readonly typeAnnotation?: SyntaxNode;
  readonly typeName?: SyntaxNode;
  readonly value?: unknown;
}

interface Variable {
  readonly defs: readonly { readonly type: string; readonly node: SyntaxNode }[];
}

interface Scope {
  readonly set: ReadonlyMap<string, Variable>;
  readonly upper: Scope | null;
}

interface Fixer {
  insertTextAfterRange(range: readonly [number, number], text: string): unknown;
}

/** What is wrong, and perhaps how it is mended. */
export interface Finding {
  readonly node: SyntaxNode;
  readonly message: string;
  readonly fix?: (fixer: Fixer) => unknown;
}

/** What a linter gives a rule for one file. */
export interface RuleContext {
  readonly sourceCode: { getScope(node: SyntaxNode): Scope };
  report(finding: Finding): void;
}

/** One rule. */
export interface Rule {
  readonly meta: {
    readonly type: "problem";
    readonly docs: { readonly description: string };
    readonly fixable?: "code";
    readonly schema: readonly [];
  };
  create(context: RuleContext): Readonly<Record<string, (node: SyntaxNode) => void>>;
}

/** What a name stands for where the node is; undefined for what the language and the platform give. */
export function definitionOf(
  context: RuleContext,
  node: SyntaxNode,
): Variable["defs"][number] | undefined {
  let scope: Scope | null = context.sourceCode.getScope(node);
  for (; scope !== null; scope = scope.upper) {
    const [definition] = scope.set.get(node.name ?? "")?.defs ?? [];
    if (definition !== undefined) return definition;
  }
  return undefined;
}

/** `a.b` as ["a", "b"], `a` as ["a"]; undefined for anything else. */
export function pathOf(node: SyntaxNode | undefined): readonly SyntaxNode[] | undefined {
  if (node?.type === "Identifier") return [node];
  if (node?.type !== "MemberExpression" || node.computed === true) return undefined;
  const { object, property } = node;
  return object?.type === "Identifier" && property !== undefined ? [object, property] : undefined;
}
