/** A successor of the authority's key: who decides, what still counts, what never comes back. */
import { beforeAll, describe, expect, it } from 'vitest';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { oneTimeWindow } from '../../lib/membership/one-time.ts';
import {
  type CertificateClaims,
  issueAuthority,
  issueCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { verifyTransaction } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
  NETWORK,
  outcome,
  type PatientKeys,
  type Person,
  text32,
  valueOf,
  World,
} from './world.ts';

const OVERLAP = chaincodeBounds.authorityOverlapMs;
let base: World;
let alice: PatientKeys;
let doctor: Person;
let next: SigningKey;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  doctor = await base.registered('doctor');
  next = await generateSigningKey();
});

type Change =
  | { kind: 'authority'; certificate: string; compromised: boolean }
  | { kind: 'drop-authority'; kid: string };

async function certificateOf(signer: SigningKey, network = NETWORK): Promise<string> {
  const notBefore = base.time - DAY;
  const der = await issueAuthority({ network, signer, serial: randomSerial(), notBefore });
  return toBase64url(der);
}

const successor = async (compromised = false, key = next): Promise<Change> => ({
  kind: 'authority',
  certificate: await certificateOf(key),
  compromised,
});

interface Authority {
  kid: string;
  former: { kid: string; countsUntil: number | null }[];
}
const authorityNow = async (world: World) =>
  (await world.ask(world.custodian, 'network.authority')) as unknown as Authority;

async function propose(world: World, change: Change, activateAt?: number) {
  const args = {
    change,
    base: (await authorityNow(world)).kid,
    ...(activateAt === undefined ? {} : { activateAt }),
  };
  return world.submit(world.operator(), 'governance.propose', args);
}

/** The last outcome of a proposal that three of four operators want. */
async function decide(world: World, change: Change, activateAt?: number): Promise<string> {
  const proposed = await propose(world, change, activateAt);
  if (proposed.status === 'INVALID') return proposed.code;
  const { proposalId } = valueOf(proposed) as { proposalId: string };
  await world.submit(world.operator(1), 'governance.approve', { proposalId });
  return outcome(await world.submit(world.operator(2), 'governance.approve', { proposalId }));
}

/** A certificate by any key, whatever dates it claims. */
async function issue(
  signer: SigningKey,
  claims: Partial<CertificateClaims>,
  times: { notBefore: number; notAfter: number },
) {
  const certificate = await issueAuthority({
    ...{ network: NETWORK, signer, serial: randomSerial(), notBefore: base.time - DAY },
  });
  const key = await generateSigningKey();
  const der = await issueCertificate({
    ca: { certificate, signer },
    publicKey: key.publicKey,
    claims: { kind: 'tcert', network: NETWORK, ...claims },
    serial: randomSerial(),
    ...times,
  });
  return { key, der };
}

/** `verified`, or why a grant under a one-time certificate is refused. */
async function judge(world: World, signer: SigningKey): Promise<string> {
  const window = oneTimeWindow(world.time, 0);
  const { key, der } = await issue(signer, { role: 'patient' }, window);
  return judgeWith(world, { ...alice, oneTime: key, tcert: der });
}

async function judgeWith(world: World, keys: PatientKeys): Promise<string> {
  const grant = await world.signed(keys, 'permission.grant', grantArgs(world, doctor));
  try {
    const found = await resolveKeys(world, grant, { time: world.time, network: NETWORK });
    return (await verifyTransaction(grant, found)) ? 'verified' : 'bad_signature';
  } catch (error) {
    if (error instanceof ChaincodeError) return error.code;
    throw error;
  }
}

/** What becomes of a clinician's certificate by this key. */
async function register(world: World, signer: SigningKey, from = world.time - DAY) {
  const hospital = world.operator().hospital;
  const claims = { kind: 'ecert', role: 'doctor', subject: `doctor-${world.height}` } as const;
  const named = { hospital, name: 'A doctor', encryptionKeyDigest: new Uint8Array(32) };
  const times = { notBefore: from, notAfter: world.time + 365 * DAY };
  const { der } = await issue(signer, { ...claims, ...named }, times);
  const certificate = toBase64url(der);
  return outcome(
    await world.submit(world.operator(), 'identity.register-clinician', { certificate }),
  );
}

