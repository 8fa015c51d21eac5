/** A text in one line that cannot move the cursor: control characters are shown as escapes. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[\u007f-\u009f]$/, (bare) => `\\u00${bare.charCodeAt(0).toString(16)}`),
  );
}
