/** What of many files is done: a stopped command goes on where it ended, and nothing is done twice. */
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { readTextFile, writeTextFile } from '../sdk/platform/node.ts';

const journalSchema = z.strictObject({
  format: z.literal('carequorum-journal-1'),
  done: z.record(z.string(), z.string()),
});

/** Kept in a private file from the first part that is done to the last. */
export class Journal {
  readonly path: string;
  readonly #done: Map<string, string>;

  private constructor(path: string, done: ReadonlyMap<string, string>) {
    this.path = path;
    this.#done = new Map(done);
  }

  /** That of an unfinished run, or an empty one; one that cannot be read counts as empty. */
  static async open(path: string): Promise<Journal> {
    const parsed = journalSchema.safeParse(parse(await readTextFile(path)));
    return new Journal(path, new Map(Object.entries(parsed.data?.done ?? {})));
  }

  get size(): number {
    return this.#done.size;
  }

  /** What the part gave when it was done, or undefined. */
  get(part: string): string | undefined {
    return this.#done.get(part);
  }

  async add(part: string, outcome: string): Promise<void> {
    this.#done.set(part, outcome);
    const journal = { format: 'carequorum-journal-1', done: Object.fromEntries(this.#done) };
    await writeTextFile(this.path, `${JSON.stringify(journal)}\n`, { isPrivate: true });
  }

  /** All is done. */
  async finish(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function parse(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