describe('a successor', () => {
  it('takes a quorum of operators, and then issues while the old certificates go on', async () => {
    const world = base.fork();
    const old = world.network.authority;
    expect(await judge(world, next)).toBe('certificate_wrong_authority');
    expect(await decide(world, await successor())).toBe('COMMITTED');
    expect(await authorityNow(world)).toMatchObject({
      kid: thumbprint(next.publicKey),
      former: [{ kid: thumbprint(old.publicKey) }],
    });
    expect(await judge(world, next)).toBe('verified');
    expect(await judgeWith(world, alice)).toBe('certificate_retired_authority');
    const weekly = oneTimeWindow(world.time, 0);
    const held = await issue(old, { role: 'patient' }, weekly);
    expect(await judgeWith(world, { ...alice, oneTime: held.key, tcert: held.der })).toBe(
      'verified',
    );
    expect(await register(world, next)).toBe('COMMITTED');
    // Enrolled just before, cosigned just after.
    expect(await register(world, old)).toBe('COMMITTED');
    // Whom the ledger knew stays, whatever key certified them.
    expect(outcome(await world.submit(doctor, 'team.publish-key', {}))).toBe('bad_arguments');
  });

  it('acts at the height that the operators named', async () => {
    const world = base.fork();
    const activateAt = world.height + 10;
    expect(await decide(world, await successor(), activateAt)).toBe('COMMITTED');
    while (world.height < activateAt - 1) {
      expect((await authorityNow(world)).kid).toBe(thumbprint(world.network.authority.publicKey));
      await world.submit(world.operator(), 'governance.probe', { label: 'x' });
    }
    expect((await authorityNow(world)).kid).toBe(thumbprint(next.publicKey));
  });

  it('is the membership service from then on, and the old key is nobody', async () => {
    const world = base.fork();
    const old = world.membership;
    await decide(world, await successor());
    const args = { subject: doctor.subject, reason: 'licence-lapsed' };
    expect(outcome(await world.submit(old, 'identity.lapse', args))).toBe('identity_revoked');
    const service = { kid: thumbprint(next.publicKey) };
    expect(outcome(await world.submit(service, 'identity.lapse', args))).toBe('COMMITTED');
  });

  it.each([
    ['one operator alone', 'open'],
    ['a base that is over', 'proposal_stale'],
  ])('is not put into force by %s', async (_who, expected) => {
    const world = base.fork();
    if (expected === 'open') {
      expect(valueOf(await propose(world, await successor()))).toMatchObject({ status: 'open' });
      expect((await authorityNow(world)).former).toEqual([]);
    } else {
      const args = { change: await successor(), base: text32('another') };
      const proposed = await world.submit(world.operator(), 'governance.propose', args);
      expect(outcome(proposed)).toBe('proposal_stale');
    }
  });

  it.each<[string, string, () => Promise<string>]>([
    ['the present key', 'key_unchanged', () => certificateOf(base.network.authority)],
    ['the key of another party', 'key_taken', () => certificateOf(base.network.custodian)],
    ['another network', 'certificate_wrong_network', () => certificateOf(next, 'local-other')],
    ['bytes', 'certificate_malformed', async () => toBase64url(Uint8Array.of(48, 3, 2, 1, 1))],
    ['text that is not canonical', 'certificate_malformed', async () => 'B'],
    ['a leaf', 'certificate_wrong_use', async () => doctor.certificate],
  ])('is refused as %s', async (_what, code, certificate) => {
    const world = base.fork();
    const change = { kind: 'authority', certificate: await certificate() } as const;
    expect(await decide(world, { ...change, compromised: false })).toBe(code);
  });

  it('needs a certificate that its own key signed', async () => {
    const certificate = await certificateOf(next);
    const bytes = Buffer.from(certificate, 'base64url');
    bytes[bytes.length - 1]! ^= 1;
    const change = { kind: 'authority', certificate: toBase64url(bytes), compromised: false };
    const code = await decide(base.fork(), change as Change);
    expect(['certificate_bad_signature', 'certificate_malformed']).toContain(code);
  });
});

