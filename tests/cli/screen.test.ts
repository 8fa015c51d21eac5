import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen } from "../../cli/screen.ts";

test("a screen is entered once, and left once however often it is closed", () => {
  const terminal = new Terminal();
  const screen = new Screen(terminal);
  screen.close();
  screen.open();
  screen.show(["one"]);
  screen.close();
  screen.close();
  screen.show(["two"]);
  assert.equal(
    terminal.text,
    "\u001b[?1049h\u001b[?25l\u001b[2J\u001b[1;1Hone\u001b[K\u001b[?25h\u001b[?1049l",
  );
});

test("only lines that have changed are written, and all of them in another size", () => {
  const terminal = new Terminal();
  const screen = new Screen(terminal);
  screen.open();
  screen.show(["one", "two", "three"]);
  terminal.text = "";
  screen.show(["one", "2"]);
  assert.equal(terminal.text, "\u001b[2;1H2\u001b[K\u001b[3;1H\u001b[K");
  terminal.text = "";
  terminal.columns = 2;
  terminal.rows = 1;
  screen.show(["one", "2"]);
  assert.equal(terminal.text, "\u001b[2J\u001b[1;1Hon\u001b[K");
});

test("a painted line is cut by what of it is seen, and its paint ends", () => {
  const terminal = new Terminal();
  terminal.columns = 4;
  const screen = new Screen(terminal);
  screen.open();
  terminal.text = "";
  screen.show(["\u001b[31mfailed\u001b[0m 3"]);
  assert.equal(terminal.text, "\u001b[2J\u001b[1;1H\u001b[31mfail\u001b[0m\u001b[K");
});

class Terminal {
  rows = 24;
  columns = 80;
  text = "";

  write(text: string): void {
    this.text += text;
  }
}
