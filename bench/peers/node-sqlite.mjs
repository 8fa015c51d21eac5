/**
 * Before Node 22.5 there is no node:sqlite, for which OpenWorkflow asks. better-sqlite3 stands in for it, which Stent uses too; and as node:sqlite
 * comes, each commit is flushed.
 */
import Module, { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export function giveNodeSqlite() {
  if (Module.builtinModules.includes("sqlite") || Module.isBuiltin("node:sqlite")) return;
  const Driver = require("better-sqlite3");
  class DatabaseSync extends Driver {
    exec(text) {
      super.exec(text);
      // The build of better-sqlite3 makes WAL mean synchronous=NORMAL.
      if (text.includes("journal_mode")) super.exec("PRAGMA synchronous = FULL");
    }
  }
  // What asks for it does so by require, of which this is the only hook that Node 20 has.
  // oxlint-disable-next-line no-underscore-dangle
  const load = Module._load;
  // oxlint-disable-next-line no-underscore-dangle
  Module._load = function loadOrStandIn(request, ...rest) {
    return request === "node:sqlite" ? { DatabaseSync } : load.call(this, request, ...rest);
  };
}
