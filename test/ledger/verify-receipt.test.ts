/** Receipts with real keys: the good ones, each field changed, and validator set changes. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import type { ReceiptErrorCode } from '../../lib/ledger/errors.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, decodeReceipt, encodeReceipt } from '../../lib/ledger/receipt.ts';
import type { Receipt } from '../../lib/ledger/receipt.ts';
import type { SetLink } from '../../lib/ledger/set-chain.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import { validatorsHash, type ValidatorSet } from '../../lib/wire/validators.ts';
import { makeSeat, makeSession, type Seat, TestNetwork, validatorOf } from './test-network.ts';

const NETWORK = 'local-ledger';
const results = ['a', 'b', 'c', 'd', 'e'].map((digit) =>
  encodeResult({ id: digit.repeat(64), status: 'COMMITTED', code: '', value: { n: digit } }),
);
const INDEX = 2;
const other = taggedHash('other');

let network: TestNetwork;
let foreign: TestNetwork;
let receipt: Receipt;
let linked: Receipt;
let links: SetLink[];
let joiner: Seat;
let newVote: Seat;
/** Seats that vote after the changes: the joiner took the place of `vd`. */
let laterSeats: Seat[];
let laterSet: ValidatorSet;

beforeAll(async () => {
  network = await TestNetwork.create(NETWORK);
  foreign = await TestNetwork.create('local-other');
  const header = network.header(7, { resultsRoot: merkleRoot(results) });
  receipt = buildReceipt({
    genesis: network.genesis,
    header,
    certificate: await network.certify(header),
    results,
    index: INDEX,
    sessions: network.genesis.sessions,
    links: [],
  });
  await makeLinked();
});

/** At 10 the joiner takes `vd`'s seat, at 20 `va` is suspended and `vb` rejoins with a new key. */
async function makeLinked(): Promise<void> {
  const [va, vb, vc] = network.seats as [Seat, Seat, Seat];
  joiner = await makeSeat('ve');
  newVote = { ...vb, vote: (await makeSeat('vb')).vote };
  laterSeats = [newVote, vc, joiner];
  const kept = [va, vb, vc].map((seat) => validatorOf(seat));
  const middle = [...kept, validatorOf(joiner)];
  laterSet = [
    validatorOf(va, { suspended: true }),
    validatorOf(vb, { incarnation: 1 }),
    validatorOf(vc),
    validatorOf(joiner),
  ];
  const first = network.linkHeader(10, network.set, middle);
  const second = network.linkHeader(20, middle, laterSet);
  links = [
    { validators: middle, header: first, certificate: await network.certify(first) },
    {
      validators: laterSet,
      header: second,
      certificate: await network.certify(second, { seats: [va, vc, joiner] }),
    },
  ];
  const header = network.header(25, {
    resultsRoot: merkleRoot(results),
    validatorsHash: validatorsHash(laterSet),
    nextValidatorsHash: validatorsHash(laterSet),
  });
  linked = buildReceipt({
    genesis: network.genesis,
    header,
    certificate: await network.certify(header, { seats: laterSeats }),
    results,
    index: INDEX,
    sessions: [
      ...network.genesis.sessions,
      await makeSession(joiner, 'vote', { network: NETWORK, fromHeight: 11 }),
      await makeSession(newVote, 'vote', { network: NETWORK, incarnation: 1, fromHeight: 21 }),
      await makeSession(joiner, 'read', { network: NETWORK }),
    ],
    links,
  });
}

async function codeOf(changed: unknown, genesis = network.genesis): Promise<string> {
  try {
    await verifyReceipt(changed as Receipt, genesis);
    return 'good';
  } catch (error) {
    expect(error).toMatchObject({ name: 'ReceiptError' });
    return (error as { code: string }).code;
  }
}

/** A copy with one field, named by its path, changed. */
function change(source: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [field, ...rest] = path;
  if (field === undefined) return value;
  if (Array.isArray(source)) {
    return source.map((one: unknown, i) => (i === field ? change(one, rest, value) : one));
  }
  const fields = source as Record<string, unknown>;
  return { ...fields, [field]: change(fields[field], rest, value) };
}

const signature = () => receipt.certificate.votes[1]?.signature;

