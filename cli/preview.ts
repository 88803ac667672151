/** What a permission opens, in words and by name, before anything is signed. */
import type { HistoryEntry, MedicalRecord } from '../lib/chaincode/values.ts';
import type { Purpose, Right } from '../lib/chaincode/fields.ts';
import type { LedgerIdentity } from '../sdk/directory.ts';
import type { Patient } from '../sdk/patient.ts';
import { openListed } from '../sdk/read.ts';
import { membersOf } from '../sdk/teams.ts';
import type { Recipient } from '../sdk/recipients.ts';
import { patientReader } from '../sdk/patient-reader.ts';
import type { CommandContext } from './context.ts';
import { plural, shortId } from './output.ts';
import { coveredBy, personText } from './people.ts';
import { timeText } from './times.ts';
import { listText, purposeWord } from './words.ts';

/** Terms by names of categories, as a person gives them. */
export interface NamedTerms {
  readonly rights: readonly Right[];
  readonly categories: readonly string[];
  readonly from?: number | undefined;
  readonly until: number;
  readonly dataFrom?: string | null | undefined;
  readonly dataUntil?: string | null | undefined;
  readonly purposes?: readonly Exclude<Purpose, 'BTG'>[] | undefined;
  readonly study?: string | null | undefined;
  readonly anonymise?: boolean | null | undefined;
}

/** Records that are named one by one in each category. */
const SHOWN_RECORDS_MAX = 20;

/** Records of one category that somebody can open. */
export interface OpenedCategory {
  readonly category: string;
  readonly records: readonly { id: string; month: string; name: string | null }[];
}

/** The records that terms open now, by category; none without the right to read. */
export function openedBy(
  patient: Patient,
  records: readonly MedicalRecord[],
  terms: NamedTerms | null,
): MedicalRecord[] {
  if (!terms?.rights.includes('read')) return [];
  const tags = new Set(terms.categories.map((name) => patient.tag(name)));
  return coveredBy(records, { tags, dataFrom: terms.dataFrom, dataUntil: terms.dataUntil });
}

/**
 * Records by category with their names. Names are asked for where a person looks; that is an entry
 * of the history too.
 */
export async function byCategory(
  context: CommandContext,
  patient: Patient,
  records: readonly MedicalRecord[],
  isWatched: boolean,
): Promise<OpenedCategory[]> {
  const names = patient.categoryNames();
  const paths = new Map<string, string>();
  if (isWatched && records.length > 0) {
    const reader = patientReader(patient, context.files);
    const { listed } = await openListed(reader, patient.pseudonym, records);
    for (const { record, metadata } of listed) if (metadata) paths.set(record.id, metadata.path);
  }
  const tags = [...new Set(records.map((one) => one.categoryTag))];
  return tags.map((tag) => ({
    category: names.get(tag) ?? shortId(tag),
    records: records
      .filter((one) => one.categoryTag === tag)
      .map(({ id, dataMonth }) => ({ id, month: dataMonth, name: paths.get(id) ?? null })),
  }));
}

/** `laboratory: 2 records, of 2026-10 to 2026-11`, and each of them below. */
export function categoryLines(opened: readonly OpenedCategory[]): string[] {
  return opened.flatMap(({ category, records }) => {
    const months = records.map((one) => one.month).toSorted();
    const [first, last] = [months[0] ?? '', months.at(-1) ?? ''];
    const span = first === last ? `of ${first}` : `of ${first} to ${last}`;
    const shown = records.slice(0, SHOWN_RECORDS_MAX);
    const more = records.length - shown.length;
    return [
      `  ${category}: ${plural(records.length, 'record')}, ${span}`,
      ...shown.map((one) => `    ${one.month}  ${one.name ?? shortId(one.id)}`),
      ...(more > 0 ? [`    … and ${more} more`] : []),
    ];
  });
}

/** Who gets what, how long and what for. */
export async function termLines(
  patient: Patient,
  recipient: Recipient,
  terms: NamedTerms,
  now: number,
): Promise<string[]> {
  const { from, until, study, anonymise } = terms;
  const start = from === undefined || from <= now ? 'now' : timeText(from);
  const purposes = (terms.purposes ?? ['TREAT']).map(purposeWord);
  return [
    `  who         ${recipientText(recipient)}`,
    ...(await memberLines(patient, recipient)),
    `  do what     ${listText(terms.rights)}`,
    `  with        ${listText(terms.categories)}, ${monthsText(terms)}`,
    `  when        from ${start} until ${timeText(until)}`,
    `  what for    ${listText(purposes)}`,
    '  and learn   your name and pseudonym',
    ...(study === undefined || study === null
      ? []
      : [`  study       ${study}, ${anonymise === true ? 'anonymised' : 'not anonymised'}`]),
  ];
}

/** What opens once the terms are signed: of today by name, and later ones in words. */
export function releaseLines(terms: NamedTerms, opened: readonly OpenedCategory[]): string[] {
  const writes = terms.rights.includes('write') ? ['May add records to these categories.'] : [];
  if (!terms.rights.includes('read')) return [...writes, 'Nothing is released: no right to read.'];
  const count = opened.reduce((sum, one) => sum + one.records.length, 0);
  const later = [
    `and every record that is added to them until the permission ends${laterText(terms)}.`,
    'What was read by then stays known to the one who read it.',
  ];
  if (count === 0) return [...writes, 'Released: nothing of today,', ...later];
  return [
    ...writes,
    `Released: ${plural(count, 'record')} of today`,
    ...categoryLines(opened),
    ...later,
  ];
}

export function monthsText({ dataFrom, dataUntil }: NamedTerms): string {
  if (!dataFrom && !dataUntil) return 'of all times';
  return `of ${dataFrom ?? 'the beginning'} to ${dataUntil ?? 'the end'}`;
}

export function recipientText(one: Pick<Recipient, 'kind' | 'name' | 'role' | 'hospital'>): string {
  return one.kind === 'team'
    ? `the care team ${one.name} (${one.hospital ?? ''})`
    : personText(one);
}

/** Accesses with one permission: when, who, through which team, and what. */
export function useLines(
  uses: readonly HistoryEntry[],
  people: ReadonlyMap<string, LedgerIdentity>,
  names: ReadonlyMap<string, string>,
): string[] {
  return uses.map(({ time, recordId, actor, team }) => {
    const person = actor.subject === null ? undefined : people.get(actor.subject);
    const who = person ? personText(person) : `a ${actor.role}`;
    const name = recordId === null ? undefined : names.get(recordId);
    const what = recordId === null ? 'names of records' : `record ${recordId}`;
    const through = team === null ? '' : ', as one of the team';
    return `  ${timeText(time)}  ${who}${through}: ${what}${name === undefined ? '' : `, ${name}`}`;
  });
}

/** The people whom a grant to a team reaches today. */
async function memberLines(patient: Patient, { team }: Recipient): Promise<string[]> {
  if (team === null) return [];
  const members = await membersOf(patient, team);
  return [
    ...members.map((one) => `              ${personText(one)}`),
    '              and whom the hospital lets in later; who leaves is shut out at once',
  ];
}

function laterText({ dataFrom, dataUntil }: NamedTerms): string {
  return dataFrom || dataUntil ? ', if its data is of these months' : '';
}
