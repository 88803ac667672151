/** Keys of validators that were replaced may leak: what they certify opens nothing new. */
import { beforeEach, describe, expect, it } from 'vitest';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, encodeReceipt } from '../../lib/ledger/receipt.ts';
import type { SetLink } from '../../lib/ledger/set-chain.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import { type SessionCertificate, sessionSigningBytes } from '../../lib/wire/session.ts';
import { validatorsHash, type ValidatorSet } from '../../lib/wire/validators.ts';
import { voteSigningBytes } from '../../lib/wire/vote.ts';
import {
  makeCustodian,
  makeRecord,
  type TestCustodian,
  type TestRecord,
  upload,
} from './fixture.ts';

interface Voter {
  id: string;
  vote: SigningKey;
}

/** Blocks from this height on are certified by the next set. */
const CHANGE = 100;
const DAY_MS = 24 * 3_600_000;

let custodian: TestCustodian;
let record: TestRecord;
let reader: SigningKey;
let oldVoters: Voter[];
let newVoters: Voter[];
let newSet: ValidatorSet;
let sessions: SessionCertificate[];
let links: SetLink[];
let changedAt: number;

beforeEach(async () => {
  custodian = await makeCustodian();
  record = await makeRecord(randomBytes(100));
  reader = await generateSigningKey();
  expect((await upload(custodian, record)).status).toBe(200);
  const { validators, genesis } = custodian.net;
  changedAt = custodian.clock.now;
  oldVoters = validators.slice(0, 3);
  // The last three seats rejoin under a new incarnation, with new vote keys.
  newVoters = await Promise.all(
    validators.slice(1).map(async ({ id }) => ({ id, vote: await generateSigningKey() })),
  );
  newSet = genesis.validators.map((seat, at) => (at === 0 ? seat : { ...seat, incarnation: 1 }));
  sessions = await Promise.all(
    newVoters.map(async ({ id, vote }, at) => {
      const body = {
        network: 'local-test',
        validator: id,
        incarnation: 1,
        purpose: 'vote' as const,
        key: vote.publicKey,
        fromHeight: CHANGE,
        untilHeight: 2 ** 40,
      };
      return { body, signature: await validators[at + 1]!.kms.sign(sessionSigningBytes(body)) };
    }),
  );
  const header = headerOf(CHANGE - 1, changedAt, genesis.validators, newSet);
  links = [{ validators: newSet, header, certificate: await certify(header, oldVoters) }];
});

function headerOf(
  height: number,
  time: number,
  set: ValidatorSet,
  next = set,
  resultsRoot: Uint8Array = new Uint8Array(32),
): BlockHeader {
  const hash = new Uint8Array(32);
  return {
    protocolVersion: 1,
    ledger: 'main',
    height,
    view: 0,
    proposer: 'hospital-b',
    previousHash: hash,
    transactionsRoot: hash,
    resultsRoot,
    stateRoot: hash,
    time,
    validatorsHash: validatorsHash(set),
    nextValidatorsHash: validatorsHash(next),
    paramsHash: hash,
    historyRoot: hash,
    pin: null,
  };
}

async function certify(header: BlockHeader, voters: readonly Voter[]) {
  const { height, validatorsHash: set } = header;
  const vote = { phase: 'commit' as const, height, view: 0, hash: headerHash(header) };
  const context = { genesisHash: custodian.net.genesis.hash, ledger: 'main', validatorsHash: set };
  const bytes = voteSigningBytes(context, vote);
  const votes = await Promise.all(
    voters.map(async (one) => ({ validator: one.id, signature: await one.vote.sign(bytes) })),
  );
  return { ...vote, votes };
}

/** A permit certified by the old or the new set, at this height and time. */
async function permit(by: 'old' | 'new', height: number, time: number): Promise<Uint8Array> {
  const { genesis } = custodian.net;
  const value = {
    fn: 'access.request',
    decision: 'permit',
    recordId: record.value.recordId,
    objectDigest: record.value.digest,
    readerKid: thumbprint(reader.publicKey),
    // As somebody with stolen keys would have it: for ever.
    usableUntil: 2 ** 47,
  };
  const result = { id: 'ab'.repeat(32), status: 'COMMITTED' as const, code: '', value };
  const results = [encodeResult(result)];
  const set = by === 'old' ? genesis.validators : newSet;
  const header = headerOf(height, time, set, set, merkleRoot(results));
  const certificate = await certify(header, by === 'old' ? oldVoters : newVoters);
  const chain = by === 'old' ? { sessions: [], links: [] } : { sessions, links };
  return encodeReceipt(buildReceipt({ genesis, header, certificate, results, index: 0, ...chain }));
}

async function access(receipt: Uint8Array): Promise<string> {
  const answer = await custodian.call('POST', '/v1/access', {}, { key: reader, receipt });
  return answer.status === 200 ? 'open' : String(answer.body['code']);
}

describe('a set of validators that was replaced', () => {
  it('certifies nothing above its heights once the custodian has seen the change', async () => {
    const later = changedAt + 60_000;
    custodian.clock.now = later;
    const forged = await permit('old', CHANGE + 5, later);
    // Nobody can tell from genesis alone: that is why the custodian remembers.
    expect(await access(await permit('new', CHANGE, later))).toBe('open');
    expect(await access(forged)).toBe('receipt_stale_set');
    expect(await access(await permit('new', CHANGE + 1, later))).toBe('open');
  });

  it('certifies nothing younger than its end at a height below the change', async () => {
    const later = changedAt + 60_000;
    custodian.clock.now = later;
    expect(await access(await permit('new', CHANGE, later))).toBe('open');
    expect(await access(await permit('old', 50, later))).toBe('receipt_stale_set');
    expect(await access(await permit('old', 50, changedAt - 1))).toBe('open');
  });

  it('opens nothing with a permit that claims to hold for ever', async () => {
    custodian.clock.now = changedAt + 301_000;
    expect(await access(await permit('new', CHANGE, custodian.clock.now))).toBe('open');
    expect(await access(await permit('old', 50, changedAt - 1))).toBe('receipt_expired');
    expect(await access(await permit('new', CHANGE + 1, changedAt + 1))).toBe('receipt_expired');
  });

  it('certifies nothing at all a day after it was replaced', async () => {
    const old = await makeRecord(randomBytes(50));
    const registered = await custodian.receiptOf(old.value);
    const { wrap, sealedMetadata, checksums, uploader } = old;
    const open = () =>
      custodian.call(
        'POST',
        '/v1/uploads',
        { wrap, sealedMetadata, checksums },
        { key: uploader, receipt: registered },
      );
    custodian.clock.now = changedAt + DAY_MS - 60_000;
    expect(await access(await permit('new', CHANGE, custodian.clock.now))).toBe('open');
    expect((await open()).status).toBe(200);
    custodian.clock.now = changedAt + DAY_MS + 60_000;
    expect((await open()).body['code']).toBe('receipt_stale_set');
  });

  it('stays forgotten though the process starts anew: the memory is in the store', async () => {
    const stored = await custodian.store.get({ pk: 'service', sk: 'known-set' });
    expect(stored).toBeNull();
    custodian.clock.now = changedAt + 1_000;
    expect(await access(await permit('new', CHANGE, custodian.clock.now))).toBe('open');
    const known = await custodian.store.get({ pk: 'service', sk: 'known-set' });
    expect(known?.value).toMatchObject({ fromHeight: CHANGE, sinceTime: changedAt });
  });
});
