/** Private data of a patient: sealed to the own sealing key, so that nobody can be given it. */
import { z } from 'zod';
import { toBase64url, u32be } from '../lib/crypto/bytes.ts';
import { commit, COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { privateSchema } from '../lib/chaincode/private-values.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  digestOfSealed,
  fromSealedText,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { hashField } from '../lib/wire/fields.ts';
import { sealingSeed } from './category-keys.ts';
import { SdkError } from './errors.ts';
import { allEntries } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';

/** Bytes of one piece. */
export const PRIVATE_BYTES_MAX = 64 * 1024;
const NAME_CHARS_MAX = 200;

const contentSchema = z.strictObject({
  format: z.literal('carequorum-private-1'),
  name: z.string().max(NAME_CHARS_MAX),
  bytes: z.instanceof(Uint8Array).refine((bytes) => bytes.length <= PRIVATE_BYTES_MAX),
});
const sealedContentSchema = z.strictObject({
  /** Salt of the commitment that the ledger holds. */
  salt: hashField,
  content: z.instanceof(Uint8Array),
});
type Committed = z.infer<typeof privateSchema>;

/** A piece as the patient has it. */
export interface PrivatePiece {
  readonly privateId: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly version: number;
  /** When it was written, milliseconds. */
  readonly time: number;
}

/** Keeps a piece: a new one, or in the place of the one of the same name. */
export async function putPrivate(
  patient: Patient,
  { name, bytes }: { name: string; bytes: Uint8Array },
): Promise<{ privateId: string; result: CertifiedResult }> {
  if (name === '' || name.length > NAME_CHARS_MAX || bytes.length > PRIVATE_BYTES_MAX) {
    throw new SdkError('bad_input', 'A piece has a name, and 64 KiB at most.', {
      nextStep: 'Cut it up, or give it another name.',
    });
  }
  const { pieces } = await listPrivate(patient);
  const before = pieces.find((one) => one.name === name);
  const privateId = before?.privateId ?? randomId();
  const version = (before?.version ?? 0) + 1;
  return { privateId, result: await write(patient, { privateId, version, name, bytes }) };
}

export interface PrivateData {
  readonly pieces: readonly PrivatePiece[];
  /** What the ledger names and the custodian does not give as it was committed to. */
  readonly broken: readonly { readonly privateId: string; readonly reason: string }[];
}

/** All pieces, each compared with the commitment on the ledger. */
export async function listPrivate(
  patient: Patient,
  under: { pseudonym: string; root: Uint8Array } = patient,
): Promise<PrivateData> {
  const { session, ownerKey, networkName: network } = patient;
  const { pseudonym, root } = under;
  const committed = await committedUnder(patient, pseudonym);
  const kept = committed.length > 0 ? await session.custodian.privateData(pseudonym, ownerKey) : [];
  const byId = new Map(kept.map((one) => [one.privateId, one.sealed]));
  const pieces: PrivatePiece[] = [];
  const broken: { privateId: string; reason: string }[] = [];
  for (const one of committed) {
    const sealed = byId.get(one.privateId);
    const by = { network, pseudonym, seed: sealingSeed(root, network) };
    const opened = sealed ? await open(sealed, one, by) : 'the custodian has nothing of it';
    if (typeof opened === 'string') broken.push({ privateId: one.privateId, reason: opened });
    else pieces.push(opened);
  }
  return { pieces, broken };
}

/** In a rotation: what was sealed to the old keys, sealed to the new ones. Gives what is broken. */
export async function movePrivate(
  patient: Patient,
  old: { pseudonym: string; root: Uint8Array },
): Promise<PrivateData['broken']> {
  const { pieces, broken } = await listPrivate(patient, old);
  if (pieces.length === 0) return broken;
  const there = await committedUnder(patient, patient.pseudonym);
  const versions = new Map(there.map((one) => [one.privateId, one.version]));
  for (const { privateId, name, bytes } of pieces) {
    // A run before this one may have committed it, and not handed it over: it is written again.
    const version = (versions.get(privateId) ?? 0) + 1;
    await write(patient, { privateId, version, name, bytes });
  }
  return broken;
}

async function committedUnder(
  { session, signer }: Patient,
  pseudonym: string,
): Promise<Committed[]> {
  const call = { fn: 'patient.private-list', args: { pseudonym }, item: privateSchema, signer };
  return allEntries(session.client, call, { fresh: true });
}

async function write(
  patient: Patient,
  piece: { privateId: string; version: number; name: string; bytes: Uint8Array },
): Promise<CertifiedResult> {
  const { session, ownerKey: key, networkName: network, pseudonym, root, signer } = patient;
  const { privateId, version, name, bytes } = piece;
  const content = encodeCbor({ format: 'carequorum-private-1', name, bytes });
  const salt = randomBytes(COMMITMENT_SALT_BYTES);
  const { publicKey } = await xWingKeyPair(sealingSeed(root, network));
  const sealed = await hpkeSeal(publicKey, {
    info: infoOf(network, privateId, pseudonym),
    aad: u32be(version),
    plaintext: encodeCbor({ salt, content }),
  });
  const args = {
    ...{ privateId, version, sealedDigest: toBase64url(sealedDigest(sealed)) },
    commitment: toBase64url(commit('private-data', salt, content)),
  };
  const result = await session.client.submit({ fn: 'patient.private', args }, signer);
  await session.custodian.putPrivate(toSealedText(sealed), { key, receipt: result.receipt });
  return result;
}

async function open(
  sealed: SealedText,
  committed: Committed,
  { network, pseudonym, seed }: { network: string; pseudonym: string; seed: Uint8Array },
): Promise<PrivatePiece | string> {
  const { privateId, version, at } = committed;
  if (digestOfSealed(sealed) !== committed.sealedDigest) {
    return 'the custodian has another version of it';
  }
  const opened = await hpkeOpen(seed, {
    ...fromSealedText(sealed),
    info: infoOf(network, privateId, pseudonym),
    aad: u32be(version),
  });
  const { salt, content } = decodeWith(sealedContentSchema, opened, recordsBounds.privateBytesMax);
  if (toBase64url(commit('private-data', salt, content)) !== committed.commitment) {
    return 'it is not what was committed to';
  }
  const { name, bytes } = decodeWith(contentSchema, content, recordsBounds.privateBytesMax);
  return { privateId, version, name, bytes, time: at.time };
}

function infoOf(network: string, privateId: string, pseudonym: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'private-data', subject: privateId, recipient: pseudonym });
}
