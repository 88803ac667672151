/** What the comparison of ledgers must notice, on readers that show made-up blocks. */
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { checkLedgers, type LedgerReader } from '../../local/lib/ledger-check.ts';
import type { Block } from '../../local/lib/validator-reader.ts';

const HEIGHT = 5;
const idAt = (height: number): string => `tx-${height}`;
const committed = [2, 3, 4].map((height) => ({ id: idAt(height), height }));

function blockAt(height: number, content = `block ${height}`): Block {
  const hash = sha256(utf8(content));
  // Nothing of a header but its state root is read.
  const header = { stateRoot: hash } as unknown as Block['header'];
  const transactionIds = [idAt(height)];
  return { height, hash, header, certificate: null, transactionIds, transactions: [] };
}

function reader(id: string, change: (height: number) => Block | null = blockAt): LedgerReader {
  const health = {
    status: 200,
    code: '',
    height: HEIGHT,
    view: 0,
    leader: 'a',
    learner: false,
    halted: '',
  };
  return {
    id,
    health: () => Promise.resolve(health),
    look: (height) => Promise.resolve(change(height) ?? 'absent'),
  };
}

const sought = { committed, accepted: committed.map(({ id }) => id) };
const faultsWith = async (change: (height: number) => Block | null): Promise<string> =>
  (await checkLedgers([reader('a'), reader('b'), reader('c', change)], sought)).faults.join();

describe('ledgers that are compared', () => {
  it('agree where all hold the same blocks', async () => {
    const checked = await checkLedgers([reader('a'), reader('b')], sought);
    expect(checked).toMatchObject({ height: HEIGHT, transactions: 3, lost: 0, faults: [] });
    expect(checked.validators).toEqual([
      { id: 'a', keptFrom: 2 },
      { id: 'b', keptFrom: 2 },
    ]);
  });

  it('may begin later at one that came back by a snapshot', async () => {
    expect(await faultsWith((height) => (height < 4 ? null : blockAt(height)))).toBe('');
  });

  it('differ in one header', async () => {
    const faults = await faultsWith((height) =>
      height === 4 ? { ...blockAt(4, 'another'), transactionIds: [idAt(4)] } : blockAt(height),
    );
    expect(faults).toBe('a and c differ at block 4');
  });

  it('lack a committed transaction', async () => {
    const faults = await faultsWith((height) =>
      height === 3 ? { ...blockAt(3), transactionIds: [] } : blockAt(height),
    );
    expect(faults).toBe('c holds transaction tx-3 of block 3 0 times');
  });

  it('hold a committed transaction twice', async () => {
    const faults = await faultsWith((height) =>
      height === 5 ? { ...blockAt(5), transactionIds: [idAt(5), idAt(3)] } : blockAt(height),
    );
    expect(faults).toBe('c holds transaction tx-3 of block 3 2 times');
  });

  it('lack what a validator took and its client never had a receipt for', async () => {
    const taken = { committed, accepted: [...sought.accepted, idAt(5), 'tx-nowhere'] };
    const checked = await checkLedgers([reader('a'), reader('b')], taken);
    expect(checked.lost).toBe(1);
    expect(checked.faults).toEqual(['transaction tx-nowhere was taken and stands in no block']);
  });

  it('hold a transaction of somebody else twice', async () => {
    const repeated = (height: number): Block =>
      height < 4
        ? blockAt(height)
        : { ...blockAt(height), transactionIds: [idAt(height), 'other'] };
    const checked = await checkLedgers([reader('a', repeated), reader('b', repeated)], sought);
    expect(checked.faults).toEqual([
      'a holds 1 other transactions twice',
      'b holds 1 other transactions twice',
    ]);
  });

  it('are waited for where a validator still fetches what was before its snapshot', async () => {
    let looks = 0;
    const slow: LedgerReader = {
      ...reader('c'),
      look: (height) => {
        looks += 1;
        return Promise.resolve(height === 3 && looks < 4 ? 'fetching' : blockAt(height));
      },
    };
    const checked = await checkLedgers([reader('a'), slow], sought);
    expect(checked).toMatchObject({ faults: [], validators: [{ keptFrom: 2 }, { keptFrom: 2 }] });
  });

  it('have a hole', async () => {
    const faults = await faultsWith((height) => (height === 4 ? null : blockAt(height)));
    expect(faults).toContain('c lacks blocks above 2');
  });
});