describe('a retired key', () => {
  it('certifies nobody new: neither clinicians nor weeks beyond its last day', async () => {
    const world = base.fork();
    const old = world.network.authority;
    await decide(world, await successor());
    world.time += 8 * DAY;
    expect(await register(world, old, world.time)).toBe('certificate_retired_authority');
    expect(await register(world, old, world.time - DAY)).toBe('certificate_retired_authority');
    const far = oneTimeWindow(world.time, 5);
    const late = await issue(old, { role: 'patient' }, { ...far, notBefore: world.time - DAY });
    expect(await judgeWith(world, { ...alice, oneTime: late.key, tcert: late.der })).toBe(
      'certificate_retired_authority',
    );
  });

  it('carries what it issued to the last day of it, and not a moment longer', async () => {
    const world = base.fork();
    const old = world.network.authority;
    const { notBefore, notAfter } = oneTimeWindow(world.time, 5);
    const held = await issue(old, { role: 'patient' }, { notBefore, notAfter });
    const keys = { ...alice, oneTime: held.key, tcert: held.der };
    await decide(world, await successor());
    const { countsUntil } = (await authorityNow(world)).former[0]!;
    expect(notAfter).toBeLessThanOrEqual(countsUntil!);
    world.time = notBefore;
    expect(await judgeWith(world, keys)).toBe('verified');
    world.time = countsUntil! + 1;
    expect(await judge(world, old)).toBe('certificate_retired_authority');
    expect(countsUntil! - base.time).toBeLessThan(OVERLAP + DAY);
  });

  it('never becomes the authority’s again, whoever proposes it', async () => {
    const world = base.fork();
    const old = world.network.authority;
    await decide(world, await successor());
    expect(await decide(world, await successor(false, old))).toBe('key_taken');
    const third = await generateSigningKey();
    expect(await decide(world, await successor(true, third))).toBe('COMMITTED');
    expect(await decide(world, await successor(false, next))).toBe('key_taken');
    expect(await judge(world, next)).toBe('certificate_retired_authority');
    expect(await judge(world, old)).toBe('verified');
  });

  it('is dropped later, once it turns out to be in wrong hands', async () => {
    const world = base.fork();
    const old = thumbprint(world.network.authority.publicKey);
    expect(await decide(world, { kind: 'drop-authority', kid: old })).toBe('unknown_authority');
    await decide(world, await successor());
    expect(await judge(world, world.network.authority)).toBe('verified');
    expect(await decide(world, { kind: 'drop-authority', kid: old })).toBe('COMMITTED');
    expect(await judge(world, world.network.authority)).toBe('certificate_retired_authority');
    expect(await decide(world, { kind: 'drop-authority', kid: old })).toBe('unknown_authority');
  });
});

describe('a stolen key', () => {
  it('counts for nothing from the next transaction on, with any dates', async () => {
    const world = base.fork();
    const old = world.network.authority;
    expect(await decide(world, await successor(true))).toBe('COMMITTED');
    expect(await judge(world, old)).toBe('certificate_retired_authority');
    expect(await register(world, old, world.time - 300 * DAY)).toBe(
      'certificate_retired_authority',
    );
    expect(await judge(world, next)).toBe('verified');
    expect(await register(world, next)).toBe('COMMITTED');
    // A signature of another key under the name of the stolen one, too.
    const thief = await generateSigningKey();
    expect(await judge(world, thief)).toBe('certificate_wrong_authority');
  });
});

describe('whoever asks for the authority', () => {
  const asked = async (kind: 'query' | 'transaction', args: object, key: SigningKey) => {
    const request = await base.signed({ key }, 'network.authority', args as never);
    try {
      const query = { ...request, kind };
      const at = { time: base.time, network: NETWORK };
      return thumbprint((await resolveKeys(base, query, at)).outer);
    } catch (error) {
      if (error instanceof ChaincodeError) return error.code;
      throw error;
    }
  };

  it('needs no name, but signs, and orders nothing', async () => {
    const stranger = await generateSigningKey();
    const key = toBase64url(stranger.publicKey);
    expect(await asked('query', { key }, stranger)).toBe(thumbprint(stranger.publicKey));
    expect(await asked('transaction', { key }, stranger)).toBe('unknown_signer');
    expect(await asked('query', {}, stranger)).toBe('unknown_signer');
    const other = toBase64url(next.publicKey);
    expect(await asked('query', { key: other }, stranger)).toBe('unknown_signer');
    const kid = thumbprint(stranger.publicKey);
    expect(await base.ask({ kid }, 'network.authority', { key })).toMatchObject({
      kid: base.membership && 'kid' in base.membership ? base.membership.kid : '',
    });
    await expect(base.ask({ kid }, 'network.head')).rejects.toThrow();
  });
});
