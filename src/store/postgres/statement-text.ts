/** The texts of a statement for PostgreSQL: once for one row of values, and once for many of them at the same time. */
import type { CompiledStatement } from "../statements/statement.ts";

/** What a value is in PostgreSQL. A payload is a text that may stand for bytes. */
export type ValueType = "bigint" | "double precision" | "text" | "payload";

/** A statement with the names of its values, each once, in the order in which they are bound. */
export interface StatementText {
  readonly kind: "select" | "insert" | "update" | "delete";
  readonly names: readonly string[];
  readonly types: readonly ValueType[];
  /** With `$1`, `$2`, …. `returning`: an insert gives the key of its row. */
  one(returning: boolean): string;
  /**
   * With `$1`, `$2`, … as arrays. What a row of values has come to is told by `ord`, its place among them from 1 on: a select gives its
   * rows with it, a write that is `counted` one `ord` for each row that it changed. An insert that is counted gives keys, in order.
   */
  many(counted: boolean): string;
  /** An update of one row (`many`: of as many as are told behind the values) that fails with a division by zero if it changes less. */
  asserted(many: boolean): string;
  /** Places, among the values, of those that tell which row is written. Two rows of values that agree in them are the same row. */
  readonly identity: readonly number[] | undefined;
}

const texts: ReadonlySet<string> = new Set(
  (
    "id kind name version state options queue tags reason path text host process queues functions dedupe task record " +
    "keys ids states names gates"
  ).split(" "),
);
const payloads: ReadonlySet<string> = new Set(
  "input result value records payload error heartbeat".split(" "),
);

function typeOf(name: string): ValueType {
  if (texts.has(name)) return "text";
  if (payloads.has(name)) return "payload";
  return name === "amount" || name === "tokens" ? "double precision" : "bigint";
}

/** Result columns that hold payloads. */
export function isPayloadColumn(name: string): boolean {
  return payloads.has(name);
}

/** `lock`: what is appended to a select, such as "for no key update". */
export function statementText(compiled: CompiledStatement, lock?: string): StatementText {
  const names = [
    ...new Set(compiled.parameters.flatMap((one) => ("name" in one ? [one.name] : []))),
  ];
  const types = names.map((name) => typeOf(name));
  const places = compiled.parameters.map((one) =>
    "name" in one ? names.indexOf(one.name) : literal(one.constant),
  );
  const parts = portable(compiled.sql).split("?");
  const fill = (of: (place: number) => string): string =>
    parts.reduce((text, part, index) => {
      const place = places[index - 1] ?? "";
      return text + (typeof place === "number" ? of(place) : place) + part;
    });
  const locked = (text: string): string => (lock === undefined ? text : `${text} ${lock}`);
  const kind = kindOf(compiled.sql);
  return {
    kind,
    names,
    types,
    one: (returning) => {
      const text = fill((place) => `$${place + 1}::${columnType(types[place])}`);
      return kind === "insert" && returning ? `${text} returning "key"` : locked(text);
    },
    many: (counted) =>
      forMany(
        kind,
        fill((place) => `b.p${place}`),
        types,
        counted,
        locked,
      ),
    asserted: (many) => {
      const write = many
        ? forMany(
            kind,
            fill((place) => `b.p${place}`),
            types,
            true,
            locked,
          )
        : `${fill((place) => `$${place + 1}::${columnType(types[place])}`)} returning 1`;
      const wanted = many ? `$${names.length + 1}::bigint` : "1";
      return `with written as (${write}) select 1 / case when count(*) = ${wanted} then 1 else 0 end from written`;
    },
    identity: identityOf(
      kind,
      fill((place) => `?${place}?`),
    ),
  };
}

function columnType(type: ValueType | undefined): string {
  return type === undefined || type === "payload" ? "text" : type;
}

function literal(constant: unknown): string {
  if (constant === null) return "null";
  if (typeof constant === "string") return `'${constant.replaceAll("'", "''")}'`;
  return JSON.stringify(constant);
}

/** What the two databases call differently. */
function portable(sql: string): string {
  return sql
    .replaceAll(/json_each\(([^()]+)\)/g, "json_array_elements_text(($1)::json)")
    .replaceAll("instr(", "strpos(");
}

function kindOf(sql: string): StatementText["kind"] {
  const [, first] = /^\s*(?:with\b|(select|insert|update|delete)\b)/.exec(sql) ?? [];
  return (first ?? "select") as StatementText["kind"];
}

function forMany(
  kind: StatementText["kind"],
  text: string,
  types: readonly ValueType[],
  counted: boolean,
  locked: (text: string) => string,
): string {
  const arrays = types.map((type, index) => `$${index + 1}::${columnType(type)}[]`).join(", ");
  const columns = types.map((_, index) => `p${index}, `).join("");
  const values = `unnest(${arrays}) with ordinality as b(${columns}ord)`;
  switch (kind) {
    case "select":
      return `select b.ord, q.* from ${values} cross join lateral (${locked(text)}) q order by b.ord`;
    case "insert": {
      const [, head = "", row = "", tail = ""] =
        /^(insert into [^(]+\([^)]*\)) values \((.*?)\)( on conflict .*)?$/s.exec(text) ?? [];
      if (head === "") throw new Error(`an insert that is none: ${text}`);
      return `${head} select ${row} from ${values} order by b.ord${tail}${counted ? ' returning "key"' : ""}`;
    }
    case "update":
    case "delete": {
      const at = text.indexOf(" where ");
      if (at === -1) throw new Error(`it would change every row: ${text}`);
      const from = kind === "update" ? "from" : "using";
      const [condition = "", returned] = text.slice(at).split(" returning ");
      const told = returned === undefined ? "b.ord" : `b.ord, ${returned}`;
      return `${text.slice(0, at)} ${from} ${values}${condition}${counted ? ` returning ${told}` : ""}`;
    }
    default:
      return kind satisfies never;
  }
}

/** Of an update or delete the values in its condition, of an upsert those of its key. */
function identityOf(kind: StatementText["kind"], text: string): number[] | undefined {
  const at = text.indexOf(" where ");
  if (kind === "update" || kind === "delete")
    return [...text.slice(at).matchAll(/\?(\d+)\?/g)].map(([, place]) => Number(place));
  const [, columns, row, key] =
    /^insert into [^(]+\(([^)]*)\) values \((.*?)\) on conflict \(([^)]*)\) do update/s.exec(
      text,
    ) ?? [];
  if (columns === undefined || row === undefined || key === undefined) return undefined;
  const values = row.split(", ");
  const placeOf = (column: string): number =>
    Number(values[columns.split(", ").indexOf(column)]?.replaceAll("?", ""));
  return key.split(", ").map((column) => placeOf(column));
}
