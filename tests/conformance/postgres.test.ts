import { describe } from "node:test";
import { postgresBackend } from "./postgres-backend.ts";
import { storeConformance } from "./suite.ts";

describe(postgresBackend.name, () => storeConformance(postgresBackend));
