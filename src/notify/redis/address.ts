/** Where a Redis is, read from its URL. */
export interface RedisAddress {
  /** For ioredis; it may hold a password. */
  readonly url: string;
  /** For messages: no user and no password. */
  readonly name: string;
  readonly channel: string | undefined;
}

const form = '"redis://user:password@host:6379/0", or "rediss://…" for TLS';

/** Reads `?channel=` and checks the rest; no message shows more than the scheme. @throws TypeError */
export function parseRedisUrl(text: string): RedisAddress {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== "redis" && scheme !== "rediss") {
    const found = scheme === undefined ? "without a scheme" : `"${scheme}://"`;
    throw new TypeError(`a URL ${found} is none of Redis; use ${form}`);
  }
  // In lower case: ioredis asks for TLS by the letters of "rediss://".
  const url = readUrl(`${scheme}${text.slice(text.indexOf("://"))}`);
  const channel = url.searchParams.get("channel") ?? undefined;
  if (channel === "") throw new TypeError("the URL of Redis has an empty channel; leave it out");
  url.searchParams.delete("channel");
  url.searchParams.delete("lazyConnect"); // when to connect is not for the URL to say
  return { url: url.href, name: `Redis at ${url.host || "localhost"}`, channel };
}

function readUrl(text: string): URL {
  // Without a cause: the error of URL holds the whole text.
  if (!URL.canParse(text)) {
    throw new TypeError(
      `the URL of Redis cannot be read; use ${form}, and write characters such as / # ? @ : in a password as %2F %23 %3F %40 %3A`,
    );
  }
  const url = new URL(text);
  if (url.hash !== "") {
    throw new TypeError(`the URL of Redis has a part behind "#"; in a password write %23`);
  }
  if (!decodes(url.username) || !decodes(url.password)) {
    throw new TypeError(
      `the user or password in the URL of Redis has a "%" that stands for no character; write %25`,
    );
  }
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new TypeError(`the URL of Redis must have a database's number behind "/", as in ${form}`);
  }
  return url;
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
