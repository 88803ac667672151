/** Cases as members see them: what the ledgers prove, in the forms that this program works with. */
import { z } from 'zod';
import {
  caseLogSchema,
  caseNoteSchema,
  caseQuestionSchema,
  lastMemberSchema,
  PATIENT,
} from '../lib/chaincode/case-values.ts';
import { caseRuleSchema } from '../lib/chaincode/case-rule.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { allEntries, parseValue } from './pages.ts';
import type { Clinician } from './clinician.ts';
import { caseSeed } from './category-keys.ts';
import { SdkError } from './errors.ts';
import type { Patient } from './patient.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

export { PATIENT };
export type { CaseRule } from '../lib/chaincode/case-rule.ts';
export type { CaseNote, CaseQuestion, CaseLogEntry } from '../lib/chaincode/case-values.ts';

const moment = z.object({ time: z.int(), height: z.int() });

const entrySchema = z.object({
  id: z.string(),
  pseudonym: z.string(),
  hospital: z.string(),
  attending: z.string(),
  rule: caseRuleSchema,
  opened: moment,
  told: z.array(z.string()),
  closed: moment
    .extend({
      transaction: z.string(),
      anchor: z.object({ height: z.int(), headerHash: z.string() }),
      members: z.array(lastMemberSchema),
    })
    .nullable(),
});
/** A case as the main ledger has it. */
export type CaseEntry = z.infer<typeof entrySchema>;

const consentSchema = z.object({
  id: z.string(),
  pseudonym: z.string(),
  attending: z.string(),
  until: z.int(),
  given: moment,
  caseId: z.string().nullable(),
  withdrawn: moment.nullable(),
  isLive: z.boolean(),
});
export type CaseConsent = z.infer<typeof consentSchema>;

const viewSchema = z.object({
  caseId: z.string(),
  pseudonym: z.string(),
  patientKey: z.string(),
  hospital: z.string(),
  attending: z.string(),
  self: z.string(),
  rule: caseRuleSchema,
  opened: moment,
  generation: z.int(),
  key: z.object({ publicKey: z.string(), maker: z.string(), made: moment }).nullable(),
  members: z.array(
    z.object({
      who: z.string(),
      role: z.string(),
      since: moment,
      from: z.int(),
      seal: z.object({ digest: z.string(), generation: z.int() }).nullable(),
      isActive: z.boolean(),
      kid: z.string().nullable(),
    }),
  ),
  handover: z.object({ to: z.string(), at: moment }).nullable(),
  openQuestions: z.int(),
  version: z.int(),
  discharged: moment.nullable(),
});
/** A case as its own ledger has it. */
export type CaseView = z.infer<typeof viewSchema>;

const keySchema = z.object({
  generation: z.int(),
  publicKey: z.string(),
  maker: z.string(),
  made: moment,
});
export type CaseKey = z.infer<typeof keySchema>;

/** Whoever takes part in cases: the patient or a clinician, with the keys of that person. */
export interface CasePerson {
  readonly session: Session;
  readonly signer: RequestSigner;
  /** Proves itself to the custodian. */
  readonly key: SigningKey;
  /** As members name this person. */
  readonly who: string;
  /** Seeds of X-Wing pairs that others may have sealed to, the present one first. */
  seeds(): Promise<readonly Uint8Array[]>;
}

/** The patient in own cases. */
export function patientInCases(patient: Patient): CasePerson {
  const { session, signer, ownerKey: key } = patient;
  const seeds = async () => [caseSeed(patient.root, patient.networkName)];
  return { session, signer, key, who: PATIENT, seeds };
}

/** A clinician in cases. Throws `wrong_keystore` before the enrolment is active. */
export function clinicianInCases(clinician: Clinician): CasePerson {
  const { session, signer, keystore } = clinician;
  const subject = clinician.data.enrolment?.subject;
  if (subject === undefined) {
    throw new SdkError('wrong_keystore', 'This keystore is not enrolled.', {
      nextStep: 'Enrol first: `carequorum enrol`.',
    });
  }
  const seeds = async () => {
    const pairs = await clinician.allKeys();
    return pairs.map(({ encryption }) => encryption.seed);
  };
  return { session, signer, key: keystore.signingKey, who: subject, seeds };
}

/** All cases that this person knows of. */
export async function listCases({ session, signer }: CasePerson): Promise<CaseEntry[]> {
  const query = { fn: 'case.list', item: entrySchema, signer };
  return allEntries(session.client, query, { fresh: true });
}

/** Consents that the patient gave, or the doctor was given. */
export async function listConsents({ session, signer }: CasePerson): Promise<CaseConsent[]> {
  const query = { fn: 'case.consents', item: consentSchema, signer };
  return allEntries(session.client, query, { fresh: true });
}

/** The case as the main ledger has it. */
export async function caseEntry(person: CasePerson, caseId: string): Promise<CaseEntry> {
  const call = { fn: 'case.get', args: { caseId } };
  const value = await person.session.client.query(call, person.signer, { fresh: true });
  return parseValue(entrySchema, value, call.fn);
}

/** The case as it is now, for members. */
export async function showCase(person: CasePerson, caseId: string): Promise<CaseView> {
  const call = { fn: 'case.show', args: {}, ledger: caseId };
  const value = await person.session.client.query(call, person.signer, { fresh: true });
  return parseValue(viewSchema, value, call.fn);
}

const lists = {
  'case.notes': caseNoteSchema,
  'case.questions': caseQuestionSchema,
  'case.keys': keySchema,
  'case.log': caseLogSchema,
} as const;
type Lists = { [K in keyof typeof lists]: z.infer<(typeof lists)[K]> };

/** A list of the case, whole and proven. */
export async function caseList<K extends keyof Lists>(
  { session, signer }: CasePerson,
  caseId: string,
  fn: K,
): Promise<Lists[K][]> {
  const item = lists[fn] as unknown as z.ZodType<Lists[K]>;
  return allEntries(session.client, { fn, item, signer, ledger: caseId }, { fresh: true });
}
