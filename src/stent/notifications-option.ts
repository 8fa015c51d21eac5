import { show } from "../core/option.ts";
import type { NotificationBackend } from "../notify/notifier.ts";
import { redis } from "../notify/redis.ts";

const methods = ["publish", "subscribe", "close"] as const;

/** The option notifications, checked. @throws TypeError; no message holds more of a URL than its scheme */
export function notificationsOf(
  given: string | NotificationBackend | undefined,
): NotificationBackend | undefined {
  if (given === undefined) return undefined;
  if (typeof given === "string") return atUrl(given);
  if (typeof given === "object" && given !== null) {
    if (methods.every((method) => typeof given[method] === "function")) return given;
  }
  throw new TypeError(
    `notifications must be a URL such as "redis://user:password@host:6379", or an object with the methods ${methods.join(", ")}, got ${show(given)}`,
  );
}

function atUrl(url: string): NotificationBackend {
  try {
    return redis(url);
  } catch (error) {
    const why = error instanceof Error ? error.message : "it cannot be read";
    throw new TypeError(`the option notifications: ${why}`, { cause: error });
  }
}
