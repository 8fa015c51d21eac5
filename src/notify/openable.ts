import type { HintLog } from "./outage-log.ts";
import type { NotificationBackend } from "./notifier.ts";

/** Whose hints they are, and who is told of outages. */
export interface OpenNotificationsOptions {
  /** Keeps those apart that share a server: only listeners of the same namespace hear of each other. */
  readonly namespace?: string | undefined;
  readonly log?: HintLog | undefined;
}

/** A backend of this package: it can be opened for an engine, with connections of its own that the engine closes. */
export interface OpenableNotifications extends NotificationBackend {
  open(options: OpenNotificationsOptions): NotificationBackend;
}

/** True for backends of this package; others are used as they are. */
export function isOpenable(backend: NotificationBackend): backend is OpenableNotifications {
  return "open" in backend && typeof backend.open === "function";
}
