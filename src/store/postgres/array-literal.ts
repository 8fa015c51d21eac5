/** Values as PostgreSQL reads an array: one text for a whole column of a statement, since a text is what costs least to send. */

const toEscape = /["\\]/g;

/** Numbers, or nulls. */
export function numberArray(values: readonly (number | string | null | undefined)[]): string {
  let text = "{";
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ",";
    text += value === null || value === undefined ? "NULL" : String(value);
  }
  return `${text}}`;
}

/** Texts, or nulls. */
export function textArray(values: readonly (string | null)[]): string {
  let text = "{";
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ",";
    text += value === null ? "NULL" : `"${value.replaceAll(toEscape, String.raw`\$&`)}"`;
  }
  return `${text}}`;
}
