/** A successor of the authority's key through the SDK: nobody is locked out, the old key is dead. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import {
  authorityKeyId,
  issueCertificate,
  parseCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { oneTimeWindow } from '../../lib/membership/one-time.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { approveProposal, parseAuthority, propose } from '../../sdk/governance.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { patientSigner } from '../../sdk/signing.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let patient: Patient;
let doctor: Clinician;

beforeEach(async () => {
  world = await makeWorld();
  doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
  patient = await world.patient('Anna Müller', ['laboratory']);
});
afterEach(() => world.close());

/** The ceremony: another key, what the service shows of it, and three operators. */
async function rotate({ compromised }: { compromised: boolean }): Promise<void> {
  world.authorityKeys.push(await generateSigningKey());
  const shown = await world.transport('http://membership.test/v1/bootstrap', { method: 'GET' });
  const certificate = parseAuthority(await shown.text());
  const change = { kind: 'authority', certificate, compromised } as const;
  const { proposalId } = await propose(world.operator(0), change);
  await approveProposal(world.operator(1), proposalId);
  const done = await approveProposal(world.operator(2), proposalId);
  expect(done.status).toBe('done');
  // The service asks the ledger again after some seconds.
  world.skewMs.value += 60_000;
}

const share = async (to = doctor) => {
  const until = Date.now() + world.skewMs.value + 600_000;
  const terms = { rights: ['read', 'write'], categories: ['laboratory'], until } as const;
  return grant(patient, { to: { npi: to === doctor ? '1000000012' : '1000000020' }, ...terms });
};
const issuers = () =>
  new Set(
    patient.data.oneTime.map(({ certificate }) => {
      const { authorityKeyId: issuer } = parseCertificate(fromBase64url(certificate));
      const keys = world.authorityKeys.map((key) => authorityKeyId(key.publicKey));
      return ['old', 'new'][keys.indexOf(issuer)];
    }),
  );

describe.each([{ compromised: false }, { compromised: true }])(
  'after a rotation ($compromised)',
  ({ compromised }) => {
    it('old and new people act without a gap, and old receipts verify', async () => {
      const before = await share();
      await rotate({ compromised });
      // Who was there before, with what was stocked before.
      await share();
      expect(issuers()).toEqual(new Set([compromised ? 'new' : 'old']));
      expect((await doctor.grants()).length).toBeGreaterThan(0);
      // Who comes now: certified by the new key, judged by the ledger.
      const late = await world.doctor('Ben Sato', 1, '1000000020');
      await share(late);
      const { certificate } = late.data.enrolment!;
      expect(parseCertificate(fromBase64url(certificate!)).authorityKeyId).toBe(
        authorityKeyId(world.authorityKeys[1]!.publicKey),
      );
      const other = await world.patient('Olga Lind', ['laboratory']);
      expect(await other.permissions()).toEqual([]);
      const { genesis } = world.net;
      const verified = await verifyReceipt(before.result.receipt, genesis, {});
      expect(verified.result.status).toBe('COMMITTED');
    });
  },
);

describe('a thief of the old key', () => {
  it('makes nobody, speaks for nobody, and does not come back', async () => {
    await rotate({ compromised: true });
    const signer = world.net.authority;
    const ca = {
      certificate: fromBase64url(world.net.genesis.document.membership.caCertificate),
      signer,
    };
    const network = world.net.genesis.document.network;
    const now = Date.now() + world.skewMs.value;
    // A patient of the thief's: backdated as far as one likes.
    const [owner, oneTime] = await Promise.all([generateSigningKey(), generateSigningKey()]);
    const certificate = await issueCertificate({
      ca,
      publicKey: oneTime.publicKey,
      claims: { kind: 'tcert', network, role: 'patient' },
      serial: randomSerial(),
      ...oneTimeWindow(now, 0),
    });
    const rogue = patientSigner(owner, async () => ({ key: oneTime, certificate }));
    const args = {
      pseudonym: toBase64url(new Uint8Array(32)),
      ownerKey: toBase64url(owner.publicKey),
      uiiVersion: 1,
      categoryKeysRoot: toBase64url(new Uint8Array(32)),
      categoryKeysFrom: '2026-11',
    };
    const { client } = world.session();
    const refused = async (work: Promise<unknown>) =>
      reasonOf(await work.catch((error: unknown) => error));
    expect(await refused(client.submit({ fn: 'patient.register', args }, rogue))).toBe(
      'certificate_retired_authority',
    );
    // A doctor of the thief's, whom a careless operator approves.
    const key = await generateSigningKey();
    const made = await issueCertificate({
      ca,
      publicKey: key.publicKey,
      claims: {
        ...{ kind: 'ecert', network, role: 'doctor', subject: 'doctor-of-the-thief' },
        ...{ hospital: world.net.validators[0]!.id, name: 'Mallory' },
        encryptionKeyDigest: new Uint8Array(32),
      },
      serial: randomSerial(),
      ...{ notBefore: now - 86_400_000, notAfter: now + 86_400_000 },
    });
    await expect(world.operator(0).approve(made)).rejects.toMatchObject({ code: 'not_proven' });
    const call = {
      fn: 'identity.register-clinician',
      args: { certificate: toBase64url(made) },
    };
    expect(await refused(client.submit(call, world.operator(0).signer))).toBe(
      'certificate_retired_authority',
    );
    // The old key proposed anew, by an operator who was fooled.
    const back = {
      kind: 'authority',
      certificate: world.net.genesis.document.membership.caCertificate,
      compromised: false,
    } as const;
    expect(await refused(propose(world.operator(0), back))).toBe('key_taken');
  });

  it('cannot feed a patient certificates by taking over the service’s address', async () => {
    await rotate({ compromised: true });
    const honest = world.handlers['http://membership.test']!;
    world.authorityKeys.pop();
    world.handlers['http://membership.test'] = honest;
    const failed = await share().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'not_proven' });
  });
});

describe('the service', () => {
  it('does not go back to the old key for the word of validators that are behind', async () => {
    await rotate({ compromised: false });
    const { signer } = await world.membership.authority.current();
    expect(thumbprint(signer.publicKey)).toBe(thumbprint(world.authorityKeys[1]!.publicKey));
    for (const { id } of world.net.validators) {
      world.handlers[`http://${id}.test`] = async () => ({ status: 503, json: {} });
    }
    world.skewMs.value += 3_600_000;
    const later = await world.membership.authority.current();
    expect(thumbprint(later.signer.publicKey)).toBe(thumbprint(signer.publicKey));
  });

  it('does not issue by another key than the one in force', async () => {
    world.authorityKeys.push(await generateSigningKey());
    const { signer } = await world.membership.authority.current();
    expect(thumbprint(signer.publicKey)).toBe(thumbprint(world.net.authority.publicKey));
    world.authorityKeys.pop();
    await rotate({ compromised: false });
    world.authorityKeys.splice(1, 1, await generateSigningKey());
    await expect(world.membership.authority.current()).rejects.toMatchObject({
      code: 'authority_elsewhere',
    });
  });
});
