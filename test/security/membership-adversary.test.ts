/** The membership service as an adversary, with all that it stores, sees and signs with. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen } from '../../lib/crypto/hpke.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { lookupKey } from '../../sdk/category-keys.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import type { Enrolment } from '../../functions/membership/enrolment.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { enrolmentSchema, identitySchema, itemKeys } from '../../functions/membership/enrolment.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSource } from '../../sdk/platform/node.ts';
import type { MemoryItemStore } from '../membership/memory-item-store.ts';
import type { FakeHandler } from '../sdk/fake-fetch.ts';
import { makeWorld, type World } from '../sdk/world.ts';

const membership = 'http://membership.test';
const CONTENT = 'a finding that nobody else may read';
let world: World;
let patient: Patient;
let doctor: Clinician;
/** Everything that went to the service and came back from it, as one text. */
const traffic: string[] = [];
/** Transactions as validators see them: what a colluding one would hand over. */
const compacts: string[] = [];

beforeAll(async () => {
  world = await makeWorld();
  tap(membership, (text) => traffic.push(text));
  for (const { id } of world.net.validators) {
    tap(`http://${id}.test`, (text) => {
      for (const [, compact] of text.matchAll(/"transaction":"([^"]+)"/g)) {
        if (compact !== undefined) compacts.push(compact);
      }
    });
  }
  [doctor, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.patient('Anna Müller', ['laboratory']),
  ]);
  const rights = ['read', 'write'] as const;
  const until = Date.now() + 3_600_000;
  await grant(patient, { to: { npi: '1000000012' }, rights, categories: ['laboratory'], until });
  const path = join(world.folder, 'finding.txt');
  await writeFile(path, CONTENT);
  const { pseudonym } = patient;
  const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
  await doctor.upload(await fileSource(path, 'finding.txt'), target);
  await doctor.list(pseudonym);
});
afterAll(() => world.close());

function tap(origin: string, keep: (text: string) => void): void {
  const honest = world.handlers[origin] as FakeHandler;
  world.handlers[origin] = async (request) => {
    const answer = await honest(request);
    keep(`${request.url.href} ${JSON.stringify(request.body)} ${JSON.stringify(answer.json)}`);
    return answer;
  };
}

/** Its table, with every sealed field opened: it has the keys. */
async function opened(): Promise<{ enrolments: Enrolment[]; text: string }> {
  const store = world.membership.store as MemoryItemStore;
  const enrolments: Enrolment[] = [];
  const texts = [store.dump()];
  for (const name of store.keys()) {
    const id = /^enrolment#(\S+) state$/.exec(name)?.[1];
    if (id === undefined) continue;
    const item = await store.get(itemKeys.enrolment(id));
    const enrolment = parseWith(enrolmentSchema, item?.value);
    enrolments.push(enrolment);
    texts.push(JSON.stringify(await world.membership.vault.open(id, enrolment.identity)));
  }
  return { enrolments, text: texts.join('\n') };
}

