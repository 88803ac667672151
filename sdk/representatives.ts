/** A patient's representatives: appointed with stated rights, looked at, ended. */
import { z } from 'zod';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import type { Purpose } from '../lib/chaincode/fields.ts';
import { type Power, powersField } from '../lib/chaincode/representative-values.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import { categoryName } from './categories.ts';
import { SdkError } from './errors.ts';
import { sealGrant } from './grant-share.ts';
import { endAsPatient, ownPermission, type Revoked } from './grants.ts';
import { reasonOf } from './http.ts';
import { allEntries, itemSchemas } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Revisions } from './publication.ts';
import { recipientOfCard } from './recipients.ts';
import {
  cardDigest,
  checkRepresentativeCard,
  type RepresentativeCard,
} from './representative-card.ts';

/** What a representative may do, in which categories, until when. */
export interface AppointmentTerms {
  readonly powers: readonly Power[];
  /** Names of categories. */
  readonly categories: readonly string[];
  /** @default from now */
  readonly from?: number | undefined;
  readonly until: number;
  readonly dataFrom?: string | undefined;
  readonly dataUntil?: string | undefined;
  /** What for the representative may let others use data. @default treatment alone */
  readonly purposes?: readonly Exclude<Purpose, 'BTG'>[] | undefined;
}

export interface Appointed {
  readonly permissionId: string;
  readonly kid: string;
  readonly result: CertifiedResult;
}

/** An appointment, with the name on its card where that is in this keystore. */
export interface KnownAppointment {
  readonly permission: Permission;
  readonly powers: readonly Power[];
  readonly name: string | null;
}

const appointmentItem = z.object({ permission: itemSchemas.permission, powers: powersField });
/** Cards that a keystore keeps: names of the history, too. */
const CARDS_MAX = 64;

/** Appoints the holder of a card, and hands the scoped keys over. Throws `bad_input`, `refused`. */
export async function appoint(
  patient: Patient,
  card: RepresentativeCard,
  terms: AppointmentTerms,
): Promise<Appointed> {
  await checkRepresentativeCard(card, patient.networkName);
  const categories = terms.categories.map(categoryName);
  await patient.ensureCategories(categories);
  const isReader = terms.powers.includes('read');
  const revisions = isReader ? await patient.revisions(categories) : new Map<string, never>();
  await keepCard(patient, card);
  return appointAs(patient, card, { terms: { ...terms, categories }, revisions });
}

/** Exactly the same under the present keys. Throws `not_found` where the card is not here. */
export async function appointAgain(
  patient: Patient,
  permission: Permission,
  { revisions, permissionId, from }: { revisions: Revisions; permissionId: string; from: string },
): Promise<Appointed> {
  const known = await appointments(patient, from);
  const before = known.find((one) => one.permission.id === permission.id);
  const card = cardOf(patient, permission.grantee);
  if (!before || !card) {
    throw new SdkError('not_found', 'The card of this representative is not in this keystore.', {
      nextStep: 'Ask for a new card, and appoint anew: `carequorum representative appoint`.',
    });
  }
  const names = patient.categoryNames();
  const { from: start, until, purposes, dataFrom, dataUntil } = permission;
  const terms = {
    ...{ powers: before.powers, from: start, until, purposes },
    categories: permission.categories.map((tag) => names.get(tag) ?? tag),
    ...{ dataFrom: dataFrom ?? undefined, dataUntil: dataUntil ?? undefined },
  };
  return appointAs(patient, card, { terms, revisions, permissionId });
}

async function appointAs(
  patient: Patient,
  card: RepresentativeCard,
  plan: { terms: AppointmentTerms; revisions: Revisions; permissionId?: string },
): Promise<Appointed> {
  const { terms, revisions, permissionId = randomId() } = plan;
  const { powers, categories, until, dataFrom, dataUntil } = terms;
  const { session } = patient;
  const to = recipientOfCard(card);
  const rights = powers.includes('read') ? (['read'] as const) : [];
  const sealTerms = { rights, categories, until };
  const { sealed, args } = await sealGrant(patient, permissionId, {
    ...{ terms: sealTerms, to, revisions },
  });
  const call = {
    fn: 'representative.appoint',
    args: {
      ...{ permissionId, publicKey: card.publicKey, signature: card.signature },
      encryptionKeyDigest: cardDigest(card),
      powers: [...powers],
      categories: categories.map((name) => patient.tag(name)),
      ...{ from: terms.from ?? 0, until },
      ...(dataFrom === undefined ? {} : { dataFrom }),
      ...(dataUntil === undefined ? {} : { dataUntil }),
      purposes: [...(terms.purposes ?? ['TREAT'])],
      ...args,
    },
  };
  const result = await session.client.submit(call, patient.signer);
  await session.custodian.putShare(sealed, { key: patient.ownerKey, receipt: result.receipt });
  return { permissionId, kid: to.id, result };
}

/** Everybody who was ever appointed under a pseudonym, the oldest first. */
export async function appointments(
  patient: Patient,
  pseudonym: string = patient.pseudonym,
): Promise<KnownAppointment[]> {
  const query = { fn: 'representative.list', args: { pseudonym }, item: appointmentItem };
  const { client } = patient.session;
  const all = await allEntries(client, { ...query, signer: patient.signer }, { fresh: true });
  return all.map((one) => ({
    ...one,
    name: cardOf(patient, one.permission.grantee)?.name ?? null,
  }));
}

export interface EndedAppointment extends Revoked {
  /** What the representative had given: it ended in the same block. */
  readonly grants: readonly Permission[];
}

/**
 * Ends an appointment and all that was given on it, in one block; then renews the keys that the
 * representative has seeds of, and has the custodian forget what was sealed.
 */
export async function endAppointment(
  patient: Patient,
  permissionId: string,
): Promise<EndedAppointment> {
  const permission = await ownPermission(patient, permissionId);
  const now = patient.session.clock.now();
  const grants = (await patient.permissions()).filter(
    (one) => one.appointmentId === permissionId && one.revoked === null && one.until > now,
  );
  const ended = await endAsPatient(patient, permission, 'representative.end');
  for (const one of grants) await tidy(patient, one.id);
  return { ...ended, grants };
}

/** It is over since the appointment is; now its holder is told, and its share is deleted. */
async function tidy(patient: Patient, permissionId: string): Promise<void> {
  const { session, signer, ownerKey } = patient;
  try {
    const call = { fn: 'permission.revoke', args: { permissionId } };
    const { receipt } = await session.client.submit(call, signer);
    await session.custodian.withdrawShare({ key: ownerKey, receipt });
  } catch (error) {
    if (reasonOf(error) !== 'already_revoked') throw error;
  }
}

/** The card of a key, while the keystore has it. */
function cardOf(patient: Patient, kid: string): RepresentativeCard | null {
  const { representatives = [] } = patient.data;
  return representatives.find((one) => thumbprint(fromBase64url(one.publicKey)) === kid) ?? null;
}

async function keepCard(patient: Patient, card: RepresentativeCard): Promise<void> {
  const { representatives = [] } = patient.data;
  const others = representatives.filter((one) => one.publicKey !== card.publicKey);
  await patient.update({ representatives: [...others, card].slice(-CARDS_MAX) });
}