describe('a receipt', () => {
  it('proves a result from the genesis document alone, decoded or as bytes', async () => {
    for (const form of [receipt, encodeReceipt(receipt)]) {
      const verified = await verifyReceipt(form, network.genesis);
      expect(verified.height).toBe(7);
      expect(verified.time).toBe(receipt.header.time);
      expect(verified.result).toMatchObject({ id: 'c'.repeat(64), status: 'COMMITTED' });
      expect(verified.sets.at(-1)?.fromHeight).toBe(0);
    }
    expect(receipt.sessions).toEqual([]);
    expect(decodeReceipt(encodeReceipt(receipt))).toEqual(receipt);
  });

  it('holds for every result of the block', async () => {
    for (const index of results.keys()) {
      const built = buildReceipt({ ...receipt, genesis: network.genesis, results, index });
      const verified = await verifyReceipt(built, network.genesis);
      expect(encodeResult(verified.result)).toEqual(results[index]);
    }
    const none = () => buildReceipt({ ...receipt, genesis: network.genesis, results, index: 5 });
    expect(none).toThrow('no result');
  });

  const table: [string, (string | number)[], () => unknown, ReceiptErrorCode][] = [
    ['format', ['format'], () => 'carequorum-receipt-2', 'unsupported_format'],
    ['format', ['format'], () => 7, 'malformed'],
    ['genesis', ['genesisHash'], () => other, 'wrong_genesis'],
    ['ledger', ['ledger'], () => 'case-1', 'wrong_ledger'],
    ['result', ['result'], () => results[1], 'result_not_included'],
    ['index', ['index'], () => INDEX + 1, 'result_not_included'],
    ['size', ['size'], () => 3, 'result_not_included'],
    ['proof', ['proof', 0], () => other, 'result_not_included'],
    ['proof', ['proof'], () => [], 'result_not_included'],
    ['proof', ['proof', 0], () => new Uint8Array(31), 'malformed'],
    ['version', ['header', 'protocolVersion'], () => 2, 'malformed'],
    ['header', ['header', 'ledger'], () => 'case-1', 'wrong_ledger'],
    ['header', ['header', 'height'], () => 8, 'certificate_wrong_height'],
    ['header', ['header', 'height'], () => 0, 'not_certified'],
    ['header', ['header', 'view'], () => 1, 'certificate_wrong_hash'],
    ['header', ['header', 'proposer'], () => 'vc', 'certificate_wrong_hash'],
    ['header', ['header', 'previousHash'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'transactionsRoot'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'resultsRoot'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'stateRoot'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'time'], () => 1, 'certificate_wrong_hash'],
    ['header', ['header', 'validatorsHash'], () => other, 'header_wrong_set'],
    ['header', ['header', 'nextValidatorsHash'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'paramsHash'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'historyRoot'], () => other, 'certificate_wrong_hash'],
    ['header', ['header', 'pin'], () => ({ height: 1, hash: other }), 'wrong_pin'],
    ['parent', ['parent'], () => receipt.header, 'wrong_parent'],
    ['certificate', ['certificate', 'phase'], () => 'prepare', 'certificate_wrong_phase'],
    ['certificate', ['certificate', 'height'], () => 6, 'certificate_wrong_height'],
    ['certificate', ['certificate', 'view'], () => 3, 'bad_vote'],
    ['certificate', ['certificate', 'hash'], () => other, 'certificate_wrong_hash'],
    ['votes', ['certificate', 'votes'], () => [], 'too_few_votes'],
    ['votes', ['certificate', 'votes', 0, 'validator'], () => 'vd', 'bad_vote'],
    ['votes', ['certificate', 'votes', 0, 'validator'], () => 'vb', 'duplicate_vote'],
    ['votes', ['certificate', 'votes', 0, 'validator'], () => 'zz', 'ineligible_vote'],
    ['votes', ['certificate', 'votes', 0, 'signature'], signature, 'bad_vote'],
    ['sessions', ['sessions'], () => null, 'malformed'],
    ['links', ['links'], () => null, 'malformed'],
    ['a further field', ['more'], () => 1, 'malformed'],
  ];

  it.each(table)('with another %s (%j) is refused', async (_name, path, value, code) => {
    expect(await codeOf(change(receipt, path, value()))).toBe(code);
  });

  it('covers every field of receipt, header and certificate with that table', () => {
    const named = new Set(table.map(([, path]) => path.slice(0, 2).join('.')));
    const wanted = [
      ...Object.keys(receipt).filter((key) => !['header', 'certificate'].includes(key)),
      ...Object.keys(receipt.header).map((key) => `header.${key}`),
      ...Object.keys(receipt.certificate).map((key) => `certificate.${key}`),
    ];
    for (const field of wanted) {
      expect([...named].some((name) => name === field || name.startsWith(`${field}.`))).toBe(true);
    }
  });

  it('of two votes, or of one validator twice, is refused', async () => {
    const [one, two, three] = receipt.certificate.votes;
    expect(await codeOf(change(receipt, ['certificate', 'votes'], [one, two]))).toBe(
      'too_few_votes',
    );
    expect(await codeOf(change(receipt, ['certificate', 'votes'], [one, two, two]))).toBe(
      'duplicate_vote',
    );
    expect(await codeOf(change(receipt, ['certificate', 'votes'], [three, two, one]))).toBe('good');
  });

  it('of prepare votes, of another ledger or of another view is refused', async () => {
    const { header } = receipt;
    const prepared = await network.certify(header, { phase: 'prepare' });
    const relabelled = { ...prepared, phase: 'commit' as const };
    expect(await codeOf({ ...receipt, certificate: relabelled })).toBe('bad_vote');
    const elsewhere = await network.certify(header, { ledger: 'case-1' });
    expect(await codeOf({ ...receipt, certificate: elsewhere })).toBe('bad_vote');
    const later = await network.certify(header, { view: 4 });
    expect(await codeOf({ ...receipt, certificate: later })).toBe('good');
    const mixed = [...receipt.certificate.votes.slice(0, 2), later.votes[2]];
    expect(await codeOf(change(receipt, ['certificate', 'votes'], mixed))).toBe('bad_vote');
  });

  it('of another network is refused, whatever it says', async () => {
    expect(await codeOf(receipt, foreign.genesis)).toBe('wrong_genesis');
    const renamed = { ...receipt, genesisHash: foreign.genesis.hash };
    expect(await codeOf(renamed, foreign.genesis)).toBe('header_wrong_set');
    const set = validatorsHash(foreign.set);
    const header: BlockHeader = { ...receipt.header, validatorsHash: set };
    const certificate = await network.certify(header);
    const full = { ...renamed, header, certificate };
    expect(await codeOf(full, foreign.genesis)).toBe('bad_vote');
  });

  it('whose included result is not canonical is refused', async () => {
    const odd = [encodeCbor({ id: 'x' })];
    const header = network.header(7, { resultsRoot: merkleRoot(odd) });
    const certificate = await network.certify(header);
    const source = { ...receipt, genesis: network.genesis, header, certificate };
    expect(await codeOf(buildReceipt({ ...source, results: odd, index: 0 }))).toBe(
      'result_malformed',
    );
  });

  it('as bytes is taken in its canonical form only', async () => {
    const bytes = encodeReceipt(receipt);
    expect(await codeOf(bytes.subarray(1))).toBe('malformed');
    expect(await codeOf(new Uint8Array([...bytes, 0]))).toBe('malformed');
    expect(await codeOf(new Uint8Array(0))).toBe('malformed');
    expect(await codeOf(new Uint8Array(1024 * 1024 + 1))).toBe('malformed');
    expect(await codeOf(null)).toBe('malformed');
    expect(await codeOf('receipt')).toBe('malformed');
  });
});

