/** Copies at hospitals and erasure, as the ledger decides them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { rotationSigningBytes } from '../../lib/chaincode/rotation.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { readEscrowEnd } from '../../lib/escrow/capability.ts';
import {
  type Acting,
  DAY,
  escrowArgs,
  grantArgs,
  NETWORK,
  OTHER_TAG,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  TAG,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const DIGEST = text32('digest');

let world: World;
let anna: PatientKeys;
let writer: Person;
let recordId: string;

/** A stored record of the patient. */
async function stored(more: object = {}): Promise<string> {
  const args = recordArgs(anna, more as never);
  valueOf(await world.submit(writer, 'record.register', args));
  const id = args['recordId'] as string;
  valueOf(
    await world.submit(world.custodian, 'record.stored', { recordId: id, objectDigest: DIGEST }),
  );
  return id;
}

/** Lets somebody of a hospital read. */
async function granted(hospital: number, more: object = {}): Promise<string> {
  const reader = await world.registered('doctor', { hospital });
  const args = grantArgs(world, reader, { rights: ['read'], ...more });
  valueOf(await world.submit(anna, 'permission.grant', args));
  return args['permissionId'] as string;
}

const request = (hospital: number, permissionIds: string[]) =>
  world.submit(world.hospital(hospital), 'copy.request', {
    pseudonym: anna.pseudonym,
    permissionIds,
  });

const held = (hospital: number, id = recordId, objectDigest = DIGEST) =>
  world.submit(world.hospital(hospital), 'copy.held', {
    pseudonym: anna.pseudonym,
    records: [{ recordId: id, objectDigest }],
  });

const copies = async () =>
  (await world.ask(anna, 'copy.list')) as unknown as {
    items: { recordId: string; copies: { hospital: string }[] }[];
    copiers: { hospital: string }[];
    chosen: string[];
  };

const lastEntry = async () => {
  const page = (await world.ask(anna, 'history.list')) as unknown as {
    items: { fn: string; decision: string; reason: string | null }[];
  };
  return page.items.at(-1);
};

beforeEach(async () => {
  world = (await World.make()).fork();
  anna = await world.patient('Anna');
  writer = await world.registered('nurse');
  const write = grantArgs(world, writer, { rights: ['write'], categories: [TAG, OTHER_TAG] });
  valueOf(await world.submit(anna, 'permission.grant', write));
  recordId = await stored();
});

describe('who signs for a hospital', () => {
  it('is the read key of its present seat, and no other key', async () => {
    const at = { time: world.time, network: NETWORK };
    const { read, vote } = world.network.validators[1]!;
    const signed = await world.signed({ key: read }, 'copy.request', {});
    expect((await resolveKeys(world, signed, at)).outer).toEqual(read.publicKey);
    for (const key of [vote, await generateSigningKey()]) {
      const other = await world.signed({ key }, 'copy.request', {});
      await expect(resolveKeys(world, other, at)).rejects.toMatchObject({ code: 'unknown_signer' });
    }
  });
});

