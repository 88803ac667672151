/** Keys of a case: each change of members makes a new one, sealed to everybody who is in it. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import { type CasePerson, type CaseView, PATIENT, showCase } from './case-data.ts';
import { type CaseContents, openCase, wakeCase } from './case-reading.ts';
import { type CaseSeeds, sealSeeds } from './case-seals.ts';
import { findGrantee, findIdentity } from './directory.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import type { CertifiedResult } from './proofs.ts';

const ATTEMPTS_MAX = 4;

/** Who joins, and from which generation on it reads; left out: from the new one. */
export interface Joiner {
  readonly subject: string;
  readonly withHistory?: boolean;
}

export interface CaseRekeyed {
  readonly result: CertifiedResult;
  readonly generation: number;
  /** Members to whom nothing could be sealed: the directory gives no key that the ledger proves. */
  readonly skipped: readonly string[];
}

/** A new key for those who are in the case now. */
export async function rekeyCase(person: CasePerson, caseId: string): Promise<CaseRekeyed> {
  return renew(person, caseId, { add: [], remove: [] });
}

/** Lets people in and out, with a new key. The case records from where on a joiner reads. */
export async function changeMembers(
  person: CasePerson,
  caseId: string,
  { add = [], remove = [] }: { add?: readonly Joiner[]; remove?: readonly string[] },
): Promise<CaseRekeyed> {
  const done = await renew(person, caseId, { add, remove });
  await tellJoiners(
    person,
    caseId,
    add.map(({ subject }) => subject),
  );
  return done;
}

/** Gives a member all keys of the case, earlier ones too; the case records that. */
export async function giveHistory(
  person: CasePerson,
  caseId: string,
  who: string,
): Promise<CertifiedResult> {
  return sealAgain(person, caseId, { who, from: 1 });
}

/** Seals the present key to a member who has another key of its own by now. */
export async function sealAgain(
  person: CasePerson,
  caseId: string,
  { who, from: wanted }: { who: string; from?: number },
): Promise<CertifiedResult> {
  const contents = await openCase(person, caseId);
  return retried(async () => {
    const view = await showCase(person, caseId);
    const member = view.members.find((one) => one.who === who);
    if (!member) throw notInCase(who);
    const from = Math.min(wanted ?? member.from, view.generation);
    const seeds = seedsFrom(contents.seeds, from, view.generation);
    const publicKey = await keyOf(person, view, who);
    const made = await sealSeeds(person, { caseId, who, seeds, publicKey });
    const args = { version: view.version, who, from, digest: made.digest };
    const call = { fn: 'case.seal', args, ledger: caseId };
    const result = await person.session.client.submit(call, person.signer);
    await deposit(person, result, [{ who, sealed: made.sealed }]);
    return result;
  });
}

async function renew(
  person: CasePerson,
  caseId: string,
  { add, remove }: { add: readonly Joiner[]; remove: readonly string[] },
): Promise<CaseRekeyed> {
  const isHistoryWanted = add.some(({ withHistory }) => withHistory);
  const held: CaseContents | null = isHistoryWanted ? await openCase(person, caseId) : null;
  // Seals that the custodian did not take would be lost, and with them what is written next.
  const isAtRest = held === null && (await showCase(person, caseId)).generation > 0;
  if (isAtRest) await wakeCase(person, caseId);
  return retried(async () => {
    const view = await showCase(person, caseId);
    const generation = view.generation + 1;
    const pair = await xWingKeyPair();
    const stay = view.members.filter(({ who, isActive }) => isActive && !remove.includes(who));
    const joining = add.map(({ subject, withHistory }) => ({
      who: subject,
      from: withHistory ? 1 : generation,
    }));
    const wanted = [...stay.map(({ who }) => ({ who, from: generation })), ...joining];
    const seals: { who: string; sealed: SealedText; digest: string }[] = [];
    const skipped: string[] = [];
    for (const { who, from } of wanted) {
      const publicKey = await keyOf(person, view, who).catch(nothingFound);
      if (!publicKey) {
        skipped.push(who);
        continue;
      }
      const earlier = seedsFrom(held?.seeds ?? new Map(), from, generation - 1);
      const seeds = new Map([...earlier, [generation, pair.seed]]);
      seals.push({ who, ...(await sealSeeds(person, { caseId, who, seeds, publicKey })) });
    }
    const isChange = add.length + remove.length > 0;
    const args = {
      version: view.version,
      generation,
      publicKey: toBase64url(pair.publicKey),
      seals: seals.map(({ who, digest }) => ({ who, digest })),
      ...(isChange
        ? { add: joining.map(({ who, from }) => ({ subject: who, from })), remove: [...remove] }
        : {}),
    };
    const call = { fn: isChange ? 'case.members' : 'case.rekey', args, ledger: caseId };
    const result = await person.session.client.submit(call, person.signer);
    await deposit(person, result, seals);
    return { result, generation, skipped };
  });
}

/** Somebody else may change the case meanwhile: then it is looked at again. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isRace = ['case_changed', 'case_key_superseded'].includes(reasonOf(error) ?? '');
      if (!isRace || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

/** Puts the case into the lists of those who joined; who was told before is left out. */
async function tellJoiners(person: CasePerson, caseId: string, subjects: readonly string[]) {
  const { client } = person.session;
  for (const subject of subjects) {
    const call = { fn: 'case.tell', args: { caseId, subjects: [subject] } };
    try {
      await client.submit(call, person.signer);
    } catch (error) {
      // A successor whom nobody told may let people in: they are told by others, or by word.
      if (!['already_told', 'unknown_case'].includes(reasonOf(error) ?? '')) throw error;
    }
  }
}

async function deposit(
  { session, key }: CasePerson,
  { receipt }: CertifiedResult,
  seals: readonly { who: string; sealed: SealedText }[],
): Promise<void> {
  const wanted = seals.map(({ who, sealed }) => ({ who, sealed }));
  await session.custodian.putCaseSeals(wanted, { key, receipt });
}

/** The key to seal to: of the patient, as the case has it; of a clinician, as the ledger proves it. */
async function keyOf(person: CasePerson, view: CaseView, who: string): Promise<Uint8Array> {
  if (who === PATIENT) return fromBase64url(view.patientKey);
  const { session, signer } = person;
  const { name } = await findIdentity(session, signer, { subject: who });
  return (await findGrantee(session, signer, { name, subject: who })).encryptionKey;
}

function nothingFound(error: unknown): null {
  if (error instanceof SdkError && error.code === 'not_found') return null;
  throw error;
}

/** Seeds of these generations. Throws `not_readable` where one is not held. */
function seedsFrom(held: CaseSeeds, from: number, until: number): CaseSeeds {
  const found = new Map<number, Uint8Array>();
  for (let generation = from; generation <= until; generation += 1) {
    const seed = held.get(generation);
    if (!seed) {
      throw new SdkError('not_readable', `You do not have key ${generation} of this case.`, {
        nextStep: 'Ask the attending clinician to do this, or to give you the earlier notes.',
      });
    }
    found.set(generation, seed);
  }
  return found;
}

function notInCase(who: string): SdkError {
  return new SdkError('not_found', 'This person is not in the case.', {
    nextStep: 'See who is: `carequorum case show`.',
    details: { who },
  });
}
