import { show } from "../core/option.ts";
import { CrossProcessNotifier } from "./cross-process-notifier.ts";
import type { NotificationBackend } from "./notifier.ts";
import type { OpenableNotifications, OpenNotificationsOptions } from "./openable.ts";
import { parseRedisUrl } from "./redis/address.ts";
import { clientAt } from "./redis/driver.ts";
import { isIoredis, nameOf, type RedisTarget } from "./redis/source.ts";
import { RedisTransport } from "./redis/transport.ts";

/** What of a Redis or Cluster of ioredis tells that it is one. */
export interface RedisClient {
  readonly status: string;
  duplicate(...parameters: never[]): unknown;
}

/** How hints travel through Redis. */
export interface RedisOptions {
  /** The pub/sub channel, or what its name begins with. Default: `?channel=` of the URL, else "stent". */
  channel?: string;
}

const defaultChannel = "stent";

/**
 * Wake-ups through the pub/sub of Redis, over connections of its own, made when they are needed. Needs the package ioredis.
 *
 * `source` is "redis://user:password@host:6379/0" or "rediss://…" with query options as ioredis takes them, or a Redis or Cluster of
 * ioredis (so that Sentinel works as well): that one is duplicated, and never used nor closed, but a Cluster that has not begun to connect
 * is told to. @throws TypeError
 */
export function redis(
  source: string | RedisClient,
  options: RedisOptions = {},
): NotificationBackend {
  const { channel, ...target } = typeof source === "string" ? atUrl(source) : ofClient(source);
  return new RedisNotifications({ ...target, channel: channelOf(options.channel ?? channel) });
}

/** The notifier is made on first use; an engine opens its own. */
class RedisNotifications implements OpenableNotifications {
  readonly #target: RedisTarget;
  #own: NotificationBackend | undefined;

  constructor(target: RedisTarget) {
    this.#target = target;
  }

  open({ namespace, log }: OpenNotificationsOptions): NotificationBackend {
    const { channel } = this.#target;
    const scoped = namespace === undefined ? channel : `${channel}:${namespace}`;
    return new CrossProcessNotifier(new RedisTransport({ ...this.#target, channel: scoped }), {
      log,
    });
  }

  publish(topics: readonly string[]): Promise<void> {
    return this.#opened().publish(topics);
  }

  subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    return this.#opened().subscribe(listener);
  }

  close(): Promise<void> {
    return this.#opened().close();
  }

  #opened(): NotificationBackend {
    return (this.#own ??= this.open({}));
  }
}

function atUrl(text: string): RedisTarget {
  const { url, name, channel } = parseRedisUrl(text);
  return { name, channel: channel ?? defaultChannel, source: () => clientAt(url) };
}

function ofClient(client: unknown): RedisTarget {
  if (!isIoredis(client)) {
    throw new TypeError(
      `redis takes "redis://…", "rediss://…", or a Redis or Cluster of ioredis, got ${show(client)}`,
    );
  }
  return { name: nameOf(client), channel: defaultChannel, source: async () => client };
}

function channelOf(given: string): string {
  if (typeof given === "string" && given !== "") return given;
  throw new TypeError(`the channel of redis must be a non-empty string, got ${show(given)}`);
}
