/** Seals of a case: the seeds of its keys, as one member hands them to another. */
import { z } from 'zod';
import { equalBytes, fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { X_WING_SEED_BYTES, xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { chaincodeBounds } from '../lib/chaincode/bounds.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  fromSealedText,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { bytesField } from '../lib/wire/fields.ts';
import type { CaseKey, CasePerson } from './case-data.ts';

const FORMAT = 'carequorum-case-key-1';
const seedsSchema = z.strictObject({
  format: z.literal(FORMAT),
  seeds: z
    .array(z.tuple([z.int().min(1), bytesField(X_WING_SEED_BYTES)]))
    .max(chaincodeBounds.caseKeysMax),
});

/** Seeds by generation. */
export type CaseSeeds = ReadonlyMap<number, Uint8Array>;

interface Sealing {
  caseId: string;
  who: string;
  seeds: CaseSeeds;
  publicKey: Uint8Array;
}

export async function sealSeeds(
  { session }: CasePerson,
  { caseId, who, seeds, publicKey }: Sealing,
): Promise<{ sealed: SealedText; digest: string }> {
  const made = await hpkeSeal(publicKey, {
    info: sealInfo(session.client.name, caseId, who),
    aad: new Uint8Array(),
    plaintext: encodeCbor({ format: FORMAT, seeds: [...seeds] }),
  });
  return { sealed: toSealedText(made), digest: toBase64url(sealedDigest(made)) };
}

/**
 * What was sealed to this person, compared with the keys of the ledger: what does not fit them
 * counts for nothing, whoever sealed it.
 */
export async function openSeals(
  person: CasePerson,
  caseId: string,
  seals: readonly { generation: number; sealed: SealedText }[],
  keys: readonly CaseKey[],
): Promise<CaseSeeds> {
  const byGeneration = new Map(keys.map((one) => [one.generation, one.publicKey]));
  const found = new Map<number, Uint8Array>();
  const own = await person.seeds();
  for (const { sealed } of seals) {
    for (const [generation, seed] of await openSeal(person, caseId, sealed, own)) {
      const publicKey = byGeneration.get(generation);
      if (publicKey === undefined || found.has(generation)) continue;
      const pair = await xWingKeyPair(seed);
      if (equalBytes(pair.publicKey, fromBase64url(publicKey))) found.set(generation, seed);
    }
  }
  return found;
}

async function openSeal(
  { session, who }: CasePerson,
  caseId: string,
  sealed: SealedText,
  own: readonly Uint8Array[],
): Promise<readonly (readonly [number, Uint8Array])[]> {
  const info = sealInfo(session.client.name, caseId, who);
  for (const seed of own) {
    try {
      const opened = await hpkeOpen(seed, {
        ...{ ...fromSealedText(sealed), info, aad: new Uint8Array() },
      });
      return decodeWith(seedsSchema, opened, recordsBounds.caseSealBytesMax).seeds;
    } catch {
      // Sealed to another key of this person, or by somebody who sealed nonsense.
    }
  }
  return [];
}

function sealInfo(network: string, caseId: string, who: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'case-key', subject: caseId, recipient: who });
}
