/** Studies in words that a patient understands. */
import type { Study } from '../lib/chaincode/study-values.ts';
import { listText } from './words.ts';
import { timeText } from './times.ts';

const quasiWords = {
  'birth-year': 'the year of your birth, or a span of years',
  sex: 'your sex',
  postcode: 'up to three digits of your postcode',
} as const;

/** What a patient agrees to by joining. */
export function promiseLines({ id, title, k, l, quasi, categories, until }: Study): string[] {
  const values = l > 1 ? `, with ${l} different findings among them` : '';
  return [
    `  the study   ${title} (${id}), until ${timeText(until)}`,
    `  wants       ${listText(categories)}`,
    '  gets        codes, numbers and years of your records under a random name; not your name,',
    '              address, dates or numbers, and no texts, scans or pictures',
    `  and         ${listText(quasi.map((one) => quasiWords[one]))}`,
    `  only when   ${k} patients or more cannot be told apart${values}`,
    `  to stop     carequorum study leave ${id}`,
  ];
}

export function studyState({ approved, closed, until }: Study, now: number): string {
  if (closed !== null) return 'closed';
  if (until <= now) return 'over';
  return approved === null ? 'awaits approval' : 'open';
}
