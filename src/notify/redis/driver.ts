import type { Redis } from "ioredis";
import { DatabaseError } from "../../core/errors.ts";

/** A client for this URL that is not connected. The package is loaded here. @throws DatabaseError DRIVER_MISSING */
export async function clientAt(url: string): Promise<Redis> {
  const { Redis } = await loadDriver();
  return new Redis(url, { lazyConnect: true });
}

async function loadDriver(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    return await import("ioredis");
  } catch (error) {
    throw new DatabaseError(
      "DRIVER_MISSING",
      "notifications through Redis need the package ioredis, which is not installed here; run: npm install ioredis",
      { cause: error },
    );
  }
}
