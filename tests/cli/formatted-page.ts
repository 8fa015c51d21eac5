import { format } from "prettier";
import { commandLinePage } from "./page.ts";

/** As the formatter wants it. */
export async function formattedPage(): Promise<string> {
  return format(await commandLinePage(), { parser: "markdown", printWidth: 100 });
}
