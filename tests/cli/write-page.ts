/** Writes docs/cli.md anew. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formattedPage } from "./formatted-page.ts";

writeFileSync(join(import.meta.dirname, "../../docs/cli.md"), await formattedPage());
