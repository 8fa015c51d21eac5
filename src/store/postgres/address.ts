/** Where a PostgreSQL database is. A URL may hold a password: none of what is said here repeats it. */

/** A URL that was checked, and what messages call it. */
export interface Address {
  /** As the driver takes it; may hold a password. */
  readonly url: string;
  /** Without user and password. */
  readonly name: string;
  /** What the URL asks for in `options`, which is for the server's command line. */
  readonly options: string | undefined;
  /** What it names as the schema: text may be all that there is, on a command line. */
  readonly schema: string | undefined;
}

/** @throws TypeError for what is no URL of one PostgreSQL server; the message holds nothing of it. */
export function addressOf(text: unknown): Address {
  if (typeof text !== "string" || !/^postgres(?:ql)?:\/\//i.test(text)) {
    throw new TypeError(
      "postgres takes a URL: postgresql://user:password@host:5432/database (what follows the scheme is not shown, since it may hold a password)",
    );
  }
  if (text.includes("\0") || text !== text.trim()) {
    throw new TypeError(
      "the URL of a PostgreSQL database may not begin or end with white space, nor hold NUL",
    );
  }
  if (/^[^/]*\/\/(?:[^/?#]*@)?[^/?#@]*,/.test(text)) {
    throw new TypeError(
      "the URL of a PostgreSQL database names several hosts, which the driver pg cannot; name one, such as an address that leads to the primary",
    );
  }
  const url = parse(text);
  return {
    url: withoutOurs(text),
    name: nameOf(url),
    options: url.searchParams.get("options") ?? undefined,
    schema: url.searchParams.get("schema") ?? undefined,
  };
}

function parse(text: string): URL {
  const url = tryToParse(text) ?? tryToParse(text.replace("@/", "@localhost/"));
  // With such a character the parser takes a part of the password for something that is no secret.
  const astray =
    url === undefined ||
    url.hash !== "" ||
    url.pathname.includes("@") ||
    [...url.searchParams.keys()].some((key) => !/^\w+$/.test(key));
  if (!astray) return url;
  throw new TypeError(
    "the URL of a PostgreSQL database cannot be read (it is not shown, since it may hold a password): write it as " +
      "postgresql://user:password@host:5432/database, with special characters of user and password percent-encoded " +
      "(@ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25)",
  );
}

/** What `new URL` throws holds its input. */
function tryToParse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

const ours = /^(?:options|schema)=/;

/** The driver would let options override the settings that Stent needs, so they are put together with them instead; it knows no schema. */
function withoutOurs(text: string): string {
  const [before, query] = split(text, "?");
  if (query === undefined) return text;
  const kept = query.split("&").filter((parameter) => !ours.test(parameter));
  return kept.length === 0 ? before : `${before}?${kept.join("&")}`;
}

function split(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

/** As the driver finds it: in the URL, else in the environment, else by its defaults. */
function nameOf(url: URL): string {
  const query = url.searchParams;
  const { PGHOST, PGPORT, PGDATABASE, PGUSER } = process.env;
  const host = query.get("host") || hostOf(url) || PGHOST || "localhost";
  const port = query.get("port") || url.port || PGPORT || "5432";
  const user = query.get("user") || url.username || PGUSER;
  const database = url.pathname.slice(1) || PGDATABASE || user || "";
  const shownHost = host.startsWith("/") ? encodeURIComponent(host) : host;
  return `postgresql://${shownHost}:${port}/${database}`;
}

function hostOf(url: URL): string {
  try {
    return decodeURIComponent(url.hostname);
  } catch {
    return url.hostname;
  }
}
