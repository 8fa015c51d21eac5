/**
 * Finds procedures that are begun and not run. A generator that is called without `yield*` does nothing, and neither types nor the linter
 * say so. It reads the text of sources: what it looks for is written the same way everywhere.
 */
import { dirname, join } from "node:path";
import { executionStatements } from "../../src/store/statements/executions.ts";
import { journalStatements } from "../../src/store/statements/journal.ts";
import { limitStatements } from "../../src/store/statements/limits.ts";
import { removalStatements } from "../../src/store/statements/removal.ts";
import { sessionStatements } from "../../src/store/statements/sessions.ts";
import { taskStatements } from "../../src/store/statements/tasks.ts";

/** Sources by their path. */
export type Sources = ReadonlyMap<string, string>;

/** @returns the place of every call of a procedure, and of every question of a statement, that nobody runs: `path:line: call` */
export function forgottenYields(sources: Sources): string[] {
  const files = [...sources].map(([path, text]) => new Source(path, withoutComments(text)));
  const found: string[] = [];
  for (const file of files) {
    for (const call of file.calls(namesIn(file, files))) {
      const [before, after] = [file.text.slice(0, call.index), file.text.slice(call.index)];
      if (!isRun(before) && !declaration.test(after))
        found.push(`${file.path}:${file.lineOf(call.index)}: ${call[0]})`);
    }
  }
  return found;
}

class Source {
  readonly path: string;
  readonly text: string;
  /** Functions that give a procedure: generators, and those that hand on what another gives. */
  readonly functions: readonly string[];
  /** Methods of its classes that are generators. */
  readonly methods: readonly string[];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    const declared = /\bfunction(?:\* (\w+)| (\w+)\([^)]*\): Procedure<)/g;
    this.functions = [...text.matchAll(declared)].map(([, a, b]) => a ?? b ?? "");
    this.methods = [...text.matchAll(/^ {2}(?:[a-z]+ )*\*(#?\w+)/gm)].map(([, name = ""]) => name);
  }

  /** What it imports: name here, name there, file. */
  *imports(): Generator<{ readonly here: string; readonly there: string; readonly from: string }> {
    for (const [, names = "", from = ""] of this.text.matchAll(
      /^import \{([^}]*)\} from "(\.[^"]*)";/gm,
    )) {
      for (const name of names.split(",")) {
        const [there = "", here = there] = name.trim().split(" as ");
        if (there !== "") yield { here, there, from: join(dirname(this.path), from) };
      }
    }
  }

  lineOf(index: number): number {
    return this.text.slice(0, index).split("\n").length;
  }

  *calls(names: readonly string[]): Generator<RegExpExecArray> {
    const any = names.map((name) => name.replaceAll(/[.#$]/g, String.raw`\$&`)).join("|");
    const call = new RegExp(String.raw`(?<![\w.#$])(?:${any})(?:<[^()]*>)?\(`, "g");
    if (names.length > 0) yield* this.text.matchAll(call);
    if (asks.test(this.path)) yield* this.text.matchAll(question);
  }
}

/** The generators that a source can call, as it writes them. */
function namesIn(file: Source, files: readonly Source[]): string[] {
  const imported = [...file.imports()].filter(({ there, from }) =>
    files.some(({ path, functions }) => path === from && functions.includes(there)),
  );
  const ofBatch = files.find(({ path }) => path.endsWith("store/batch.ts"))?.methods ?? [];
  return [
    ...file.functions,
    ...imported.map(({ here }) => here),
    ...file.methods.map((method) => `this.${method}`),
    ...ofBatch.map((method) => `batch.${method}`),
  ];
}

const statements = [
  ...[
    executionStatements,
    journalStatements,
    limitStatements,
    removalStatements,
    sessionStatements,
    taskStatements,
  ].flatMap((each) => Object.keys(each)),
  // One of several, chosen where it is asked.
  "statement",
];
/** A question to a statement, with the way to it. Lanes are remembered in maps that look the same. */
const question = new RegExp(
  String.raw`(?<![\w.#$])(?!(?:[\w.#]+\.)?lanes\.by)(?:[\w#]+\.)*(?:${statements.join("|")})\.(?:get|all|run|insert)\(`,
  "g",
);

/** Where statements are asked as procedures do it. Elsewhere they are a driver's. */
const asks = /store\/(?:verbs\/|batch\.ts|reader\.ts)/;

/** Of a function or method of that name. */
const declaration = /^[\w.#]+(?:<[^()]*>)?\([^()]*\):/;

/** Whether what comes next is run, or handed to who runs it. */
function isRun(before: string): boolean {
  return runners.some((runner) => runner.test(before.slice(-500))) || isHandedOn(before);
}

/** What a function that is no generator itself returns is for its caller to run. */
function isHandedOn(before: string): boolean {
  const [, star] = /.*^(?:export )?function(\*?) /ms.exec(before) ?? [];
  return star === "" && /\breturn\s+$/.test(before);
}

const runners = [
  /\byield\*\s*$/,
  /\bfunction\*\s+$/,
  /\.each\(\s*[\w.]+,\s*\(?[^()=]*\)?\s*=>\s*$/,
  /\byield\* batch\.both\([^;]*=>\s*$/,
  /\bplan\.push\(\(\)\s*=>\s*$/,
  /\brunThrough\(\s*$/,
  /\bread\(\(\)\s*=>\s*$/,
  // Those that run side by side.
  /\btalk\.run\(\[\s*$/,
  /\bprocedures = \w+\.map\(\(\w+\)\s*=>\s*$/,
  /\breadBatch\(\w+,\s*\(batch\)\s*=>\s*$/i,
  // By themselves: generators that are no procedures.
  /\bof\s+$/,
];

/** As many lines as before. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, (comment) =>
    comment.replaceAll(/[^\n]/g, ""),
  );
}