describe('a receipt after set changes', () => {
  it('follows them from genesis and brings only the sessions that its votes need', async () => {
    const verified = await verifyReceipt(encodeReceipt(linked), network.genesis);
    expect(verified.sets.at(-1)?.fromHeight).toBe(21);
    expect(verified.validators).toEqual(laterSet);
    expect(linked.sessions.map(({ body }) => body.validator).sort()).toEqual(['vb', 've']);
  });

  const table: [(string | number)[], () => unknown, ReceiptErrorCode][] = [
    [['links'], () => [], 'bad_session'],
    [['links'], () => links.slice(0, 1), 'bad_session'],
    [['links'], () => links.slice(1), 'link_wrong_set'],
    [['links'], () => [...links].reverse(), 'link_wrong_set'],
    [['links', 0, 'validators'], () => laterSet, 'link_wrong_next_set'],
    [['links', 0, 'validators', 3, 'suspended'], () => true, 'link_wrong_next_set'],
    [['links', 0, 'header', 'ledger'], () => 'case-1', 'wrong_ledger'],
    [['links', 0, 'header', 'height'], () => 0, 'link_out_of_order'],
    [['links', 0, 'header', 'height'], () => 11, 'link_not_certified'],
    [['links', 0, 'header', 'validatorsHash'], () => other, 'link_wrong_set'],
    [['links', 0, 'header', 'nextValidatorsHash'], () => other, 'link_not_certified'],
    [['links', 0, 'header', 'time'], () => 5, 'link_not_certified'],
    [['links', 0, 'certificate', 'phase'], () => 'prepare', 'link_not_certified'],
    [['links', 0, 'certificate', 'votes'], () => [], 'link_not_certified'],
    [['links', 1, 'header', 'height'], () => 10, 'link_out_of_order'],
    [['links', 1, 'certificate', 'hash'], () => other, 'link_not_certified'],
    [['sessions'], () => [], 'link_not_certified'],
    [['sessions'], () => linked.sessions.slice(0, 1), 'bad_vote'],
    [['sessions', 0, 'signature'], () => linked.sessions[1]?.signature, 'link_not_certified'],
    [['sessions', 1, 'signature'], () => linked.sessions[0]?.signature, 'bad_session'],
    [['sessions', 1, 'body', 'untilHeight'], () => 22, 'bad_session'],
    [['sessions', 1, 'body', 'network'], () => 'local-other', 'bad_session'],
    [['sessions', 1], () => linked.sessions[0], 'bad_session'],
    [['header', 'height'], () => 20, 'header_wrong_set'],
  ];

  it.each(table)('with another %j is refused', async (path, value, code) => {
    expect(await codeOf(change(linked, path, value()))).toBe(code);
  });

  it('names why a set change is not certified', async () => {
    const bent = change(linked, ['links', 0, 'certificate', 'votes'], []);
    await expect(verifyReceipt(bent as Receipt, network.genesis)).rejects.toMatchObject({
      code: 'link_not_certified',
      cause: { code: 'too_few_votes' },
    });
  });

  it('with a vote of the suspended, the removed or an old incarnation is refused', async () => {
    const [va, vb, vc, vd] = network.seats as [Seat, Seat, Seat, Seat];
    const votedBy = async (seats: Seat[]) => {
      const certificate = await network.certify(linked.header, { seats });
      return codeOf({ ...linked, certificate });
    };
    expect(await votedBy([newVote, vc, joiner])).toBe('good');
    expect(await votedBy([va, newVote, vc])).toBe('ineligible_vote');
    expect(await votedBy([newVote, vc, vd])).toBe('ineligible_vote');
    expect(await votedBy([vb, vc, joiner])).toBe('bad_vote');
  });

  it('with votes of a read key, or outside a session, is refused', async () => {
    const [, , vc] = network.seats as [Seat, Seat, Seat];
    const reader = { ...vc, vote: vc.read };
    const certificate = await network.certify(linked.header, { seats: [newVote, reader, joiner] });
    expect(await codeOf({ ...linked, certificate })).toBe('bad_vote');
    const header = { ...receipt.header, height: 1001 };
    const late = await network.certify(header);
    expect(await codeOf({ ...receipt, header, certificate: late })).toBe('bad_vote');
  });

  it('that hides a set change which the verifier has seen is refused', async () => {
    const sinceTime = links[1]?.header.time ?? 0;
    const known = { fromHeight: 21, validatorsHash: validatorsHash(laterSet), sinceTime };
    await expect(verifyReceipt(linked, network.genesis, { known })).resolves.toBeDefined();
    await expect(verifyReceipt(receipt, network.genesis, { known })).resolves.toBeDefined();
    const header = { ...receipt.header, height: 30 };
    const forged = { ...receipt, header, certificate: await network.certify(header) };
    await expect(verifyReceipt(forged, network.genesis)).resolves.toBeDefined();
    await expect(verifyReceipt(forged, network.genesis, { known })).rejects.toMatchObject({
      code: 'stale_set',
    });
  });

  it('of a height before a known set change, but with a later time, is refused', async () => {
    const sinceTime = links[1]?.header.time ?? 0;
    const known = { fromHeight: 21, validatorsHash: validatorsHash(laterSet), sinceTime };
    for (const [time, verdict] of [
      [sinceTime, 'good'],
      [sinceTime + 1, 'stale_set'],
    ] as const) {
      const header = { ...receipt.header, time };
      const backdated = { ...receipt, header, certificate: await network.certify(header) };
      const judged = verifyReceipt(backdated, network.genesis, { known }).then(
        () => 'good',
        (error: unknown) => (error as { code: string }).code,
      );
      expect(await judged).toBe(verdict);
    }
  });

  it('by those who were suspended or removed later holds, as it was theirs to certify', async () => {
    const [va, vb, , vd] = network.seats as [Seat, Seat, Seat, Seat];
    const known = {
      fromHeight: 21,
      validatorsHash: validatorsHash(laterSet),
      sinceTime: links[1]?.header.time ?? 0,
    };
    const header = { ...receipt.header, time: receipt.header.time - 1 };
    const certificate = await network.certify(header, { seats: [va, vb, vd] });
    const earlier = { ...receipt, header, certificate };
    await expect(verifyReceipt(earlier, network.genesis, { known })).resolves.toBeDefined();
  });
});

describe('the genesis header', () => {
  it('is determined by the document and the root of its state', () => {
    const header = genesisHeader(network.genesis, other);
    expect(header).toMatchObject({ height: 0, view: 0, proposer: 'va', ledger: 'main' });
    expect(toHex(header.validatorsHash)).toBe(toHex(validatorsHash(network.set)));
    expect(header.nextValidatorsHash).toEqual(header.validatorsHash);
    expect(header.stateRoot).toEqual(other);
    expect(header.time).toBe(network.genesis.document.createdAt);
  });
});
