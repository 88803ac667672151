/** Patients: a pseudonym, its owner key, and the root of its category keys (design §6, §7). */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import { decide, heldBy } from './decision.ts';
import { publishRevisions } from './epochs.ts';
import { ChaincodeError } from './errors.ts';
import {
  digestField,
  distinct,
  monthField,
  pseudonymField,
  publicKeyText,
  type Revisions,
  revisionsField,
  tagField,
} from './fields.ts';
import {
  defineQuery,
  defineTransaction,
  type QueryCall,
  type TransactionCall,
} from './functions.ts';
import { KEYS_RENEWED, remember, requireOwn } from './history.ts';
import { keys, lists } from './keys.ts';
import { clinicians } from './roles.ts';
import type { Patient } from './values.ts';

export const patientRegister = defineTransaction({
  name: 'patient.register',
  summary: 'Registers a pseudonym with a fresh owner key and the root of its category keys.',
  roles: ['patient'],
  schema: z.strictObject({
    pseudonym: pseudonymField,
    /** The signer's owner key; `resolveKeys` checks the inner signature with it. */
    ownerKey: publicKeyText,
    uiiVersion: z.int().min(1).max(1_000),
    categoryKeysRoot: digestField,
    categoryKeysFrom: monthField,
  }),
  hints: ({ pseudonym }) => [keys.patient(pseudonym), lists.history(pseudonym).count],
  async run(args, call) {
    const { actor, draft, context } = call;
    const { pseudonym, ownerKey, uiiVersion, categoryKeysRoot, categoryKeysFrom } = args;
    if (actor.kind !== 'patient') throw new ChaincodeError('role_denied');
    if (actor.pseudonym !== null) throw new ChaincodeError('owner_key_taken');
    if (await draft.get(cells.patient(pseudonym))) throw new ChaincodeError('pseudonym_taken');
    const since = { time: context.time, height: context.height };
    draft.put(cells.owner(actor.kid), { pseudonym, publicKey: fromBase64url(ownerKey), since });
    const root = { categoryKeysRoot, categoryKeysFrom, categoryKeysVersion: 1 };
    const patient: Patient = { ownerKid: actor.kid, uiiVersion, ...root, since };
    draft.put(cells.patient(pseudonym), patient);
    await remember(call, pseudonym, {});
    return publishedKeys(pseudonym, patient);
  },
});

export const patientPublishKeys = defineTransaction({
  name: 'patient.publish-keys',
  summary: 'Renews the root of the category keys, and revises keys of months where need be.',
  roles: ['patient'],
  schema: z.strictObject({
    categoryKeysRoot: digestField,
    categoryKeysFrom: monthField,
    revisions: revisionsField.optional(),
  }),
  async run({ categoryKeysRoot, categoryKeysFrom, revisions }, call) {
    const { pseudonym } = patientOf(call.actor);
    const root = { categoryKeysRoot, categoryKeysFrom };
    const patient = await renewKeys(call, pseudonym, root, revisions ?? []);
    const tags = new Set((revisions ?? []).map(({ categoryTag }) => categoryTag));
    const renewed = { categories: [...tags], reason: KEYS_RENEWED };
    await remember(call, pseudonym, tags.size > 0 ? renewed : {});
    return publishedKeys(pseudonym, patient);
  },
});

export const patientGet = defineQuery({
  name: 'patient.get',
  summary:
    'Root of the category keys, and revised months of the categories that are named; a clinician ' +
    'names categories of a live permission.',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({
    pseudonym: pseudonymField.optional(),
    categories: distinct(tagField, 0, chaincodeBounds.categoriesMax).optional(),
  }),
  hints: ({ pseudonym }) => (pseudonym ? [keys.patient(pseudonym)] : []),
  async run({ pseudonym: named, categories = [] }, call) {
    const pseudonym = await readablePatient(call, named, categories);
    const patient = await call.reader.get(cells.patient(pseudonym));
    if (!patient) throw new ChaincodeError('unknown_patient');
    const epochs = [];
    for (const categoryTag of categories) {
      const months = (await call.reader.get(cells.epoch(pseudonym, categoryTag))) ?? [];
      epochs.push({ categoryTag, months });
    }
    return { pseudonym, ...patient, epochs };
  },
});

type PublishedKeys = {
  pseudonym: string;
  ownerKid: string;
  categoryKeysRoot: string;
  categoryKeysFrom: string;
  categoryKeysVersion: number;
};
type KeysRoot = Pick<Patient, 'categoryKeysRoot' | 'categoryKeysFrom'>;

/** Sets a new root and publishes revisions; answers the patient as written. */
export async function renewKeys(
  { draft }: TransactionCall,
  pseudonym: string,
  root: KeysRoot,
  revisions: Revisions,
): Promise<Patient> {
  const patient = await draft.get(cells.patient(pseudonym));
  if (!patient) throw new ChaincodeError('unknown_patient');
  const categoryKeysVersion = patient.categoryKeysVersion + 1;
  const renewed = { ...patient, ...root, categoryKeysVersion };
  draft.put(cells.patient(pseudonym), renewed);
  await publishRevisions(draft, pseudonym, revisions);
  return renewed;
}

/** What permits the custodian to take public keys under this root. */
export function publishedKeys(pseudonym: string, patient: Patient): PublishedKeys {
  const { ownerKid, categoryKeysRoot, categoryKeysFrom, categoryKeysVersion } = patient;
  return { pseudonym, ownerKid, categoryKeysRoot, categoryKeysFrom, categoryKeysVersion };
}

/** The patient asked about: oneself, or one who granted all the named categories. */
async function readablePatient(
  { actor, reader, context }: QueryCall,
  named: string | undefined,
  categories: readonly string[],
): Promise<string> {
  if (actor.kind === 'patient') {
    const { pseudonym } = patientOf(actor);
    requireOwn(pseudonym, named);
    return pseudonym;
  }
  if (named === undefined) throw new ChaincodeError('bad_arguments');
  const held = await heldBy(reader, named, identityOf(actor).identity.subject);
  const { time } = context;
  const live = held.filter((one) => one.revoked === null && one.from <= time && time < one.until);
  if (live.length === 0) {
    const decision = decide(held, { right: 'read', time });
    throw new ChaincodeError(decision.decision === 'deny' ? decision.reason : 'no_permission');
  }
  if (!categories.every((tag) => live.some((one) => one.categories.includes(tag)))) {
    throw new ChaincodeError('category_not_granted');
  }
  return named;
}