describe('copy.request', () => {
  it('permits the categories that somebody of the hospital may read, and says for how long', async () => {
    const id = await granted(1);
    const value = valueOf(await request(1, [id]));
    expect(value).toMatchObject({ decision: 'permit', all: false, hospital: 'hospital-b' });
    expect(value['scopes']).toEqual([{ tag: TAG, dataFrom: null, dataUntil: null }]);
    expect(value['shares']).toMatchObject([{ permissionId: id, shareDigest: text32('share') }]);
    expect(value['usableUntil']).toBe((value['decidedAt'] as number) + 300_000);
    expect(await lastEntry()).toMatchObject({ fn: 'copy.request', decision: 'permit' });
  });

  it('denies a hospital nobody of which may read, and the patient is told', async () => {
    const id = await granted(1);
    const value = valueOf(await request(2, [id]));
    expect(value).toMatchObject({ decision: 'deny', reason: 'no_permission' });
    expect(value['usableUntil']).toBeUndefined();
    expect(await topicsOf(world, anna)).toContain('access.denied');
    expect(outcome(await held(2))).toBe('copy_not_requested');
  });

  it('denies on a permission to write, one of another patient, and one that is over', async () => {
    const [bert, only] = [await world.patient('Bert'), await granted(1, { rights: ['write'] })];
    const reader = await world.registered('doctor', { hospital: 1 });
    const args = grantArgs(world, reader, { rights: ['read'] });
    valueOf(await world.submit(bert, 'permission.grant', args));
    const others = args['permissionId'] as string;
    expect(valueOf(await request(1, [only, others]))).toMatchObject({
      decision: 'deny',
      reason: 'right_not_granted',
    });
    const ends = await granted(1, { until: world.time + DAY });
    world.time += DAY;
    expect(valueOf(await request(1, [ends]))).toMatchObject({ reason: 'permission_expired' });
  });

  it('denies in the block of a revocation and ever after', async () => {
    const id = await granted(1);
    expect(valueOf(await request(1, [id]))).toMatchObject({ decision: 'permit' });
    valueOf(await world.submit(anna, 'permission.revoke', { permissionId: id }));
    expect(valueOf(await request(1, [id]))).toMatchObject({ reason: 'permission_revoked' });
  });

  it('permits a chosen hospital everything, with the shares of others', async () => {
    const id = await granted(1);
    const hospitals = ['hospital-c', 'hospital-d'];
    expect(outcome(await world.submit(anna, 'patient.choose-hospitals', { hospitals }))).toBe(
      'COMMITTED',
    );
    const value = valueOf(await request(2, [id]));
    expect(value).toMatchObject({ decision: 'permit', all: true });
    expect(value['shares']).toHaveLength(1);
    valueOf(await world.submit(anna, 'patient.choose-hospitals', { hospitals: [] }));
    expect(valueOf(await request(2, [id]))).toMatchObject({ decision: 'deny' });
  });

  it.each([[['hospital-c']], [['hospital-c', 'hospital-c']], [['hospital-c', 'nobody']]])(
    'takes no choice of %j',
    async (hospitals) => {
      const done = await world.submit(anna, 'patient.choose-hospitals', { hospitals });
      expect(['bad_arguments', 'unknown_hospital']).toContain(outcome(done));
    },
  );
});

describe('copy.held and copy.deleted', () => {
  it('are listed to the patient, hospital by hospital, until deleted', async () => {
    valueOf(await request(1, [await granted(1)]));
    const value = valueOf(await held(1));
    expect(value['records']).toMatchObject([
      { recordId, objectDigest: DIGEST, ciphertextLength: 4096, uploaderKid: writer.kid },
    ]);
    valueOf(await held(1));
    const listed = await copies();
    expect(listed.items[0]?.copies).toMatchObject([{ hospital: 'hospital-b', digest: DIGEST }]);
    expect(listed.copiers).toMatchObject([{ hospital: 'hospital-b' }]);
    const { pseudonym } = anna;
    const gone = { pseudonym, recordIds: [recordId], all: true };
    valueOf(await world.submit(world.hospital(1), 'copy.deleted', gone));
    expect(await copies()).toMatchObject({ items: [{ copies: [] }], copiers: [] });
    expect(await topicsOf(world, anna)).toContain('copy.deleted');
    expect(outcome(await held(1))).toBe('copy_not_requested');
  });

  it('take no other bytes, no record of another patient, none that is not stored', async () => {
    valueOf(await request(1, [await granted(1)]));
    expect(outcome(await held(1, recordId, text32('other bytes')))).toBe('digest_mismatch');
    expect(outcome(await held(1, 'AAAAAAAAAAAAAAAAAAAAAA'))).toBe('unknown_record');
    const args = recordArgs(anna);
    valueOf(await world.submit(writer, 'record.register', args));
    expect(outcome(await held(1, args['recordId'] as string))).toBe('record_not_stored');
  });

  it('cannot speak for another hospital', async () => {
    valueOf(await request(1, [await granted(1)]));
    valueOf(await held(1));
    const gone = { pseudonym: anna.pseudonym, recordIds: [recordId], all: true };
    const done = await world.submit(world.hospital(2), 'copy.deleted', gone);
    expect(outcome(done)).toBe('copy_not_requested');
    expect((await copies()).items[0]?.copies).toHaveLength(1);
  });
});

