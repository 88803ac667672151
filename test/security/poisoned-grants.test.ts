/** People who seal nonsense: it stays theirs, and blinds nobody to what others handed over. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSource } from '../../sdk/platform/node.ts';
import * as seal from '../../sdk/seal.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { commit } from '../../lib/crypto/commitment.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeSeal } from '../../lib/crypto/hpke.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { toSealedText } from '../../lib/records/sealed.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { makeWorld, type World } from '../sdk/world.ts';

vi.mock('../../sdk/seal.ts', { spy: true });

let world: World;
let doctor: Clinician;
let anna: Patient;
let mallory: Patient;
const terms = () => ({
  to: { npi: '1000000012' },
  rights: ['read', 'write'] as const,
  categories: ['laboratory'],
  until: Date.now() + 3_600_000,
});

beforeAll(async () => {
  world = await makeWorld();
  [doctor, anna, mallory] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.patient('Anna Müller', ['laboratory']),
    world.patient('Mallory Grau', ['laboratory']),
  ]);
  await grant(anna, terms());
});
afterAll(() => world.close());

describe('a patient who seals a share that nobody can open', () => {
  it('does not lock the grantee out of the shares of others', async () => {
    const honest = seal.sealShare;
    const other = await xWingKeyPair();
    vi.mocked(honest).mockImplementationOnce(async (share, to) =>
      honest(share, { ...to, publicKey: other.publicKey }),
    );
    await grant(mallory, terms());
    const grants = await doctor.grants({ reload: true });
    const shares = grants.map(({ permission, share }) => [permission.pseudonym, share !== null]);
    expect(new Map(shares as [string, boolean][])).toEqual(
      new Map([
        [anna.pseudonym, true],
        [mallory.pseudonym, false],
      ]),
    );
  });
});

describe('a writer who seals metadata that is none', () => {
  it('does not hide the other records of the patient', async () => {
    const { pseudonym } = anna;
    const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
    const path = join(world.folder, 'report.txt');
    await writeFile(path, 'a report');
    await doctor.upload(await fileSource(path, 'report.txt'), target);
    vi.mocked(seal.sealMetadata).mockImplementationOnce(async (_metadata, to) => {
      const salt = randomBytes(32);
      const metadata = encodeCbor({ nonsense: true });
      const { month, revision, categoryTag } = to.epoch;
      const info = hpkeInfo({
        network: to.network,
        purpose: 'record-metadata',
        subject: to.recordId,
        recipient: [pseudonym, categoryTag, month, revision].join('/'),
      });
      const plaintext = encodeCbor({ salt, metadata });
      const sealed = await hpkeSeal(to.publicKey, { info, aad: new Uint8Array(), plaintext });
      const commitment = toBase64url(commit('record-metadata', salt, metadata));
      return { sealed: toSealedText(sealed), commitment };
    });
    await doctor.upload(await fileSource(path, 'other.txt'), target);
    const { listed } = await doctor.list(pseudonym);
    expect(listed.map(({ metadata }) => metadata?.path ?? null).sort()).toEqual([
      null,
      'report.txt',
    ]);
  });
});
