import { describe } from "node:test";
import { sqliteInFile, sqliteInMemory } from "./sqlite-backend.ts";
import { storeConformance } from "./suite.ts";

for (const backend of [sqliteInMemory, sqliteInFile]) {
  describe(backend.name, () => storeConformance(backend));
}
