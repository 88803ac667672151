/** Validators on the ledger: coming back, changing their key, and blame. */
import { beforeAll, describe, expect, it } from 'vitest';
import { cells } from '../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { governedKeys, governedOf } from '../../lib/chaincode/governed.ts';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { verifySessionCertificate } from '../../lib/wire/session.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { accuseArgs, evidenceOf } from './evidence.ts';
import { outcome, valueOf, World } from './world.ts';
import { keyTexts, seatTexts } from './seats.ts';

let base: World;
let newKey: SigningKey;

beforeAll(async () => {
  base = await World.make();
  newKey = await generateSigningKey();
});

async function rejoinArgs(world: World, index: number, incarnation: number) {
  const { id, kms } = world.network.validators[index]!;
  const { session, read, shareKey } = await seatTexts(id, kms, incarnation);
  return { validator: id, incarnation, session, read, shareKey };
}

describe('the state at genesis', () => {
  it('says what governs: set, certified sessions, parameters', async () => {
    const { genesis } = base.network;
    const { validators, sessions, parameters } = await governedOf(base);
    expect(validators).toEqual(genesis.validators);
    expect(sessions).toEqual(genesis.sessions);
    expect(parameters).toEqual(genesis.document.parameters);
    expect(governedKeys).toEqual(['validators/current', 'sessions/current', 'parameters/current']);
  });

  it('has an identity and an address of each validator', async () => {
    const reader = readerOf(base);
    for (const one of base.network.genesis.document.validators) {
      const entry = await reader.get(cells.directory(one.id));
      expect(entry).toMatchObject({ name: one.name, apiUrl: one.apiUrl, incarnation: 0 });
      expect(toBase64url(entry!.shareKey)).toBe(one.shareKey);
      const subject = await reader.get(cells.subject(`validator-${one.id}`));
      expect(subject).toMatchObject({ role: 'validator', hospital: one.id, status: 'active' });
    }
  });
});

describe('validator.rejoin', () => {
  it('takes new keys under the next incarnation', async () => {
    const world = base.fork();
    const args = await rejoinArgs(world, 2, 1);
    const done = await world.submit(world.validator(2), 'validator.rejoin', args);
    expect(valueOf(done)).toMatchObject({ incarnation: 1, actsAt: 3 });
    const { validators, sessions } = await governedOf(world);
    expect(validators.map((one) => one.incarnation)).toEqual([0, 0, 1, 0]);
    expect(sessions).toHaveLength(8);
    const own = sessions.filter((one) => one.body.validator === args.validator);
    expect(own.map(({ body }) => [body.purpose, body.incarnation])).toEqual([
      ['vote', 1],
      ['read', 1],
    ]);
    for (const one of own) {
      expect(await verifySessionCertificate(one, validators[2]!.kmsKey)).toBe(true);
    }
    expect(outcome(await world.submit(world.validator(2), 'validator.rejoin', args))).toBe(
      'wrong_incarnation',
    );
  });

  it('is refused to anybody else, and with anything else', async () => {
    const args = await rejoinArgs(base, 2, 1);
    const { id, kms } = base.network.validators[2]!;
    const other = base.network.validators[1]!;
    const cases: [string, SignedRequest['args'], number][] = [
      ['not_own_seat', args, 1],
      ['unknown_validator', { ...args, validator: 'nobody' }, 2],
      ['wrong_incarnation', { ...args, incarnation: 2 }, 2],
      ['wrong_incarnation', await rejoinArgs(base, 2, 2), 2],
      ['wrong_incarnation', await rejoinArgs(base, 2, 0), 2],
      ['bad_session', { ...args, session: args.read }, 2],
      ['bad_session', { ...args, read: args.session }, 2],
      ['bad_session', { ...args, read: (await rejoinArgs(base, 2, 2)).read }, 2],
      ['bad_session', { ...args, session: 'AAAA' }, 2],
      ['bad_session', { ...args, ...(await seatTexts(id, other.kms, 1)) }, 2],
      ['bad_session', { ...args, ...(await seatTexts(other.id, kms, 1)) }, 2],
      ['bad_session', { ...args, ...(await seatTexts(id, kms, 1, { network: 'local-x' })) }, 2],
      ['bad_session', { ...args, ...(await seatTexts(id, kms, 1, { fromHeight: 4 })) }, 2],
      ['bad_session', { ...args, ...(await seatTexts(id, kms, 1, { untilHeight: 2 })) }, 2],
      ['bad_session', { ...args, ...(await seatTexts(id, kms, 1, { key: newKey.publicKey })) }, 2],
    ];
    for (const [code, wrong, index] of cases) {
      const world = base.fork();
      const done = await world.submit(world.validator(index), 'validator.rejoin', wrong);
      expect([code, outcome(done)]).toEqual([code, code]);
    }
  });

  it('is taken so often in a span of time, then again after it', async () => {
    const world = base.fork();
    for (let incarnation = 1; incarnation <= chaincodeBounds.rejoinsMax; incarnation += 1) {
      const args = await rejoinArgs(world, 0, incarnation);
      expect(outcome(await world.submit(world.validator(0), 'validator.rejoin', args))).toBe(
        'COMMITTED',
      );
    }
    const args = await rejoinArgs(world, 0, chaincodeBounds.rejoinsMax + 1);
    expect(outcome(await world.submit(world.validator(0), 'validator.rejoin', args))).toBe(
      'too_many_rejoins',
    );
    world.time += chaincodeBounds.rejoinsMs;
    expect(outcome(await world.submit(world.validator(0), 'validator.rejoin', args))).toBe(
      'COMMITTED',
    );
  });
});

