/** Results for people: lines and tables; progress drawn over itself where there is a terminal. */
import type { CliEnvironment } from './environment.ts';

/** What a command gives: a document for programs, lines for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly lines: readonly string[];
  /** @default 0 */
  readonly exitCode?: number;
}

/** Columns under heads, as wide as their widest cell; the last is not padded. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [heads, ...rows].map((row) => row.map(clean));
  const widths = heads.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? '').length)),
  );
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [lines[0] as string, rule, ...lines.slice(1)];
}

/** Without what would steer a terminal or turn text round: names come from other people. */
export function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '�');
}

export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** The start of an id: enough to name it. */
export function shortId(id: string | null): string {
  return id === null ? '' : id.slice(0, 10);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const BAR_CELLS = 24;
const DRAW_MS = 80;
const NAME_CHARS_MAX = 36;
const CLEAR_LINE = '\r\u001b[2K';

type Terminal = Pick<CliEnvironment, 'err' | 'hasTerminal'>;

/** A bar for one file; without a terminal, one line at its end. */
export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #name: string;
  #drawnAt = 0;

  constructor(terminal: Terminal, name: string) {
    this.#terminal = terminal;
    const shown = clean(name);
    const cut = shown.length > NAME_CHARS_MAX;
    this.#name = cut ? `…${shown.slice(1 - NAME_CHARS_MAX)}` : shown;
  }

  update(done: number, total: number): void {
    if (!this.#terminal.hasTerminal) return;
    const now = performance.now();
    if (now - this.#drawnAt < DRAW_MS) return;
    this.#drawnAt = now;
    const part = total === 0 ? 1 : Math.min(1, done / total);
    const full = Math.round(part * BAR_CELLS);
    const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
    const percent = `${Math.floor(part * 100)}`.padStart(3);
    this.#terminal.err(`${CLEAR_LINE}  ${bar} ${percent}%  ${this.#name}`);
  }

  end(line: string): void {
    this.#terminal.err(`${this.#terminal.hasTerminal ? CLEAR_LINE : ''}  ${clean(line)}\n`);
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#terminal.hasTerminal) this.#terminal.err(CLEAR_LINE);
  }
}

const STEP_MS = 200;

/** Shows what is waited for, and for how long, while `work` goes on. */
export async function showStep<T>(
  terminal: Terminal,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!terminal.hasTerminal) return work();
  const started = performance.now();
  const draw = (): void => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    terminal.err(`${CLEAR_LINE}${title} … ${seconds} s`);
  };
  const timer = setInterval(draw, STEP_MS);
  timer.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
    terminal.err(CLEAR_LINE);
  }
}