describe('a membership service that looks at all it has', () => {
  it('learns who is enrolled: names and birth dates, as it has to', async () => {
    const { text } = await opened();
    expect(text).toContain('Anna Müller');
    expect(text).toContain('1961-04-23');
    expect(text).toContain('Ada Okonjo');
  });

  it('learns nothing of what its patients do: no pseudonym, tag, record, permission or reader', async () => {
    const [record] = await patient.records();
    const [permission] = await patient.permissions();
    const { text } = await opened();
    const seen = [text, ...traffic].join('\n');
    const facts = [
      patient.pseudonym,
      patient.ownerKid,
      patient.tag('laboratory'),
      record?.id,
      record?.digest,
      permission?.id,
      'laboratory',
      'finding.txt',
      CONTENT,
    ];
    for (const fact of facts) {
      expect(fact).toBeTypeOf('string');
      expect(seen).not.toContain(fact);
    }
    // Bytes may lie in CBOR rather than in text.
    for (const bytes of [fromBase64url(patient.pseudonym), fromBase64url(patient.ownerKid)]) {
      expect(text).not.toContain(Buffer.from(bytes).toString('latin1'));
    }
  });

  it('holds no key that opens or signs for anybody', async () => {
    const { text } = await opened();
    const seen = [text, ...traffic].join('\n');
    const secrets = [
      patient.root,
      lookupKey(patient.root),
      patient.keystore.encryption.seed,
      doctor.keystore.encryption.seed,
      fromBase64url(patient.data.ownerKey),
      fromBase64url(patient.keystore.keptKeys.signingKey),
      fromBase64url(doctor.keystore.keptKeys.signingKey),
      ...patient.data.oneTime.map(({ key }) => fromBase64url(key)),
    ];
    for (const secret of secrets) {
      expect(seen).not.toContain(toBase64url(secret));
      expect(seen).not.toContain(Buffer.from(secret).toString('latin1'));
    }
  });

  it('opens no share, though it certified both keys of its reader', async () => {
    const [deposited] = await doctor.session.custodian.shares(doctor.keystore.signingKey);
    const { enrolments } = await opened();
    const { sealed } = deposited!;
    const network = world.network.genesis.document.network;
    const { subject } = doctor.data.enrolment as { subject: string };
    const info = hpkeInfo({
      network,
      purpose: 'share',
      subject: deposited!.permissionId,
      recipient: subject,
    });
    const box = { enc: fromBase64url(sealed.enc), ciphertext: fromBase64url(sealed.ciphertext) };
    // Whatever of 32 bytes lies in its view is tried as a seed: keys, digests, challenges.
    const guesses = enrolments.flatMap((one) => [
      one.signingKey.slice(1, 33),
      one.signingKey.slice(33),
      one.encryptionKey.slice(0, 32),
      one.challenge?.digest ?? new Uint8Array(32),
    ]);
    expect(guesses.length).toBeGreaterThan(6);
    for (const seed of guesses) {
      await expect(hpkeOpen(seed, { ...box, info, aad: new Uint8Array() })).rejects.toThrow();
    }
    // The same by the reader's own seed opens it: the test would notice.
    const { seed } = doctor.keystore.encryption;
    expect((await hpkeOpen(seed, { ...box, info, aad: new Uint8Array() })).length).toBeGreaterThan(
      0,
    );
  });

  it('with a hospital’s block bodies learns whose pseudonym it is: the limit that is told', async () => {
    const { vault, store } = world.membership;
    const linked = new Map<string, string>();
    for (const compact of new Set(compacts)) {
      const { signer, args } = parseTransaction(compact);
      if (signer.kind !== 'patient' || typeof args['pseudonym'] !== 'string') continue;
      const { serial } = parseCertificate(signer.tcert);
      const digest = await vault.digest('serial', serial);
      const item = await store.get(itemKeys.trace(digest));
      const { sealed } = item?.value as { sealed: Uint8Array };
      const id = (await vault.open(`trace ${digest}`, sealed)) as string;
      const { identity } = (await opened()).enrolments.find((one) => one.id === id)!;
      const { name } = parseWith(identitySchema, await vault.open(id, identity));
      linked.set(args['pseudonym'], name);
    }
    expect([...linked]).toEqual([[patient.pseudonym, 'Anna Müller']]);
  });

  it('without its keys the same table and the same bodies link nothing', async () => {
    const store = world.membership.store as MemoryItemStore;
    const dump = store.dump();
    const bodies = [...new Set(compacts)].map((compact) => parseTransaction(compact));
    const used = bodies.flatMap(({ signer }) => (signer.kind === 'patient' ? [signer.tcert] : []));
    expect(used.length).toBeGreaterThan(0);
    for (const der of used) {
      const { serial, publicKey } = parseCertificate(der);
      for (const part of [
        fromBase64(Buffer.from(serial, 'hex').toString('base64')),
        publicKey.slice(1),
      ]) {
        expect(dump).not.toContain(Buffer.from(part).toString('latin1'));
      }
      expect(dump).not.toContain(serial);
    }
    expect(dump).not.toMatch(/Anna|Müller|1961/);
  });
});
