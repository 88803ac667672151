/** Who read a record: so that whoever relied on it is told when it turns out to be wrong. */
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Topic } from './draft.ts';
import type { TransactionCall } from './functions.ts';

/** Notes a reader, once. Beyond the bound only the count goes on: the history has the names. */
export async function noteReader(
  { draft }: TransactionCall,
  recordId: string,
  subject: string,
): Promise<void> {
  const cell = cells.readers(recordId);
  const { subjects, more } = (await draft.get(cell)) ?? { subjects: [], more: 0 };
  if (subjects.includes(subject)) return;
  const isFull = subjects.length >= chaincodeBounds.readersMax;
  draft.put(
    cell,
    isFull ? { subjects, more: more + 1 } : { subjects: [...subjects, subject], more },
  );
}

/** Tells all who read a record; gives how many, and how many reads more are not listed. */
export async function alertReaders(
  { draft }: Pick<TransactionCall, 'draft'>,
  recordId: string,
  topic: Topic,
): Promise<{ alerted: number; unlisted: number }> {
  const { subjects, more } = (await draft.get(cells.readers(recordId))) ?? {
    subjects: [],
    more: 0,
  };
  for (const subject of subjects) await draft.notify({ subject }, topic, { recordId });
  return { alerted: subjects.length, unlisted: more };
}
