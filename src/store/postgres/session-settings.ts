/**
 * What every session of Stent is set to. The settings travel in the start of the connection and cost no round trip; where a pooler
 * refuses that, one statement sets them as soon as the connection is there.
 */
import { quoted } from "./identifier.ts";

/** Statements that take longer are given up by the client: nobody answers any more. Above statement_timeout, which answers. */
export const answerLimitMs = 75_000;

/** Which a URL may change: `?options=-c%20lock_timeout%3D5s`. */
const adjustable = {
  // The longest of ours take a second. One that hangs would hold locks that others wait for.
  statement_timeout: "60s",
  // Somebody's DDL or open transaction must not stop a worker for ever; the error says that it was a lock.
  lock_timeout: "10s",
  // A process that is frozen within a transaction holds its session's row, which a reaper needs. Between two statements of ours there
  // is never more than a turn of the event loop.
  idle_in_transaction_session_timeout: "30s",
  // A client whose host has gone says no goodbye: its locks are free after a minute, not after two hours.
  tcp_keepalives_idle: "30",
  tcp_keepalives_interval: "10",
  tcp_keepalives_count: "3",
  // Estimates of tables that grow and shrink by the minute are off: compiling would take longer than the statement.
  jit: "off",
} as const;

/** On which statements and codecs rely. */
const required = {
  default_transaction_isolation: "read committed",
  client_encoding: "UTF8",
  TimeZone: "UTC",
  bytea_output: "hex",
  standard_conforming_strings: "on",
} as const;

/**
 * For statements that are prepared once and run by the thousand, on tables of which nobody knows how large they are by now: plans are made once
 * for tables of any size, so only by index. A plan that was made when a table was empty reads all of it; one made anew each time costs more
 * than the statement.
 */
const byIndex = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  enable_bitmapscan: "off",
} as const;

type Setting = readonly [name: string, value: string];

/** What a session is for, as far as its settings go. */
export interface SessionKind {
  /** Undefined: for statements of the user's, which find what they find in any session of their role. */
  readonly schema: string | undefined;
  /** Statements are those of the store, prepared once. */
  readonly byIndex: boolean;
}

function settings(kind: SessionKind): { readonly weak: Setting[]; readonly strong: Setting[] } {
  const { schema } = kind;
  return {
    weak: Object.entries(adjustable),
    strong: [
      ...(schema === undefined
        ? []
        : [...Object.entries(required), ["search_path", quoted(schema)] as const]),
      ...(kind.byIndex ? Object.entries(byIndex) : []),
    ],
  };
}

/** The settings as the server's command line takes them, with what the URL asks for between those that it may change and those it may not. */
export function startupOptions(kind: SessionKind, asked: string | undefined): string {
  const { weak, strong } = settings(kind);
  return [weak.map(commandLine), asked ?? [], strong.map(commandLine)].flat().join(" ");
}

/** The same as one statement; what the URL asks for is not in it. */
export function settingStatement(kind: SessionKind): string {
  const { weak, strong } = settings(kind);
  const all = [...weak, ...strong].map(
    ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, false)`,
  );
  return `select ${all.join(", ")}`;
}

function commandLine([name, value]: Setting): string {
  return `-c ${name}=${value.replaceAll(/[\\\s]/g, (character) => `\\${character}`)}`;
}

/** Reads the same whether or not backslashes mean themselves. */
function literal(text: string): string {
  return `E'${text.replaceAll(/[\\']/g, (character) => `\\${character}`)}'`;
}
