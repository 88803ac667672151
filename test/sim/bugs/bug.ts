/** What a seeded bug is: a small change of production code that breaks one rule. */

export interface Edit {
  /** From the project's root. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly put: string;
}

export interface SeededBug {
  readonly name: string;
  /** The line of docs/pbft.md, or the section of the rule that is broken. */
  readonly rule: string;
  /** What the code does wrong then. */
  readonly summary: string;
  readonly edits: readonly Edit[];
}

/** The text with an edit in it. Throws where the text to be found is not there exactly once. */
export function applyEdit(text: string, { file, find, put }: Edit): string {
  const pieces = text.split(find);
  if (pieces.length !== 2) {
    throw new RangeError(`${file}: found ${pieces.length - 1} times, not once:\n${find}`);
  }
  return pieces.join(put);
}
