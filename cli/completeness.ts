/** What a list does not say: shown wherever somebody might take it for everything there is. */
import type { ListedRecord } from '../sdk/read.ts';
import type { Session } from '../sdk/session.ts';
import { redisclosureNotice } from '../sdk/categories.ts';
import { plural } from './output.ts';

export interface Completeness {
  /** Never false for a clinician: patients decide what is seen. */
  readonly mayBeIncomplete: boolean;
  readonly because: readonly string[];
}

/** Of a patient's own list, or of what was granted to a clinician. */
export function completenessOf(
  listed: readonly ListedRecord[],
  { session, isOwn, hasNames }: { session: Session; isOwn: boolean; hasNames: boolean },
): Completeness {
  const readable = listed.filter(({ record }) => record.stored !== null && record.erased === null);
  const unopened = hasNames ? readable.filter(({ metadata }) => metadata === null).length : 0;
  const waiting = listed.filter(({ record }) => record.stored === null).length;
  const { standIn } = session.sources;
  const because = [
    isOwn
      ? 'it has what hospitals of this network put here; others may hold more'
      : 'it has what the patient granted to you: other categories, months and places may hold more',
    ...(unopened > 0 ? [`${plural(unopened, 'record')} could not be opened`] : []),
    ...(waiting > 0 ? [`${plural(waiting, 'record')} announced, and not stored yet`] : []),
    ...(standIn === null
      ? []
      : [`the custodian is away: names come from copies at ${standIn}, which may lack some`]),
  ];
  return { mayBeIncomplete: true, because };
}

export function completenessLines({ because }: Completeness): string[] {
  return ['', 'This list may be incomplete:', ...because.map((line) => `  ${line}.`)];
}

/** Notices for the reader of these categories, each once. */
export function noticeLines(categories: Iterable<string>): string[] {
  const notices = [...new Set(categories)].flatMap((name) => redisclosureNotice(name) ?? []);
  return [...new Set(notices)];
}
