/** What functions of a case ledger have in common: who is in the case, by it and by the main ledger. */
import { cells, listCells } from './cells.ts';
import {
  type Case,
  type CaseLogEntry,
  type CaseMember,
  type CaseState,
  PATIENT,
  type Who,
} from './case-values.ts';
import { type Reader, readerOf } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import type { Actor, ChaincodeContext, TransactionCall } from './functions.ts';
import { ownOrEarlier } from './history.ts';

type Place = Pick<ChaincodeContext, 'ledger' | 'main'>;

/** The main ledger as the block pins it. */
export function mainReader({ main }: Place): Reader {
  if (!main) throw new Error('a function of a case ledger runs elsewhere');
  return readerOf(main);
}

/** The case as it was opened. @throws ChaincodeError `unknown_case` */
export async function caseOf(place: Place): Promise<Case> {
  const found = await mainReader(place).get(cells.case(place.ledger));
  if (!found) throw new ChaincodeError('unknown_case');
  return found;
}

/** The case as it is: until the first change, the patient and the doctor whom the opening names. */
export async function stateOf(reader: Reader, opened: Case): Promise<CaseState> {
  const found = await reader.get(cells.caseState);
  if (found) return found;
  const { pseudonym, patientKey, attending } = opened;
  const { time, height } = opened.opened;
  const member = { since: { time, height }, from: 1, seal: null };
  return {
    ...{ pseudonym, patientKey, attending, generation: 0, key: null, handover: null },
    members: [
      { who: PATIENT, role: PATIENT, ...member },
      { who: attending, role: 'doctor', ...member },
    ],
    ...{ openQuestions: 0, version: 0, discharged: null },
  };
}

/** A member who acts: whose case it is, how it stands, and as whom. */
export interface Inside {
  opened: Case;
  state: CaseState;
  member: CaseMember;
}

/**
 * The case, if the actor is in it. Whoever is not learns nothing, not even that it exists.
 * @throws ChaincodeError `not_in_case`, `patient_erased`
 */
export async function inside(actor: Actor, reader: Reader, place: Place): Promise<Inside> {
  const opened = await caseOf(place);
  const state = await stateOf(reader, opened);
  const who = await whoIs(actor, mainReader(place), state.pseudonym);
  const member = state.members.find((one) => one.who === who);
  if (!member) throw new ChaincodeError('not_in_case');
  if (await isPatientErased(mainReader(place), state.pseudonym)) {
    throw new ChaincodeError('patient_erased');
  }
  return { opened, state, member };
}

/** As `inside`, while there is something to do: until the discharge. */
export async function atWork({ actor, draft, context }: TransactionCall): Promise<Inside> {
  const found = await inside(actor, draft.reader, context);
  if (found.state.discharged !== null) throw new ChaincodeError('case_discharged');
  return found;
}

/** As `atWork`, for the attending clinician and the patient. */
export async function inCharge(call: TransactionCall): Promise<Inside> {
  const found = await atWork(call);
  if (!isInCharge(found)) throw new ChaincodeError('not_attending');
  return found;
}

export function isInCharge({ state, member }: Pick<Inside, 'state' | 'member'>): boolean {
  return member.who === state.attending || member.who === PATIENT;
}

/** The patient is the one whose pseudonym leads back to that of the case. */
async function whoIs(actor: Actor, main: Reader, pseudonym: string): Promise<Who | null> {
  if (actor.kind === 'identity') return actor.identity.subject;
  if (actor.pseudonym === null) return null;
  try {
    await ownOrEarlier(main, actor.pseudonym, pseudonym);
    return PATIENT;
  } catch (error) {
    if (error instanceof ChaincodeError) return null;
    throw error;
  }
}

/** Writes the next version of the case. */
export function putState({ draft }: TransactionCall, state: CaseState): CaseState {
  const next = { ...state, version: state.version + 1 };
  draft.put(cells.caseState, next);
  return next;
}

type Details = Partial<Pick<CaseLogEntry, 'members' | 'generation' | 'questionId' | 'option'>>;

/** Appends what was done to the list of the case, and tells everybody else in it. */
export async function logged(
  call: TransactionCall,
  { state, member }: Pick<Inside, 'state' | 'member'>,
  details: Details = {},
): Promise<void> {
  const { draft, context, fn, transactionId } = call;
  await draft.append(listCells.caseLog(), {
    ...{ time: context.time, height: context.height, transaction: transactionId, fn },
    ...{ who: member.who, members: [], generation: null, questionId: null, option: null },
    ...details,
  });
  tellOthers(call, { state, member }, 'case.changed');
}

export function tellOthers(
  { draft }: TransactionCall,
  { state, member }: Pick<Inside, 'state' | 'member'>,
  topic: 'case.changed' | 'case.noted',
): void {
  for (const { who } of state.members) {
    if (who !== member.who) draft.announce(who === PATIENT ? state.pseudonym : who, topic);
  }
}

/** Whose case the custodian keeps something of: all of a patient's is found by the pseudonym. */
export function caseName({ ledger }: Place, state: CaseState) {
  return { caseId: ledger, pseudonym: state.pseudonym } as const;
}
