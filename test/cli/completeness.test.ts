/** No list is shown as everything there is: each says why something may be missing. */
import { describe, expect, it } from 'vitest';
import { completenessLines, completenessOf, noticeLines } from '../../cli/completeness.ts';
import type { ListedRecord } from '../../sdk/read.ts';
import type { Session } from '../../sdk/session.ts';

const session = (standIn: string | null) => ({ sources: { standIn } }) as unknown as Session;
const record = (stored: object | null, metadata: object | null) =>
  ({ record: { stored, erased: null }, metadata }) as unknown as ListedRecord;

describe('a list of records', () => {
  it('may always be incomplete, an empty one too, and says why', () => {
    for (const isOwn of [true, false]) {
      const said = completenessOf([], { session: session(null), isOwn, hasNames: true });
      expect(said.mayBeIncomplete).toBe(true);
      expect(said.because).toHaveLength(1);
      expect(completenessLines(said).join('\n')).toContain('This list may be incomplete:');
    }
  });

  it('counts what does not open and what is not stored, and names the copy in an outage', () => {
    const listed = [record({}, null), record({}, {}), record(null, null)];
    const about = { session: session('hospital-b'), isOwn: false, hasNames: true };
    expect(completenessOf(listed, about).because.slice(1)).toEqual([
      '1 record could not be opened',
      '1 record announced, and not stored yet',
      'the custodian is away: names come from copies at hospital-b, which may lack some',
    ]);
    const nameless = completenessOf(listed, { ...about, hasNames: false });
    expect(nameless.because.join()).not.toContain('could not be opened');
  });

  it('has the notice of a protected category once', () => {
    const names = ['laboratory', 'substance-use-treatment', 'substance-use-treatment'];
    expect(noticeLines(names)).toHaveLength(1);
    expect(noticeLines(['laboratory'])).toEqual([]);
  });
});
