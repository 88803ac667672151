/** No input may make execution throw what is not a refusal: every replica would stop at it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { execute, readHints } from '../../lib/chaincode/execute.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { recordSeen, wasSeen } from '../../lib/chaincode/seen.ts';
import { chaincodeFunctions } from '../../lib/chaincode/table.ts';
import { ledgerBounds } from '../../lib/ledger/bounds.ts';
import { limits } from '../../lib/limits.ts';
import { CertificateError } from '../../lib/membership/certificate-error.ts';
import { verifyCertificate } from '../../lib/membership/certificates.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import {
  grantArgs,
  NETWORK,
  type PatientKeys,
  type Person,
  recordArgs,
  text32,
  World,
} from '../chaincode/world.ts';

let world: World;
let doctor: Person;
let patient: PatientKeys;
const tags = (count: number) => Array.from({ length: count }, () => toBase64url(randomBytes(32)));
const resultBytes = (execution: Awaited<ReturnType<World['submit']>>) =>
  execution.status === 'COMMITTED'
    ? encodeResult({
        id: 'a'.repeat(64),
        status: 'COMMITTED',
        code: '',
        value: execution.value,
      }).length
    : 0;

beforeAll(async () => {
  world = await World.make();
  doctor = await world.registered('doctor');
  patient = await world.patient('anna');
});

describe('the largest of everything', () => {
  it('fits results and values of state', async () => {
    const own = world.fork();
    for (let i = 0; i < 16; i += 1) {
      const args = grantArgs(own, doctor, {
        categories: tags(32),
        dataFrom: '2025-01',
        dataUntil: '2025-12',
      });
      expect((await own.submit(patient, 'permission.grant', args)).status).toBe('COMMITTED');
    }
    const args = { pseudonym: patient.pseudonym, purpose: 'TREAT' };
    const listed = await own.submit(doctor, 'access.list', args);
    expect(listed.status).toBe('COMMITTED');
    expect(resultBytes(listed)).toBeLessThan(ledgerBounds.resultBytesMax);
    const revisions = tags(64).map((categoryTag) => ({
      categoryTag,
      from: '2025-01',
      until: '2044-12',
      revision: 65_535,
    }));
    const root = { categoryKeysRoot: text32('x'), categoryKeysFrom: '2025-01' };
    const published = await own.submit(patient, 'patient.publish-keys', { ...root, revisions });
    expect(published.status).toBe('COMMITTED');
    for (const [key, value] of own.state) {
      expect(value.length, key).toBeLessThanOrEqual(limits.stateValueBytesMax);
    }
  });
});

const odd: unknown[] = [
  '',
  'x',
  -1,
  0,
  2 ** 48,
  2 ** 53 - 1,
  1.5,
  null,
  true,
  [],
  {},
  [[]],
  '\ud800',
  '__proto__',
  'constructor',
  '9999-12',
  '0000-01',
  '2025-13',
  'A'.repeat(22),
  'A'.repeat(43),
  'A'.repeat(87),
  `BA${'A'.repeat(85)}`,
  'ー'.repeat(22),
  '2025-01',
  'TREAT',
  JSON.parse('{"__proto__":{"x":1}}'),
];

describe('arguments at random', () => {
  it('are refused, never thrown on', async () => {
    let seed = 7;
    const random = (max: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * max);
    };
    const good = [
      grantArgs(world, doctor),
      recordArgs(patient),
      { recordId: randomId(), purpose: 'TREAT' },
      { pseudonym: patient.pseudonym, purpose: 'TREAT' },
      { certificate: doctor.certificate },
      { certificate: 'AAAA', previousKid: doctor.kid, previousSignature: `${'A'.repeat(86)}` },
      { kid: doctor.kid, reason: 'other' },
      {
        pseudonym: text32('p'),
        ownerKey: `BA${'A'.repeat(85)}`,
        uiiVersion: 1,
        categoryKeysRoot: text32('r'),
        categoryKeysFrom: '2025-01',
      },
      {
        categoryKeysRoot: text32('r'),
        categoryKeysFrom: '2025-01',
        revisions: [{ categoryTag: text32('t'), from: '9999-01', until: '9999-12', revision: 1 }],
      },
    ];
    const people = [world.operator(), world.custodian, world.membership, doctor, patient];
    for (let i = 0; i < 4_000; i += 1) {
      const { name } = chaincodeFunctions[random(chaincodeFunctions.length)]!;
      const args: Record<string, unknown> = structuredClone(good[random(good.length)]!);
      for (const key of Object.keys(args)) if (random(6) === 0) args[key] = odd[random(odd.length)];
      if (random(9) === 0) args[odd[random(2)] as string] = odd[random(odd.length)];
      const who = people[random(people.length)]!;
      const own = world.fork();
      const transaction = own.transaction(who, name, args as never);
      readHints(transaction);
      const execution = await execute(own, transaction, own.context);
      if (execution.status === 'COMMITTED') own.apply(execution.writes);
      expect(resultBytes(execution)).toBeLessThan(ledgerBounds.resultBytesMax);
      expect(await wasSeen(own, transaction)).toBe(false);
      own.apply(await recordSeen(own, transaction));
      expect(await wasSeen(own, transaction)).toBe(true);
    }
  });
});

describe('certificates at random', () => {
  it('are refused with a code', async () => {
    const der = patient.tcert;
    const wanted = { network: NETWORK, kind: 'tcert' } as const;
    const key = world.network.authority.publicKey;
    for (let i = 0; i < 6_000; i += 1) {
      let changed = new Uint8Array(der);
      changed[i % der.length] = Math.floor(Math.random() * 256);
      if (i % 3 === 0) changed = changed.slice(0, Math.floor(Math.random() * der.length));
      if (i % 5 === 0) changed = randomBytes(i % 400);
      try {
        await verifyCertificate(changed, key, world.time, wanted);
      } catch (error) {
        expect(error).toBeInstanceOf(CertificateError);
      }
    }
  });
});

describe('signers at random', () => {
  it('are unknown, and thrown on as such', async () => {
    const key = await generateSigningKey();
    const bad = `BA${'A'.repeat(85)}`;
    for (const kid of ['/', '../x', '__proto__', 'A'.repeat(128), thumbprint(key.publicKey)]) {
      for (const typ of [jwsTypes.transaction, jwsTypes.ownedTransaction]) {
        const tcertKid = thumbprint(patient.oneTime.publicKey);
        const request = {
          network: NETWORK,
          ledger: 'main',
          fn: 'patient.register',
          args: { ownerKey: bad },
          nonce: randomId(),
          issuedAt: world.time,
          expiresAt: world.time + 1_000,
          ...(typ === jwsTypes.transaction ? {} : { tcert: tcertKid }),
        };
        const inner = await signJws({ typ, kid }, encodeRequest(request), key);
        const x5c = [btoa(String.fromCharCode(...patient.tcert)), 'AAAA'];
        const compact =
          typ === jwsTypes.transaction
            ? inner
            : await signJws(
                { typ: jwsTypes.transaction, kid: tcertKid, x5c },
                utf8(inner),
                patient.oneTime,
              );
        const transaction = parseTransaction(compact);
        readHints(transaction);
        const at = { time: world.time, network: NETWORK };
        await expect(resolveKeys(world, transaction, at)).rejects.toBeInstanceOf(ChaincodeError);
      }
    }
  });
});
