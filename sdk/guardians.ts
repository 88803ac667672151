/** A patient's guardians: set, looked at, ended; and what a recovery gives back. */
import { z } from 'zod';
import { fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { type SigningKey, thumbprint } from '../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { chaincodeBounds } from '../lib/chaincode/bounds.ts';
import { guardianKeyCommitment } from '../lib/chaincode/recovery-signing.ts';
import { recoverySchema, recoverySetupSchema } from '../lib/chaincode/recovery-values.ts';
import { guardiansSigningBytes, recoveryGuardBytes } from '../lib/chaincode/rotation-guard.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { guardianShareCommitment, sealBlob, sealGuardianShare } from '../lib/escrow/guardians.ts';
import { splitSecret } from '../lib/escrow/shares.ts';
import { fromSealedText, sealedSchema, toSealedText } from '../lib/records/sealed.ts';
import { SdkError } from './errors.ts';
import {
  deliverEscrow,
  depositEscrow,
  eraseEscrow,
  escrowOwner,
  escrowStanding,
} from './escrow.ts';
import { deliveryOfData, deliveryToData, type EscrowDelivery } from './escrow-delivery.ts';
import { type GuardiansData, patientDataSchema } from './keystore-data.ts';
import { parseValue } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import { keySigner } from './signing.ts';
import { checkCard, type GuardianCard, type GuardianPackage } from './recovery-files.ts';

/** What the ledger says of a patient's guardians and of the newest recovery. */
export const recoveryAnswer = z.object({
  pseudonym: z.string(),
  setup: recoverySetupSchema.nullable(),
  recovery: recoverySchema.nullable(),
  isOpen: z.boolean(),
});
export type RecoveryAnswer = z.infer<typeof recoveryAnswer>;

/** What the blob holds: all that a keystore needs and that cannot be made anew. */
export const blobSchema = patientDataSchema
  .pick({ root: true, ownerKey: true, uii: true, pseudonym: true, registered: true })
  .extend({
    format: z.literal('carequorum-recovery-1'),
    categories: patientDataSchema.shape.categories,
    earlierTags: patientDataSchema.shape.earlierTags,
  });

/** How a blob travels: sealed under both secrets. */
export const blobPayloadSchema = sealedSchema(escrowBounds.payloadBytesMax);

export interface GuardianTerms {
  readonly cards: readonly GuardianCard[];
  /** How many of them have to sign. */
  readonly needed: number;
  /** What guardians call the patient; stands in their packages. */
  readonly patient: string;
  /** Has to sign where the patient has one. */
  readonly rotationKey?: SigningKey | undefined;
}

export interface GuardiansSet {
  readonly result: CertifiedResult;
  /** Hospitals that have not taken their share yet. */
  readonly missing: readonly string[];
}

/**
 * Names guardians, replacing those before. `keep` gets their packages first: nothing counts on the
 * ledger before they are safe. Throws `bad_input`, `refused`, `unreachable`.
 */
export async function setGuardians(
  patient: Patient,
  terms: GuardianTerms,
  keep: (packages: readonly GuardianPackage[]) => Promise<void>,
): Promise<GuardiansSet> {
  await checkTerms(patient, terms);
  const { cards, needed } = terms;
  const setupId = randomId();
  const secrets = { guardians: randomBytes(32), validators: randomBytes(32) };
  const prepared = await makePackages(patient, terms, { setupId, secret: secrets.guardians });
  await keep(prepared);
  const { networkName: network, pseudonym } = patient;
  const sealed = await sealBlob(secrets, { network, setupId, pseudonym }, blobOf(patient));
  const guardians = prepared.map((one) => ({ key: one.key, share: one.commitment }));
  const guarded = guardiansSigningBytes({ network, pseudonym, setupId, needed, guardians });
  const guard = await guardOf(terms.rotationKey, guarded);
  const args = { setupId, needed, guardians, ...guard };
  const content = {
    ...{ kind: 'recovery' as const, fn: 'recovery.setup', args },
    ...{ secret: secrets.validators, payload: utf8(JSON.stringify(toSealedText(sealed))) },
  };
  const note = async (delivery: EscrowDelivery): Promise<void> => {
    const names = cards.map((card, at) => ({ name: card.name, kid: prepared[at]?.kid ?? '' }));
    const { escrowId } = delivery;
    const { categories } = patient.data;
    const since = patient.session.clock.now();
    await patient.update({
      guardians: {
        ...{ setupId, escrowId, needed, guardians: names, categories, since },
        delivery: deliveryToData(delivery),
      },
    });
  };
  const { result, delivery } = await depositEscrow(escrowOwner(patient), content, note);
  return { result, missing: delivery.missing.map(({ validator }) => validator) };
}

/** Hands hospitals what they were not there to take; gives those that still lack it. */
export async function repairGuardians(patient: Patient): Promise<string[]> {
  const { guardians } = patient.data;
  if (!guardians?.delivery) return [];
  const delivery = await deliverEscrow(escrowOwner(patient), deliveryOfData(guardians.delivery));
  await patient.update({ guardians: { ...guardians, delivery: deliveryToData(delivery) } });
  return delivery.missing.map(({ validator }) => validator);
}

export interface GuardiansStanding extends RecoveryAnswer {
  /** From the keystore: names; null where no guardians were set with these keys. */
  readonly known: GuardiansData | null;
  /** Why guardians should be set anew, or null. */
  readonly stale: 'none' | 'other' | 'spent' | 'ended' | 'validators' | 'categories' | null;
}

/** Who the guardians are, whether a recovery is open, and whether all of it would still work. */
export async function guardiansStanding(patient: Patient): Promise<GuardiansStanding> {
  const found = await recoveryOf(patient);
  const known = patient.data.guardians ?? null;
  return { ...found, known, stale: await staleness(patient, found, known) };
}

async function recoveryOf(patient: Patient): Promise<RecoveryAnswer> {
  const call = { fn: 'recovery.get', args: {} };
  const answer = await patient.session.client.query(call, patient.signer, { fresh: true });
  return parseValue(recoveryAnswer, answer, call.fn);
}

async function staleness(
  patient: Patient,
  { setup }: RecoveryAnswer,
  known: GuardiansData | null,
): Promise<GuardiansStanding['stale']> {
  if (setup === null) return 'none';
  if (setup.status !== 'ready') return setup.status;
  if (known?.setupId !== setup.setupId) return 'other';
  const { isCurrent } = await escrowStanding(escrowOwner(patient), 'recovery');
  if (!isCurrent) return 'validators';
  const isNamed = patient.data.categories.every((name) => known.categories.includes(name));
  return isNamed ? null : 'categories';
}

/** Ends recovery: from its block on guardians can do nothing, and hospitals erase their shares. */
export async function endGuardians(
  patient: Patient,
  rotationKey?: SigningKey,
): Promise<{ result: CertifiedResult; left: readonly string[] }> {
  const { client, network } = patient.session;
  const { setup } = await recoveryOf(patient);
  const { networkName, pseudonym } = patient;
  const what = { network: networkName, pseudonym, act: 'end', id: setup?.setupId ?? '' } as const;
  const args = await guardOf(rotationKey, recoveryGuardBytes(what));
  const result = await client.submit({ fn: 'recovery.end', args }, patient.signer);
  const { guardians } = patient.data;
  const holders = (client.memory?.members ?? network).validators.map(({ id }) => id);
  const { receipt } = result;
  const escrowId = guardians?.escrowId;
  const left =
    escrowId === undefined
      ? holders
      : await eraseEscrow(escrowOwner(patient), { receipt, escrowId, holders });
  await patient.update({ guardians: undefined });
  return { result, left };
}

/**
 * The patient, who still has the keys, objects to a recovery: by the owner key alone, so that no
 * membership service that gives no certificates can prevent it. Where there is a rotation key that
 * does not sign, the recovery goes on after twice the time.
 */
export async function vetoRecovery(
  patient: Patient,
  recoveryId: string,
  rotationKey?: SigningKey,
): Promise<{ result: CertifiedResult; isEnded: boolean; from: number }> {
  const { networkName: network, pseudonym } = patient;
  const what = { network, pseudonym, act: 'veto', id: recoveryId } as const;
  const guard = await guardOf(rotationKey, recoveryGuardBytes(what));
  const call = { fn: 'recovery.veto', args: { recoveryId, ...guard } };
  const result = await patient.session.client.submit(call, keySigner(patient.ownerKey));
  return { result, ...parseValue(vetoValue, result.value, call.fn) };
}

const vetoValue = z.object({ isEnded: z.boolean(), from: z.int() });

async function guardOf(
  rotationKey: SigningKey | undefined,
  bytes: Uint8Array,
): Promise<{ guardSignature?: string }> {
  if (!rotationKey) return {};
  return { guardSignature: toBase64url(await rotationKey.sign(bytes)) };
}

async function makePackages(
  patient: Patient,
  { cards, needed, patient: name }: GuardianTerms,
  { setupId, secret }: { setupId: string; secret: Uint8Array },
): Promise<GuardianPackage[]> {
  const { networkName: network, pseudonym } = patient;
  const shares = await splitSecret(secret, { holders: cards.length, threshold: needed });
  return Promise.all(
    cards.map(async (card, index) => {
      const publicKey = fromBase64url(card.publicKey);
      const kid = thumbprint(publicKey);
      const salt = randomId();
      const share = shares[index] as Uint8Array;
      const place = { network, setupId, index };
      const key = fromBase64url(card.encryptionKey);
      return {
        ...{ format: 'carequorum-guardian-1' as const, network, patient: name, pseudonym },
        ...{ setupId, index, needed, of: cards.length, kid, salt },
        commitment: guardianShareCommitment(place, share),
        key: guardianKeyCommitment({ network, setupId, salt, publicKey }),
        share: toSealedText(await sealGuardianShare(key, place, { kid, share })),
      };
    }),
  );
}

function blobOf({ data }: Patient): Uint8Array {
  const { root, ownerKey, uii, pseudonym, registered, categories, earlierTags } = data;
  const blob: z.infer<typeof blobSchema> = {
    ...{ format: 'carequorum-recovery-1', root, ownerKey, uii, pseudonym, registered },
    ...{ categories, earlierTags },
  };
  return utf8(JSON.stringify(blob));
}

async function checkTerms(patient: Patient, { cards, needed }: GuardianTerms): Promise<void> {
  const { guardiansMin: min, guardiansMax: max } = chaincodeBounds;
  const refuse = (message: string, nextStep: string): never => {
    throw new SdkError('bad_input', message, { nextStep });
  };
  if (cards.length < min || cards.length > max) {
    refuse(`Name ${min} to ${max} guardians.`, 'Give a card for each with --guardian.');
  }
  if (!Number.isInteger(needed) || needed < min || needed > cards.length) {
    refuse(
      `Between ${min} and ${cards.length} guardians have to be needed.`,
      'Choose --needed: two of three is a good start.',
    );
  }
  for (const card of cards) await checkCard(card);
  const kids = new Set(cards.map((card) => card.publicKey));
  const own = toBase64url(patient.keystore.publicKey);
  if (kids.size < cards.length || kids.has(own)) {
    refuse('Each guardian is another person, and not yourself.', 'Choose other guardians.');
  }
  if (patient.data.rotation) {
    refuse('Your keys are being rotated.', 'Finish first: `carequorum rotate`.');
  }
}

/** Reads a blob's payload as it came from hospitals. Throws `bad_answer`. */
export function readBlobPayload(payload: Uint8Array) {
  const text = new TextDecoder().decode(payload);
  return fromSealedText(blobPayloadSchema.parse(JSON.parse(text)));
}
