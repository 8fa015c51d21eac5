/**
 * Where a generator stands. No stack can tell: a generator that waits is on none, and an effect is made without looking at one. The engine
 * knows, and its inspector tells without stopping anything. Asked only for the message of a test that has failed.
 */
import { Session, type Debugger, type Runtime } from "node:inspector";
import { findSourceMap } from "node:module";
import { fileURLToPath } from "node:url";

/** "file:///…/order.ts:12:3", the place in the source at which it waits; undefined where nobody knows. */
export function yieldLine(generator: object): string | undefined {
  try {
    const place = placeOf(generator);
    return place === undefined ? undefined : sourceOf(place);
  } catch {
    return undefined; // a runtime without an inspector
  }
}

interface Place {
  readonly url: string;
  /** From 0, both. */
  readonly line: number;
  readonly column: number;
}

/** An object reaches the inspector by a name only. */
const handle = Symbol.for("stentjs.testing.generator");

function placeOf(generator: object): Place | undefined {
  const session = new Session();
  session.connect();
  try {
    const urls = new Map<string, string>();
    session.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
    session.post("Debugger.enable");
    const location = locationOf(session, generator);
    const url = location === undefined ? undefined : urls.get(location.scriptId);
    if (location === undefined || url === undefined || url === "") return undefined;
    return { url, line: location.lineNumber, column: location.columnNumber ?? 0 };
  } finally {
    session.disconnect();
  }
}

function locationOf(session: Session, generator: object): Debugger.Location | undefined {
  let location: Debugger.Location | undefined;
  Object.defineProperty(globalThis, handle, { value: generator, configurable: true });
  try {
    const expression = `globalThis[Symbol.for(${JSON.stringify(handle.description)})]`;
    // Answers come before `post` returns.
    session.post("Runtime.evaluate", { expression }, (_error, { result }) => {
      const { objectId = "" } = result;
      session.post("Runtime.getProperties", { objectId }, (_failed, { internalProperties }) => {
        location = locationIn(internalProperties ?? []);
      });
    });
  } finally {
    Reflect.deleteProperty(globalThis, handle);
  }
  return location;
}

function locationIn(
  properties: readonly Runtime.InternalPropertyDescriptor[],
): Debugger.Location | undefined {
  const property = properties.find(({ name }) => name === "[[GeneratorLocation]]");
  const location: Debugger.Location | undefined = property?.value?.value;
  return location;
}

/** Of compiled code, the place in what it was compiled from. */
function sourceOf({ url, line, column }: Place): string {
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  const entry = (findSourceMap(url) ?? findSourceMap(path))?.findEntry(line, column);
  if (entry !== undefined && "originalSource" in entry)
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  return `${url}:${line + 1}:${column + 1}`;
}