describe('record.erase', () => {
  const acknowledge = (who: Acting) =>
    world.submit(who, 'record.erased', { recordIds: [recordId] });
  const status = async () =>
    (await world.ask(anna, 'erasure.get', { recordId })) as unknown as { missing: string[] };

  beforeEach(async () => {
    valueOf(await request(1, [await granted(1)]));
    valueOf(await held(1));
  });

  it('ends access in its block, lists who must act, and who has', async () => {
    const done = valueOf(await world.submit(anna, 'record.erase', { recordIds: [recordId] }));
    expect(done['holders']).toEqual(['records', 'hospital-b']);
    expect((await status()).missing).toEqual(['records', 'hospital-b']);
    const asked = { recordId, purpose: 'PATRQT' };
    expect(valueOf(await world.submit(anna, 'access.request', asked))).toMatchObject({
      decision: 'deny',
      reason: 'record_erased',
    });
    expect(outcome(await held(1))).toBe('record_erased');
    valueOf(await acknowledge(world.custodian));
    expect((await status()).missing).toEqual(['hospital-b']);
    valueOf(await acknowledge(world.hospital(1)));
    expect((await status()).missing).toEqual([]);
    expect((await copies()).items[0]?.copies).toEqual([]);
    const record = await world.ask(anna, 'record.get', { recordId });
    expect(record).toMatchObject({ erased: { height: expect.any(Number) as number } });
    const notices = await topicsOf(world, anna);
    expect(notices.filter((one) => one === 'erasure.acknowledged')).toHaveLength(2);
    expect(await topicsOf(world, writer)).toContain('erasure.ordered');
  });

  it('is the patient’s alone, and final', async () => {
    const bert = await world.patient('Bert');
    const erase = (who: PatientKeys) =>
      world.submit(who, 'record.erase', { recordIds: [recordId] });
    expect(outcome(await erase(bert))).toBe('unknown_record');
    expect(outcome(await acknowledge(world.custodian))).toBe('not_erased');
    valueOf(await erase(anna));
    expect(outcome(await erase(anna))).toBe('record_erased');
    const review = { recordId, objectDigest: DIGEST };
    expect(outcome(await world.submit(anna, 'record.countersign', review))).toBe('record_erased');
    const late = recordArgs(anna, { supersedes: recordId });
    expect(outcome(await world.submit(writer, 'record.register', late))).toBe('unknown_superseded');
  });

  it('takes no word of one that held nothing, and each word once', async () => {
    valueOf(await world.submit(anna, 'record.erase', { recordIds: [recordId] }));
    expect(outcome(await acknowledge(world.hospital(2)))).toBe('not_a_holder');
    valueOf(await acknowledge(world.custodian));
    valueOf(await acknowledge(world.custodian));
    const { erasure } = (await world.ask(anna, 'erasure.get', { recordId })) as unknown as {
      erasure: { acknowledged: unknown[] };
    };
    expect(erasure.acknowledged).toHaveLength(1);
  });

  it('stops an upload that is under way', async () => {
    const args = recordArgs(anna);
    valueOf(await world.submit(writer, 'record.register', args));
    const id = args['recordId'] as string;
    valueOf(await world.submit(anna, 'record.erase', { recordIds: [id] }));
    const said = { recordId: id, objectDigest: DIGEST };
    expect(outcome(await world.submit(world.custodian, 'record.stored', said))).toBe(
      'record_erased',
    );
  });
});

describe('patient.erase', () => {
  it('ends everything under the pseudonym but reading what was done', async () => {
    const id = await granted(1);
    const reader = await world.registered('doctor', { hospital: 1 });
    valueOf(await world.submit(anna, 'permission.grant', grantArgs(world, reader)));
    valueOf(await request(1, [id]));
    const done = valueOf(await world.submit(anna, 'patient.erase', {}));
    expect(done['holders']).toEqual(['records', 'hospital-b']);
    const { pseudonym } = anna;
    const asked = { recordId, purpose: 'TREAT' };
    expect(valueOf(await world.submit(reader, 'access.request', asked))).toMatchObject({
      reason: 'record_erased',
    });
    const list = { pseudonym, purpose: 'TREAT' };
    expect(valueOf(await world.submit(reader, 'access.list', list))).toMatchObject({
      reason: 'patient_erased',
    });
    expect(valueOf(await request(1, [id]))).toMatchObject({ reason: 'patient_erased' });
    expect(outcome(await world.submit(writer, 'record.register', recordArgs(anna)))).toBe(
      'patient_erased',
    );
    for (const fn of ['patient.erase', 'record.erase', 'access.request']) {
      const args = fn === 'record.erase' ? { recordIds: [recordId] } : asked;
      const given = fn === 'patient.erase' ? {} : args;
      expect(outcome(await world.submit(anna, fn, given))).toBe('patient_erased');
    }
    valueOf(await world.submit(world.custodian, 'patient.erased', { pseudonym }));
    valueOf(await world.submit(world.hospital(1), 'patient.erased', { pseudonym }));
    expect(await world.ask(anna, 'erasure.get')).toMatchObject({ missing: [] });
    expect((await copies()).copiers).toEqual([]);
    expect(await lastEntry()).toMatchObject({ fn: 'patient.erased' });
  });
});

