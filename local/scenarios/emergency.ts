// An emergency: the custodian and a hospital are away, and a doctor still reads what the patient wrote.
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { cardPdf } from '../../cli/card.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import { formatCardCode, parseCardCode } from '../../sdk/card-code.ts';
import {
  accessAgain,
  type Declared,
  declareByCard,
  declareByName,
  listDeclarations,
  maintainEmergency,
  prepareEmergency,
  readSummary,
  reviewDeclaration,
  withdrawEmergency,
} from '../../sdk/emergency.ts';
import { type EmergencySummary, summaryLines } from '../../sdk/emergency-summary.ts';
import { openEscrow } from '../../sdk/escrow.ts';
import { SdkError } from '../../sdk/errors.ts';
import { reasonOf } from '../../sdk/http.ts';
import { Patient, preparePatient } from '../../sdk/patient.ts';
import { leaderNow } from '../lib/network-facts.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

/** The custodian's account. */
const CUSTODIAN = 'records';

export const emergency: Scenario = {
  name: 'emergency',
  title:
    'a patient who cannot speak: with a hospital and the custodian away a doctor reads the summary',
  async run(stage) {
    const { cast } = stage;
    const [first = '', second = ''] = cast.hospitals;
    const patient = await enrolledPatient(stage);
    const doctor = await enrolled(stage, first, 4);
    const other = await enrolled(stage, second, 5);
    const code = await prepared(stage, patient);
    const away = await takeAway(stage);
    const declared = await declaredAndRead(stage, doctor, code);
    await refusals(stage, { doctor, other, declared });
    await withoutCard(stage, patient, other);
    await told(stage, patient, doctor);
    await reviewed(stage, patient, declared, { first, second });
    await comeBack(stage, patient, away);
    await ended(stage, patient, doctor, declared);
  },
};

/** She can be found by name and birth date, so that nobody else may have both. */
async function enrolledPatient({ steps, cast }: Stage): Promise<Patient> {
  return steps.run('A patient enrols and registers a pseudonym', async () => {
    const person = { name: `Miriam Testerton ${shortId()}`, birthDate: '1961-04-23' };
    const keystore = await cast.keystore('patient', `patient-${shortId()}`, person.name);
    await preparePatient(keystore, person);
    const patient = await Patient.open(cast.session(), keystore);
    await patient.enrol(person);
    const registered = await patient.register([DEFAULT_CATEGORY]);
    if (!registered) throw new UnexpectedError('a fresh patient is registered already');
    return { value: patient, proof: `${person.name}, block ${registered.height}` };
  });
}

async function enrolled({ steps, cast }: Stage, hospital: string, index: number) {
  return steps.run(`A doctor of ${hospital} enrols and is approved`, async () => {
    const { doctor, approved } = await cast.doctor(hospital, index);
    const where = approved ? `block ${approved.height}` : 'approved before';
    return { value: doctor, proof: `${doctor.keystore.label}, ${where}` };
  });
}

function summaryOf({ data }: Patient, now: number): EmergencySummary {
  const source = { by: 'patient', time: now } as const;
  return {
    format: 'carequorum-emergency-1',
    person: { name: data.uii.name ?? '', birthDate: data.uii.birthDate ?? null },
    madeAt: now,
    allergies: {
      state: 'recorded',
      entries: [{ text: 'Penicillin: anaphylaxis', source }],
    },
    medicines: {
      state: 'recorded',
      entries: [{ text: 'Apixaban 5 mg twice a day', source }],
    },
    conditions: { state: 'not-asked' },
  };
}

async function prepared({ steps, work }: Stage, patient: Patient): Promise<string> {
  return steps.run('She writes a summary; its key is split among the hospitals', async () => {
    const summary = summaryOf(patient, patient.session.clock.now());
    const { handle, missing, result } = await prepareEmergency(patient, summary);
    if (missing.length > 0) throw new UnexpectedError(`${missing.join(', ')} took no share`);
    await writeFile(join(work, 'card.pdf'), await cardPdf(handle, patient.networkName));
    const code = formatCardCode(handle);
    return { value: code, proof: `block ${result.height}, card ${code}` };
  });
}

/** A hospital that neither leads nor employs the doctor, and the custodian. */
async function takeAway({ steps, accounts, network, cast }: Stage): Promise<readonly string[]> {
  if (!accounts) {
    steps.line('  The accounts of this network are left alone: nobody is taken away.');
    return [];
  }
  return steps.run('A hospital and the custodian are taken away', async () => {
    const leader = await leaderNow(network);
    const hospital = cast.hospitals.slice(2).find((id) => id !== leader);
    if (hospital === undefined) throw new UnexpectedError('there is no third hospital');
    await accounts.stop(hospital);
    await accounts.stop(CUSTODIAN);
    return { value: [hospital, CUSTODIAN], proof: `${hospital} and ${CUSTODIAN} are stopped` };
  });
}

async function declaredAndRead(stage: Stage, doctor: Clinician, code: string): Promise<Declared> {
  const { steps, network } = stage;
  const { declared, read } = await steps.run(
    'The doctor types the card, declares an emergency, and reads',
    async () => {
      const started = performance.now();
      const handle = parseCardCode(code.toLowerCase().replaceAll('-', ' '));
      const made = await declareByCard(doctor, { handle, reason: 'unconscious' });
      const committed = performance.now();
      const found = await readSummary(doctor, made);
      const ms = (from: number, until: number): string => `${Math.round(until - from)} ms`;
      const ended = performance.now();
      const { height } = made.result;
      const proof =
        `block ${height}, committed in ${ms(started, committed)}, read in ${ms(started, ended)}, ` +
        `with shares of ${found.from.join(', ')}`;
      return { value: { declared: made, read: found }, proof };
    },
  );
  for (const line of summaryLines(read.summary)) steps.line(`    ${line}`);
  await steps.run(
    'The receipt of it verifies offline, with the genesis document alone',
    async () => {
      const { height } = await verifyReceipt(declared.result.receipt, network.genesis);
      return { value: null, proof: `block ${height}` };
    },
  );
  return declared;
}