describe('validator.rotate-key', () => {
  it('moves the seat to a new KMS key, and ends the old one', async () => {
    const world = base.fork();
    const { id } = world.network.validators[1]!;
    const args = { validator: id, ...(await keyTexts(id, newKey, 1)) };
    valueOf(await world.submit(world.validator(1), 'validator.rotate-key', args));
    const { validators } = await governedOf(world);
    expect(validators[1]).toEqual({
      ...{ id, kmsKey: newKey.publicKey, incarnation: 1, suspended: false },
    });
    const rejoin = { validator: id, incarnation: 2, ...(await seatTexts(id, newKey, 2)) };
    expect(outcome(await world.submit(world.validator(1), 'validator.rejoin', rejoin))).toBe(
      'identity_revoked',
    );
    const fresh = { kid: thumbprint(newKey.publicKey) };
    expect(outcome(await world.submit(fresh, 'validator.rejoin', rejoin))).toBe('COMMITTED');
  });

  it('needs sessions of the new key, and a key that nobody has', async () => {
    const { id, kms } = base.network.validators[1]!;
    const taken = base.network.validators[0]!;
    const attempts: [string, SignedRequest['args']][] = [
      ['bad_session', { ...(await keyTexts(id, kms, 1)), kmsKey: text(newKey) }],
      ['key_taken', await keyTexts(id, taken.kms, 1)],
      ['key_taken', await keyTexts(id, taken.operator, 1)],
      ['wrong_incarnation', await keyTexts(id, newKey, 2)],
    ];
    for (const [code, texts] of attempts) {
      const world = base.fork();
      const args = { validator: id, ...texts };
      const done = await world.submit(world.validator(1), 'validator.rotate-key', args);
      expect(outcome(done)).toBe(code);
    }
  });
});

function text(key: SigningKey): string {
  return toBase64url(key.publicKey);
}

describe('validator.accuse', () => {
  it('suspends by evidence, whoever brings it, and never more than may be faulty', async () => {
    const world = base.fork();
    const patient = await world.patient('carl');
    const proof = accuseArgs(await evidenceOf(world, 3));
    const done = await world.submit(patient, 'validator.accuse', proof);
    expect(valueOf(done)).toMatchObject({ validator: 'hospital-d', suspended: true });
    const suspended = async () =>
      (await governedOf(world)).validators.filter((one) => one.suspended).map((one) => one.id);
    expect(await suspended()).toEqual(['hospital-d']);
    expect(outcome(await world.submit(world.validator(0), 'validator.accuse', proof))).toBe(
      'already_suspended',
    );
    const another = accuseArgs(await evidenceOf(world, 2));
    const recorded = await world.submit(world.validator(0), 'validator.accuse', another);
    expect(valueOf(recorded)).toMatchObject({ validator: 'hospital-c', suspended: false });
    expect(await suspended()).toEqual(['hospital-d']);
    const blame = await readerOf(world).get(cells.blame('hospital-c', 0));
    expect(blame).toMatchObject({ phase: 'prepare', height: 9, suspended: false });
    const third = accuseArgs(await evidenceOf(world, 2, 1));
    expect(outcome(await world.submit(world.validator(0), 'validator.accuse', third))).toBe(
      'already_accused',
    );
  });

  it('takes a suspended validator’s own way back', async () => {
    const world = base.fork();
    await world.submit(
      world.validator(0),
      'validator.accuse',
      accuseArgs(await evidenceOf(world, 3)),
    );
    const args = await rejoinArgs(world, 3, 1);
    expect(outcome(await world.submit(world.validator(3), 'validator.rejoin', args))).toBe(
      'validator_suspended',
    );
  });

  it('is refused what proves nothing, also what an earlier incarnation signed', async () => {
    const world = base.fork();
    const evidence = await evidenceOf(world, 3);
    const same = accuseArgs({ ...evidence, second: evidence.first });
    expect(outcome(await world.submit(world.validator(0), 'validator.accuse', same))).toBe(
      'evidence_void',
    );
    const odd = { evidence: toBase64url(utf8('evidence')) };
    expect(outcome(await world.submit(world.validator(0), 'validator.accuse', odd))).toBe(
      'evidence_malformed',
    );
    const rejoin = await rejoinArgs(world, 3, 1);
    valueOf(await world.submit(world.validator(3), 'validator.rejoin', rejoin));
    const late = await world.submit(world.validator(0), 'validator.accuse', accuseArgs(evidence));
    expect(outcome(late)).toBe('evidence_void');
  });
});
