/** Backup and restore of a membership service's table: to an encrypted file, and from it. */
import type { DynamoTable } from '../functions/aws/dynamo-table.ts';
import { LocalError } from '../local/lib/errors.ts';
import { type BackupHeader, type BackupItem, openBackup, writeBackup } from './backup-file.ts';
import {
  GENESIS,
  itemsOf,
  nameOf,
  ownerOfTable,
  putAbsent,
  SERVICE,
  serviceItemsOf,
  versionsOf,
} from './membership-table.ts';

/** Shows how far it is: items done, of how many. */
export type OnItems = (done: number, of: number) => void;

export interface BackupOptions {
  /** The file, which must not be there yet or is replaced once the new one is whole. */
  readonly path: string;
  /** Public keys of age: whoever has one of their secrets can open the file. */
  readonly recipients: readonly string[];
  readonly onItems?: OnItems | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RestoreOptions {
  readonly path: string;
  /** Secret keys of age. */
  readonly identities: readonly string[];
  readonly onItems?: OnItems | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Restored {
  readonly header: BackupHeader;
  readonly written: number;
  /** Items that were there already and were left as they are. */
  readonly kept: number;
}

/** How often a table that is written meanwhile is read anew. */
const READS_MAX = 5;
/** Items that are held in memory at a time. */
const PART_ITEMS = 500;

/**
 * Writes all items as they were at one moment: the table is read twice, and what changed between makes it
 * begin again. Throws LocalError `table_in_use` where it never holds still, `wrong_table`.
 */
export async function backUpMembership(
  table: DynamoTable,
  { path, recipients, onItems = () => undefined, signal }: BackupOptions,
): Promise<BackupHeader> {
  const owner = await ownerOfTable(table);
  for (let read = 0; read < READS_MAX; read += 1) {
    signal?.throwIfAborted();
    const versions = await versionsOf(table);
    const header: BackupHeader = {
      format: 'carequorum-backup-1',
      kind: 'membership',
      ...owner,
      takenAt: new Date().toISOString(),
      items: versions.size,
    };
    try {
      const items = unchanged(itemsOf(table), versions, onItems);
      await writeBackup(path, recipients, { header, items }, signal);
      return header;
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile)) throw error;
    }
  }
  throw new LocalError('table_in_use', `${table.name} is written to all the time.`, {
    cure:
      'Restore it to a point in time under another name, and back that table up:\n' +
      `aws dynamodb restore-table-to-point-in-time --source-table-name ${table.name} \\\n` +
      `  --target-table-name ${table.name}-copy --use-latest-restorable-time`,
  });
}

/**
 * Writes what a backup holds into a table of the same network, or an empty one; what is there already
 * stays as it is, so the same again is harmless. The genesis document comes last: until then a service that
 * starts answers 503. Throws LocalError `bad_backup`, `wrong_table`, `table_in_use`.
 */
export async function restoreMembership(
  table: DynamoTable,
  { path, identities, onItems = () => undefined, signal }: RestoreOptions,
): Promise<Restored> {
  const { header, items } = await openBackup(path, identities);
  // The file is read to its end before anything is written.
  const own: BackupItem[] = [];
  for await (const item of items()) if (item.pk === SERVICE) own.push(item);
  await requireFit(table, own);
  let written = 0;
  let done = 0;
  const put = async (part: readonly BackupItem[]): Promise<void> => {
    signal?.throwIfAborted();
    written += await putAbsent(table, part);
    done += part.length;
    onItems(done, header.items);
  };
  for await (const part of inParts(items())) await put(part);
  await put(own.filter(({ sk }) => sk !== GENESIS));
  await put(own.filter(({ sk }) => sk === GENESIS));
  return { header, written, kept: header.items - written };
}

/** The service may have begun anew in the empty table: with other secrets nothing of before opens. */
async function requireFit(table: DynamoTable, own: readonly BackupItem[]): Promise<void> {
  const present = await serviceItemsOf(table);
  const others = own.filter(({ sk, data }) => (present.get(sk) ?? data) !== data);
  if (others.length === 0) return;
  const names = others.map(({ sk }) => sk).join(', ');
  throw new LocalError('table_in_use', `${table.name} has items of its own: ${names}.`, {
    cure:
      'It belongs to another network, or its service ran after the table was emptied. Stop the service, ' +
      `empty the table, and run this again; items of the service have pk "${SERVICE}".`,
  });
}

/** The items, unless one changed, came or went since `versions` was read. */
async function* unchanged(
  items: AsyncIterable<BackupItem>,
  versions: ReadonlyMap<string, number>,
  onItems: OnItems,
): AsyncGenerator<BackupItem> {
  let count = 0;
  for await (const item of items) {
    if (versions.get(nameOf(item)) !== item.version) throw new ChangedMeanwhile();
    count += 1;
    if (count % PART_ITEMS === 0) onItems(count, versions.size);
    yield item;
  }
  if (count !== versions.size) throw new ChangedMeanwhile();
}

class ChangedMeanwhile extends Error {}

/** All but the items of the service itself. */
async function* inParts(items: AsyncIterable<BackupItem>): AsyncGenerator<BackupItem[]> {
  let part: BackupItem[] = [];
  for await (const item of items) {
    if (item.pk === SERVICE) continue;
    part.push(item);
    if (part.length < PART_ITEMS) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
