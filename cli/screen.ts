/** The other screen of a terminal, of which only the lines that have changed are written. */

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";

/** Where it is shown. */
export interface Terminal {
  readonly rows: number;
  readonly columns: number;
  write(text: string): unknown;
}

/** Owns the terminal from `open` to `close`, which may be called twice. */
export class Screen {
  readonly #terminal: Terminal;
  #shown: readonly string[] = [];
  #size = "";
  #open = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  open(): void {
    this.#open = true;
    this.#terminal.write(enter);
  }

  /** Shows these lines, cut to the size of the terminal; painted text is cut by what of it is seen. */
  show(lines: readonly string[]): void {
    if (!this.#open) return;
    // A terminal that does not know its size says 0.
    const rows = this.#terminal.rows || 24;
    const columns = this.#terminal.columns || 80;
    const size = `${rows}x${columns}`;
    const fitting = lines.slice(0, rows).map((line) => cut(line, columns));
    let text = size === this.#size ? "" : "\u001b[2J";
    const before = size === this.#size ? this.#shown : [];
    for (let row = 0; row < Math.max(fitting.length, before.length); row += 1) {
      if (fitting[row] !== before[row]) text += `\u001b[${row + 1};1H${fitting[row] ?? ""}\u001b[K`;
    }
    this.#shown = fitting;
    this.#size = size;
    if (text !== "") this.#terminal.write(text);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#terminal.write(leave);
  }
}

// oxlint-disable-next-line no-control-regex -- what colours a text
const paints = /\u001b\[\d+m/g;

function cut(line: string, columns: number): string {
  if (line.replaceAll(paints, "").length <= columns) return line;
  let left = columns;
  let text = "";
  let from = 0;
  for (const paint of line.matchAll(paints)) {
    const plain = line.slice(from, paint.index);
    text += plain.slice(0, left) + paint[0];
    left = Math.max(0, left - plain.length);
    from = paint.index + paint[0].length;
  }
  return text + line.slice(from).slice(0, left);
}
