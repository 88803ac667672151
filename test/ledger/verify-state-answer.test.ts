/** Answers to queries: proven values, proven absence, freshness, and what is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import type { ReceiptErrorCode } from '../../lib/ledger/errors.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { buildStateAnswer, encodeStateAnswer } from '../../lib/ledger/state-answer.ts';
import { type Freshness, freshnessSigningBytes } from '../../lib/ledger/state-answer.ts';
import type { StateAnswer } from '../../lib/ledger/state-answer.ts';
import { proveKeys, type ProvenEntry, updateTree } from '../../lib/ledger/state-tree.ts';
import { type AnswerOptions, verifyStateAnswer } from '../../lib/ledger/verify-state-answer.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';
import { MemoryPages } from './memory-pages.ts';
import { makeSession, type Seat, TestNetwork } from './test-network.ts';

const NETWORK = 'local-answers';
const nonce = new Uint8Array(16).fill(9);
const other = taggedHash('other');

let network: TestNetwork;
let answer: StateAnswer;
let entries: ProvenEntry[];

beforeAll(async () => {
  network = await TestNetwork.create(NETWORK);
  const pages = new MemoryPages();
  const writes = Array.from({ length: 30 }, (_, i) => ({ key: `k${i}`, value: utf8(`v${i}`) }));
  const { root, pages: made } = await updateTree(null, 3, writes, pages);
  pages.put(made);
  entries = await proveKeys({ height: 3, root }, ['k1', 'k2', 'absent'], pages);
  answer = await answerFor(network.header(3, { stateRoot: root }));
});

async function fresh(
  header: BlockHeader,
  change: Partial<Freshness> = {},
  signer?: Seat['read'],
): Promise<Freshness> {
  const statement = { validator: 'vc', nonce, height: header.height, votedHeight: 4, ...change };
  const seat = network.seats.find(({ id }) => id === statement.validator);
  const key = signer ?? (seat as Seat).read;
  const bytes = freshnessSigningBytes({
    ...statement,
    genesisHash: network.genesis.hash,
    ledger: header.ledger,
  });
  return { ...statement, signature: await key.sign(bytes) };
}

async function answerFor(header: BlockHeader): Promise<StateAnswer> {
  return buildStateAnswer({
    genesis: network.genesis,
    header,
    certificate: header.height === 0 ? null : await network.certify(header),
    entries,
    freshness: await fresh(header),
    sessions: network.genesis.sessions,
    links: [],
  });
}

async function codeOf(changed: unknown, options: AnswerOptions = { nonce }): Promise<string> {
  try {
    await verifyStateAnswer(changed as StateAnswer, network.genesis, options);
    return 'good';
  } catch (error) {
    expect(error).toMatchObject({ name: 'ReceiptError' });
    return (error as { code: string }).code;
  }
}

describe('a state answer', () => {
  it('becomes a view of proven keys, and of nothing else', async () => {
    const view = await verifyStateAnswer(encodeStateAnswer(answer), network.genesis, { nonce });
    expect(await view.get('k1')).toEqual(utf8('v1'));
    expect(await view.get('absent')).toBeUndefined();
    expect(view.header.height).toBe(3);
    expect(view.freshness.votedHeight).toBe(4);
    await expect(view.get('k3')).rejects.toMatchObject({ code: 'not_proven' });
  });

  const table: [string, (good: StateAnswer) => unknown, ReceiptErrorCode][] = [
    ['format', (good) => ({ ...good, format: 'x' }), 'unsupported_format'],
    ['genesis', (good) => ({ ...good, genesisHash: other }), 'wrong_genesis'],
    ['ledger', (good) => ({ ...good, ledger: 'case-1' }), 'wrong_ledger'],
    ['certificate', (good) => ({ ...good, certificate: null }), 'not_certified'],
    [
      'state root',
      (good) => ({ ...good, header: { ...good.header, stateRoot: other } }),
      'certificate_wrong_hash',
    ],
    [
      'value',
      (good) => ({ ...good, entries: withEntry(good, 0, { value: utf8('v2') }) }),
      'proof_invalid',
    ],
    [
      'value taken away',
      (good) => ({ ...good, entries: withEntry(good, 0, { value: null }) }),
      'proof_invalid',
    ],
    [
      'absence',
      (good) => ({ ...good, entries: withEntry(good, 2, { value: utf8('v') }) }),
      'proof_invalid',
    ],
    ['key', (good) => ({ ...good, entries: withEntry(good, 0, { key: 'k3' }) }), 'proof_invalid'],
    ['key', (good) => ({ ...good, entries: withEntry(good, 0, { key: '' }) }), 'proof_invalid'],
    [
      'proof',
      (good) => ({ ...good, entries: withEntry(good, 0, { proof: entries[1]?.proof }) }),
      'proof_invalid',
    ],
    [
      'entry twice',
      (good) => ({ ...good, entries: [...good.entries, ...good.entries] }),
      'duplicate_key',
    ],
    ['nonce', (good) => withFresh(good, { nonce: new Uint8Array(16) }), 'wrong_nonce'],
    ['nonce', (good) => withFresh(good, { nonce: new Uint8Array(15) }), 'malformed'],
    ['height', (good) => withFresh(good, { height: 4 }), 'freshness_invalid'],
    ['voted height', (good) => withFresh(good, { votedHeight: 3 }), 'freshness_invalid'],
    ['validator', (good) => withFresh(good, { validator: 'vd' }), 'freshness_invalid'],
    ['validator', (good) => withFresh(good, { validator: 'zz' }), 'freshness_invalid'],
    [
      'signature',
      (good) => withFresh(good, { signature: new Uint8Array(64) }),
      'freshness_invalid',
    ],
  ];

  it.each(table)('with another %s is refused', async (_name, bend, code) => {
    expect(await codeOf(bend(answer))).toBe(code);
  });

  it('is refused with a freshness statement by a vote key', async () => {
    const voter = network.seats[2] as Seat;
    const freshness = await fresh(answer.header, {}, voter.vote);
    expect(await codeOf({ ...answer, freshness })).toBe('freshness_invalid');
  });

  it('brings the read session that genesis does not hold', async () => {
    const seat = network.seats[1] as Seat;
    const renewed = { ...seat, read: (network.seats[0] as Seat).vote };
    const session = await makeSession(renewed, 'read', { network: NETWORK, fromHeight: 2 });
    const freshness = await fresh(answer.header, { validator: 'vb' }, renewed.read);
    const source = { ...answer, genesis: network.genesis, freshness, sessions: [session] };
    const built = buildStateAnswer(source);
    expect(built.sessions).toEqual([session]);
    expect(await codeOf(built)).toBe('good');
    expect(await codeOf({ ...built, sessions: [] })).toBe('freshness_invalid');
  });

  it('of height 0 is judged by a verifier that knows the root of genesis', async () => {
    const header = genesisHeader(network.genesis, answer.header.stateRoot);
    const first = await answerFor(header);
    const genesisStateRoot = header.stateRoot;
    expect(await codeOf(first)).toBe('genesis_state_unknown');
    expect(await codeOf(first, { genesisStateRoot })).toBe('good');
    expect(await codeOf(first, { genesisStateRoot: other })).toBe('wrong_genesis_header');
    const later = { ...first, header: { ...header, time: 1 } };
    expect(await codeOf(later, { genesisStateRoot })).toBe('wrong_genesis_header');
    const voted = { ...first, certificate: await network.certify(header) };
    expect(await codeOf(voted, { genesisStateRoot })).toBe('not_certified');
  });
});

function withEntry(good: StateAnswer, at: number, change: object): unknown[] {
  return good.entries.map((entry, i) => (i === at ? { ...entry, ...change } : entry));
}

function withFresh(good: StateAnswer, change: object): unknown {
  return { ...good, freshness: { ...good.freshness, ...change } };
}
