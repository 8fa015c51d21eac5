/** The layers of architecture.md: who may import whom. Paths are from the root of the package. */

/** Some files and what they may name; the first row that holds a file is the one that counts. */
export interface Layer {
  readonly files: RegExp;
  /** Files of the package that may be imported; a layer's own need no mention. */
  readonly mayImport: RegExp;
  /** Packages and Node modules that may be imported; without it, all but `stentjs` itself. */
  readonly packages?: RegExp;
  readonly onlyReExports?: true;
}

const ports = String.raw`src\/(?:core|runtime|notify|observe)\/`;
// What opens a database or knows its tables is for the edge to choose; the port and its types are not.
const storagePort = String.raw`src\/store\/(?!sqlite|postgres|statements\/|migrations\/|schema|dialect)`;
const doors = String.raw`src\/(?:health|index|interpreter|lint|otel|prometheus|testing\/index)\.ts$`;

const nothing = /^$/;
const anythingInSrc = /^src\/(?!index\.ts$)/;
const aboveObserve = /^src\/(?:core|observe)\//;
const superjson = /^superjson$/;
const cryptoAndZlib = /^node:(?:crypto|zlib)$/;
const everyPackage = /^/;

/** The table, most particular first. */
export const layers: readonly Layer[] = [
  { files: /^src\/index\.ts$/, mayImport: anythingInSrc, onlyReExports: true },
  { files: /^src\/interpreter\.ts$/, mayImport: /^src\/core\//, onlyReExports: true },
  { files: /^src\/health\.ts$/, mayImport: /^src\/(?:core|stent)\// },
  { files: /^src\/lint(?:\.ts$|\/)/, mayImport: /^src\/lint\//, packages: nothing },
  { files: /^src\/otel\.ts$/, mayImport: aboveObserve, packages: /^@opentelemetry\/api$/ },
  { files: /^src\/prometheus\.ts$/, mayImport: aboveObserve, packages: /^prom-client$/ },
  { files: /^src\/testing\/index\.ts$/, mayImport: anythingInSrc, onlyReExports: true },
  { files: /^src\/stent(?:\.ts$|\/)/, mayImport: anythingInSrc },
  {
    files: /^src\/core\/serializer\/(?:compressed|encrypted)\.ts$/,
    mayImport: nothing,
    packages: cryptoAndZlib,
  },
  { files: /^src\/core\/serializer(?:\.ts$|\/)/, mayImport: nothing, packages: superjson },
  { files: /^src\/core\//, mayImport: nothing, packages: nothing },
  { files: /^src\/runtime\//, mayImport: /^src\/core\// },
  { files: /^src\/store\//, mayImport: /^src\/(?:core|runtime)\// },
  { files: /^src\/notify\//, mayImport: /^src\/(?:core|runtime)\// },
  { files: /^src\/observe\//, mayImport: /^src\/(?:core|runtime)\// },
  { files: /^src\/client\//, mayImport: new RegExp(`^(?:${ports}|${storagePort})`) },
  { files: /^src\/worker\//, mayImport: new RegExp(`^(?:${ports}|${storagePort})`) },
  { files: /^src\/testing\//, mayImport: anythingInSrc },
  { files: /^cli\//, mayImport: new RegExp(`^${doors}`), packages: everyPackage },
  { files: /^examples\//, mayImport: new RegExp(`^${doors}`), packages: everyPackage },
  {
    files: /^bench\//,
    mayImport: new RegExp(
      String.raw`^(?:${doors}|src\/store\/|src\/runtime\/clock\.ts$|tests\/support\/postgres-server\.ts$)`,
    ),
    packages: everyPackage,
  },
  { files: /^tests\//, mayImport: /^(?:src|cli|bench|examples)\//, packages: everyPackage },
];
