/** What is wrong with the imports and the names of a set of files, given as path and text. */
import { posix } from "node:path";
import { type Import, importsOf, onlyReExports } from "./imports.ts";
import { type Layer, layers } from "./table.ts";

/** Path from the root of the package, and text. */
export type Files = ReadonlyMap<string, string>;

/** Every import that the table of layers does not allow, one sentence each. */
export function layerFaults(files: Files): string[] {
  return [...files].flatMap(([path, source]) => {
    const layer = layers.find((candidate) => candidate.files.test(path));
    if (layer === undefined) return [`${path} belongs to no layer: see tests/layers/table.ts`];
    const faults = importsOf(source)
      .filter((found) => !isAllowed(layer, path, found))
      .map(
        ({ specifier, line }) =>
          `${path}:${line} may not import ${specifier ?? "what it computes"}`,
      );
    if (layer.onlyReExports && !onlyReExports(source)) {
      faults.push(`${path} may hold nothing but re-exports`);
    }
    return faults;
  });
}

/** Every ring of files that import each other, types included, as "a → b → a". */
export function cycles(files: Files): string[] {
  const found: string[] = [];
  const finished = new Set<string>();
  for (const path of files.keys()) visit(path, []);
  return found;

  function visit(path: string, trail: readonly string[]): void {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) found.push([...trail.slice(seenAt), path].join(" → "));
    if (seenAt >= 0 || finished.has(path)) return;
    for (const next of filesImported(path, files)) visit(next, [...trail, path]);
    finished.add(path);
  }
}

/** Every file of the product whose name names nothing. */
export function namelessFiles(paths: Iterable<string>): string[] {
  return [...paths].filter((path) =>
    /^(?:src|cli)\/(?:.*\/)?(?:utils?|helpers?|common|types?|constants?)(?:\.ts$|\/)/.test(path),
  );
}

function isAllowed(layer: Layer, path: string, { specifier }: Import): boolean {
  if (specifier === undefined) return !path.startsWith("src/");
  if (!specifier.startsWith(".")) {
    const allowed = layer.packages ?? /^(?!stentjs(?:\/|$))/;
    return allowed.test(specifier);
  }
  const target = resolve(path, specifier);
  return layerName(target) === layerName(path) || layer.mayImport.test(target);
}

/** "src/core" for everything in it; "cli" for everything in that. */
function layerName(path: string): string {
  const [top = "", second = ""] = path.split("/");
  return top === "src" ? `${top}/${second}` : top;
}

function filesImported(path: string, files: Files): string[] {
  return importsOf(files.get(path) ?? "")
    .flatMap(({ specifier }) => (specifier?.startsWith(".") ? [resolve(path, specifier)] : []))
    .filter((target) => files.has(target));
}

function resolve(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}