describe('after a rotation', () => {
  const DELETED = { recordIds: [], all: true };
  let next: PatientKeys;

  /** As the ledger has it once the custodian and the patient moved the record. */
  async function rotated(): Promise<void> {
    next = await world.patientKeys('Anna anew');
    const { owner, pseudonym } = next;
    const successor = { ...registerArgs(next), sealingKeyDigest: text32('sealing key') };
    const bytes = rotationSigningBytes({
      ...{ network: NETWORK, from: anna.pseudonym },
      successor: successor as never,
    });
    const ownerSignature = toBase64url(await owner.sign(bytes));
    const begun = await world.submit(anna, 'patient.rotate-begin', {
      ...successor,
      ...{ pseudonym, ownerSignature },
    });
    valueOf(begun);
  }

  const hospitalsOf = (items: { copies: { hospital: string }[] }[]) =>
    items.map((one) => one.copies.map(({ hospital }) => hospital));

  interface Listed {
    items: { recordId: string; copies: { hospital: string }[] }[];
    copiers: { hospital: string }[];
    earlier: { pseudonym: string; copiers: { hospital: string }[] }[];
  }
  const listed = (who: PatientKeys, pseudonym?: string) =>
    world.ask(
      who,
      'copy.list',
      pseudonym === undefined ? {} : { pseudonym },
    ) as unknown as Promise<Listed>;

  beforeEach(async () => {
    valueOf(await request(1, [await granted(1)]));
    valueOf(await held(1));
    await rotated();
  });

  it('copies of the earlier pseudonym stay listed, until the hospital says they are gone', async () => {
    const { pseudonym } = anna;
    const now = await listed(next);
    expect(now.items).toEqual([]);
    expect(now.copiers).toEqual([]);
    expect(now.earlier).toMatchObject([{ pseudonym, copiers: [{ hospital: 'hospital-b' }] }]);
    const before = await listed(next, pseudonym);
    expect(before.items.map((one) => one.recordId)).toEqual([recordId]);
    expect(hospitalsOf(before.items)).toEqual([['hospital-b']]);
    const gone = { pseudonym, ...DELETED };
    valueOf(await world.submit(world.hospital(1), 'copy.deleted', gone));
    expect(hospitalsOf((await listed(next, pseudonym)).items)).toEqual([[]]);
    expect((await listed(next)).earlier).toMatchObject([{ pseudonym, copiers: [] }]);
    const bert = await world.patient('Bert');
    for (const name of [pseudonym, next.pseudonym]) {
      await expect(listed(bert, name)).rejects.toMatchObject({ code: 'unknown_patient' });
    }
  });

  it('the hospital can name the record that moved on, under the earlier pseudonym', async () => {
    const { pseudonym } = anna;
    const layered = { recordId, generation: 1, objectDigest: text32('layered') };
    valueOf(await world.submit(world.custodian, 'record.relayered', layered));
    const retag = {
      ...{ ...layered, categoryTag: TAG, epoch: { month: '2025-11', revision: 0 } },
      ...{ metadataCommitment: DIGEST, wrapDigest: DIGEST },
    };
    valueOf(await world.submit(next, 'record.retag', retag));
    expect(hospitalsOf((await listed(next)).items)).toEqual([['hospital-b']]);
    const gone = { pseudonym, recordIds: [recordId], all: false };
    valueOf(await world.submit(world.hospital(1), 'copy.deleted', gone));
    expect(hospitalsOf((await listed(next)).items)).toEqual([[]]);
  });

  it('an erasure is over when every pseudonym is gone at everybody', async () => {
    const { pseudonym } = anna;
    valueOf(await world.submit(next, 'patient.erase', {}));
    const status = async (args = {}) =>
      (await world.ask(next, 'erasure.get', args)) as unknown as {
        missing: string[];
        earlier: { pseudonym: string; missing: string[] }[];
      };
    const say = (who: Acting, name: string) =>
      world.submit(who, 'patient.erased', { pseudonym: name });
    valueOf(await say(world.custodian, next.pseudonym));
    valueOf(await say(world.hospital(1), next.pseudonym));
    expect(await status()).toMatchObject({ missing: ['records', 'hospital-b'] });
    expect(await status({ pseudonym: next.pseudonym })).toMatchObject({ missing: [] });
    const open = { pseudonym, missing: ['records', 'hospital-b'] };
    expect((await status()).earlier).toMatchObject([open]);
    expect(await status({ pseudonym })).toMatchObject({ missing: ['records', 'hospital-b'] });
    valueOf(await say(world.custodian, pseudonym));
    expect(await status()).toMatchObject({ missing: ['hospital-b'] });
    valueOf(await say(world.hospital(1), pseudonym));
    expect(await status()).toMatchObject({ missing: [], earlier: [{ missing: [] }] });
  });

  it('the patient still sees who erased a record of the earlier pseudonym', async () => {
    valueOf(await world.submit(next, 'record.erase', { recordIds: [recordId] }));
    expect(await world.ask(next, 'erasure.get', { recordId })).toMatchObject({
      missing: ['records', 'hospital-b'],
    });
    const bert = await world.patient('Bert');
    await expect(world.ask(bert, 'erasure.get', { recordId })).rejects.toMatchObject({
      code: 'unknown_record',
    });
  });
});