async function refusals(
  { steps }: Stage,
  { doctor, other, declared }: { doctor: Clinician; other: Clinician; declared: Declared },
): Promise<void> {
  await steps.run(
    'A card that nobody has is refused, and nothing is concluded from it',
    async () => {
      const wrong = declareByCard(doctor, { handle: randomId(), reason: 'other' });
      const error = await refusalOf(wrong);
      if (reasonOf(error) !== 'unknown_handle') throw error;
      if (!error.message.includes('does NOT mean')) throw new UnexpectedError(error.message);
      return { value: null, proof: 'unknown_handle: «does NOT mean that there are no allergies»' };
    },
  );
  await steps.run('Another doctor can do nothing with the receipt of the first', async () => {
    const { session, keystore } = other;
    const thief = { session, key: keystore.signingKey, encryption: keystore.encryption };
    const error = await refusalOf(openEscrow(thief, declared.result));
    const failures = String(error.details['failures']);
    if (!failures.includes('proof_wrong_key')) throw error;
    const again = await refusalOf(accessAgain(other, declared.declarationId));
    if (reasonOf(again) !== 'unknown_declaration') throw again;
    return { value: null, proof: 'proof_wrong_key at each hospital; unknown_declaration' };
  });
}

async function withoutCard({ steps }: Stage, patient: Patient, other: Clinician): Promise<void> {
  await steps.run(
    'Without a card the membership service names it, by name and birth date',
    async () => {
      const { name = '', birthDate = '' } = patient.data.uii;
      const person = { name, birthDate };
      const declared = await declareByName(other, { person, reason: 'confused-or-incapable' });
      const { summary } = await readSummary(other, declared);
      if (summary.person.name !== name) throw new UnexpectedError('the summary of somebody else');
      const wrong = { ...person, birthDate: '1961-04-24' };
      const error = await refusalOf(declareByName(other, { person: wrong, reason: 'other' }));
      if (reasonOf(error) !== 'no_card') throw error;
      return { value: null, proof: `block ${declared.result.height}; another birth date: no_card` };
    },
  );
}

async function told({ steps }: Stage, patient: Patient, doctor: Clinician): Promise<void> {
  await steps.run('The patient sees who read it, when and why', async () => {
    const [listed] = await listDeclarations(patient.session, patient.signer);
    const history = await patient.history();
    const entry = history.find((one) => one.fn === 'emergency.declare');
    const topics = (await patient.inbox()).map(({ topic }) => topic);
    const { subject } = doctor.data.enrolment ?? {};
    const isTold = topics.includes('emergency.declared') && entry?.purpose === 'BTG';
    if (!isTold || listed?.clinician.subject !== subject) {
      throw new UnexpectedError('the declaration is missing of list, history or inbox');
    }
    return { value: null, proof: `${listed?.reason}, by ${doctor.keystore.label}` };
  });
}

async function reviewed(
  { steps, cast }: Stage,
  patient: Patient,
  { declarationId }: Declared,
  { first, second }: { first: string; second: string },
): Promise<void> {
  await steps.run(`Only another hospital reviews it: ${second}, not ${first}`, async () => {
    const [own, elsewhere] = [await cast.operator(first), await cast.operator(second)];
    const verdict = 'justified' as const;
    const review = { declarationId, verdict };
    const error = await refusalOf(reviewDeclaration(own.session, own.signer, review));
    if (reasonOf(error) !== 'own_declaration') throw error;
    const { height } = await reviewDeclaration(elsewhere.session, elsewhere.signer, review);
    const [listed] = await listDeclarations(patient.session, patient.signer);
    if (listed?.review?.verdict !== verdict) throw new UnexpectedError('the review is missing');
    return { value: null, proof: `own_declaration; then ${verdict} in block ${height}` };
  });
}

async function comeBack(
  { steps, accounts }: Stage,
  patient: Patient,
  away: readonly string[],
): Promise<void> {
  if (!accounts || away.length === 0) return;
  await steps.run('Those who were away come back', async () => {
    for (const id of away) await accounts.restart(id);
    const state = await maintainEmergency(patient);
    return { value: null, proof: `${away.join(' and ')}; her next login: ${state}` };
  });
}

async function ended(
  { steps }: Stage,
  patient: Patient,
  doctor: Clinician,
  { declarationId }: Declared,
): Promise<void> {
  await steps.run('She ends emergency access: every hospital erases its share', async () => {
    const { result, left } = await withdrawEmergency(patient);
    if (left.length > 0) throw new UnexpectedError(`${left.join(', ')} did not erase`);
    const error = await refusalOf(accessAgain(doctor, declarationId));
    if (reasonOf(error) !== 'unknown_escrow') throw error;
    return { value: null, proof: `block ${result.height}; the doctor is refused: unknown_escrow` };
  });
}

/** What must be refused, is; anything else ends the story. */
async function refusalOf(work: Promise<unknown>): Promise<SdkError> {
  const error: unknown = await work.then(
    () => new UnexpectedError('this was not refused'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof SdkError) return error;
  throw error;
}
