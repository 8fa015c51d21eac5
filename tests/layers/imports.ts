/**
 * Which modules a file names. TypeScript 7 ships no parser, so this reads tokens: enough to tell code
 * from comments, strings, templates and regular expressions, and no more.
 */

/** A module named by a file; `specifier` is undefined where it is computed at run time. */
export interface Import {
  readonly specifier: string | undefined;
  readonly line: number;
}

/** Every module that `source` imports or re-exports: values, types, `import()` and `require()` alike. */
export function importsOf(source: string): Import[] {
  const tokens = tokensOf(source);
  const found: Import[] = [];
  for (const [index, { text, line }] of tokens.entries()) {
    const before = tokens[index - 1]?.text;
    const next = tokens[index + 1]?.text ?? "";
    if (before === ".") continue;
    if ((text === "import" || text === "require") && next === "(") {
      const argument = tokens[index + 2]?.text ?? "";
      found.push({ specifier: literal(argument), line });
    } else if ((text === "import" || text === "from") && isString(next)) {
      found.push({ specifier: literal(next), line });
    }
  }
  return found;
}

/** Whether `source` is nothing but `export … from "…"`, comments aside. */
export function onlyReExports(source: string): boolean {
  const code = tokensOf(source)
    .map(({ text }) => text)
    .join(" ");
  const list = String.raw`(?:type )?(?:\{[^{}]*\}|\*(?: as \w+)?)`;
  return new RegExp(`^(?:export ${list} from (?:"[^"]*"|'[^']*') ?;? ?)*$`).test(code);
}

interface Token {
  readonly text: string;
  readonly line: number;
}

const tokenPattern = new RegExp(
  [
    String.raw`(?:\/\/[^\n]*|\/\*[^]*?\*\/)`,
    String.raw`(?:"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*')`,
    String.raw`(?:[\w$#]+)`,
    String.raw`(?:\s+)`,
    String.raw`(?:[^])`,
  ].join("|"),
  "y",
);
const regularExpression = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/y;
const templateText = /(?:\\[^]|\$(?!\{)|[^`\\$])*/y;

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  // For each template that is open: how many braces its current `${` has open within.
  const templates: number[] = [];
  let line = 1;
  let at = 0;

  while (at < source.length) {
    const previous = tokens.at(-1)?.text;
    const start = at;
    const text = take(source, at, previous);
    at += text.length;
    if (text === "`") at = skipTemplateText(source, at, templates);
    else if (text === "{" && templates.length > 0) templates.push((templates.pop() ?? 0) + 1);
    else if (text === "}" && templates.length > 0) {
      const depth = templates.pop() ?? 0;
      if (depth > 0) templates.push(depth - 1);
      else at = skipTemplateText(source, at, templates);
    }
    if (!/^(?:\s|\/\/|\/\*)/.test(text)) tokens.push({ text, line });
    line += source.slice(start, at).split("\n").length - 1;
  }
  return tokens;
}

function take(source: string, at: number, previous: string | undefined): string {
  const token = match(tokenPattern, source, at);
  if (token !== "/" || !startsAnExpression(previous)) return token;
  return match(regularExpression, source, at) || token;
}

/** Skips to the end of the template, or into its next `${`, which is then code again. */
function skipTemplateText(source: string, at: number, templates: number[]): number {
  const end = at + match(templateText, source, at).length;
  if (source[end] === "`") return end + 1;
  templates.push(0);
  return end + 2;
}

/** Whether a slash after this token begins a regular expression rather than a division. */
function startsAnExpression(previous: string | undefined): boolean {
  return (
    previous === undefined ||
    /^(?:[([{},;:=!&|?+\-*%<>~^]|return|typeof|case|of|in)$/.test(previous)
  );
}

function match(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}

function isString(token: string): boolean {
  return /^["']/.test(token);
}

function literal(token: string): string | undefined {
  return isString(token) ? token.slice(1, -1) : undefined;
}