describe('a hospital that says what is not so', () => {
  beforeEach(async () => {
    valueOf(await request(1, [await granted(1)]));
    valueOf(await held(1));
  });
  const gone = (recordIds: string[], all: boolean) =>
    world.submit(world.hospital(1), 'copy.deleted', { pseudonym: anna.pseudonym, recordIds, all });

  it('deletes no record that is unknown, or of another patient', async () => {
    const bert = await world.patient('Bert');
    const write = grantArgs(world, writer, { rights: ['write'] });
    valueOf(await world.submit(bert, 'permission.grant', write));
    const other = recordArgs(bert);
    valueOf(await world.submit(writer, 'record.register', other));
    const unknown = 'A'.repeat(22);
    for (const id of [other['recordId'] as string, unknown]) {
      expect(outcome(await gone([id], false))).toBe('unknown_record');
      expect(outcome(await gone([recordId, id], true))).toBe('unknown_record');
    }
    expect((await copies()).items[0]?.copies).toHaveLength(1);
  });

  it('is listed with no record once it said that all is gone, and with those said after', async () => {
    const second = await stored();
    valueOf(await held(1, second));
    valueOf(await gone([], true));
    expect((await copies()).items.map((one) => one.copies)).toEqual([[], []]);
    valueOf(await request(1, [await granted(1)]));
    expect((await copies()).items.map((one) => one.copies)).toEqual([[], []]);
    // The same bytes as before: it counts from now on, and only what was said anew.
    valueOf(await held(1, second));
    expect((await copies()).items.map((one) => one.copies.length)).toEqual([0, 1]);
  });

  it('is listed with nothing once it acknowledged that the patient is erased', async () => {
    const { pseudonym } = anna;
    valueOf(await world.submit(anna, 'patient.erase', {}));
    valueOf(await world.submit(world.hospital(1), 'patient.erased', { pseudonym }));
    expect((await copies()).items.map((one) => one.copies)).toEqual([[]]);
  });
});

describe('erasure.renew', () => {
  const renew = (args: object, who: Acting = world.hospital(1)) =>
    world.submit(who, 'erasure.renew', args as never);

  it('certifies orders as they stand, by any hospital and nobody else', async () => {
    const { pseudonym } = anna;
    expect(outcome(await renew({ recordIds: [recordId] }))).toBe('not_erased');
    expect(outcome(await renew({ pseudonym }))).toBe('not_erased');
    expect(outcome(await renew({}))).toBe('bad_arguments');
    const deposited = await world.submit(anna, 'emergency.deposit', {
      ...{ ...escrowArgs(world), handle: text32('card') },
    });
    const other = await stored();
    valueOf(await world.submit(anna, 'record.erase', { recordIds: [recordId] }));
    expect(valueOf(await renew({ recordIds: [recordId] }))).toEqual({
      ...{ fn: 'erasure.renew', recordIds: [recordId] },
    });
    expect(outcome(await renew({ recordIds: [recordId, other] }))).toBe('not_erased');
    for (const who of [anna, writer, world.custodian, world.operator()]) {
      expect(outcome(await renew({ recordIds: [recordId] }, who))).toBe('role_denied');
    }
    const whole = valueOf(await world.submit(anna, 'patient.erase', {}));
    const value = valueOf(await renew({ pseudonym }, world.hospital(2)));
    expect(value).toEqual({
      ...{ fn: 'erasure.renew', pseudonyms: [pseudonym], escrows: whole['escrows'] },
    });
    const { escrowId } = valueOf(deposited) as { escrowId: string };
    expect(value['escrows']).toMatchObject([{ escrowId, kind: 'emergency' }]);
    expect(readEscrowEnd(escrowId, { status: 'COMMITTED', value })).toBe(
      readEscrowEnd(escrowId, { status: 'COMMITTED', value: whole }),
    );
  });
});
