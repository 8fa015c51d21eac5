/** A text in one line that cannot move the cursor, nor turn what is read around: control characters are shown as escapes. */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => {
      const [named] = JSON.stringify(character).slice(1, -1);
      return named === "\\" ? JSON.stringify(character).slice(1, -1) : escaped(character);
    },
  );
}

/** A text as it stands in JSON, of which a terminal would take characters for commands that JSON leaves as they are. */
export function escapedJson(json: string): string {
  return json.replaceAll(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) =>
    escaped(character),
  );
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** So much of a value is shown to a person. */
const mostShown = 2_000;

/** The beginning of a long text, with a word on how long it is. */
export function shortened(text: string): string {
  if (text.length <= mostShown) return text;
  return `${text.slice(0, mostShown)}… (${text.length} characters; -o json has all of it)`;
}
