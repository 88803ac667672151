/** A case in the seeded story: opened, at work with a question and a handover, discharged, closed. */
import type { Execution } from '../../lib/chaincode/execute.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import type { CaseWorld } from './case-world.ts';
import type { Teller } from './seeded.ts';
import { DAY, id16, type PatientKeys, type Person, text32 } from './world.ts';

type Args = SignedRequest['args'];

export interface CaseCast {
  readonly patient: PatientKeys;
  readonly attending: Person;
  /** A doctor of another hospital. */
  readonly second: Person;
  readonly nurse: Person;
}

const publicKey = 'A'.repeat(1622);
const rule = {
  ...{ voters: 'doctors', quorumPercent: 100, majority: 'half', votingMs: DAY },
  otherwise: 'attending',
};
const questionId = id16('seeded question');
const text = (name: string, generation: number): Args => ({
  ...{ noteId: id16(`seeded ${name}`), generation, digest: text32(name), size: 500 },
});

/** A key of the next generation, sealed to those named. */
async function nextKey(
  stay: CaseWorld,
  { patient }: CaseCast,
  to: readonly Person[],
): Promise<Args & { version: number }> {
  const shown = await stay.ask(patient, 'case.show');
  const { version, generation } = shown as unknown as { version: number; generation: number };
  const seals = ['patient', ...to.map(({ subject }) => subject)].map((who) => ({
    ...{ who, digest: text32(`seal ${who} ${version}`) },
  }));
  return { version, generation: generation + 1, publicKey, seals };
}

/** Up to a question that is voted on, and a handover that waits. */
export async function caseBegins(
  { say, mention, world, enter }: Teller,
  cast: CaseCast,
): Promise<void> {
  const { patient, attending, second, nurse } = cast;
  const consent = (name: string): Args => ({
    ...{ consentId: id16(`seeded ${name}`), attending: attending.subject, patientKey: publicKey },
    until: world.time + 30 * DAY,
  });
  await say(patient, 'case.consent', consent('consent'));
  await say(patient, 'case.consent', consent('other consent'));
  mention('case.withdraw', { consentId: id16('seeded other consent') });
  const open = { consentId: id16('seeded consent'), rule, tell: [nurse.subject] };
  const { caseId } = (await say(attending, 'case.open', open)) as { caseId: string };
  const stay = enter(caseId);
  mention('case.tell', { caseId, subjects: [second.subject] });
  await say(attending, 'case.rekey', await nextKey(stay, cast, [attending]));
  const members = {
    ...(await nextKey(stay, cast, [attending, second, nurse])),
    ...{ add: [second, nurse].map(({ subject }) => ({ subject, from: 2 })), remove: [] },
  };
  await say(attending, 'case.members', members);
  await say(second, 'case.note', text('note', 2));
  await say(nurse, 'case.read', {});
  await say(second, 'case.question', { ...rest(text('question', 2)), questionId, options: 2 });
  await say(nurse, 'case.opinion', { ...text('opinion', 2), questionId });
  await say(attending, 'case.vote', { questionId, option: 1 });
  mention('case.leave', {});
  await say(attending, 'case.handover', { to: second.subject });
  mention('case.accept', {});
  const { version } = (await stay.ask(patient, 'case.show')) as { version: number };
  const seal = { version, who: second.subject, from: 1, digest: text32('history') };
  mention('case.seal', seal);
}

/** The patient's new pseudonym names a new key; too few voted in time, so the attending decides. */
export async function caseEnds({ say, mention, stay }: Teller, cast: CaseCast): Promise<void> {
  const { patient, attending, second } = cast;
  await say(patient, 'case.patient-key', { publicKey });
  await say(attending, 'case.rekey', await nextKey(stay, cast, [attending, second]));
  await say(attending, 'case.settle', { questionId });
  await say(attending, 'case.settle', { questionId, option: 0 });
  const value = await say(attending, 'case.discharge', {});
  const end: Execution = { status: 'COMMITTED', writes: [], events: [], value };
  const { ledger: caseId } = stay;
  await say(attending, 'case.close', { caseId, ...(await stay.anchor(end)) });
  mention('case.reread', { caseId });
}

/** What is said of a text, without its own id. */
function rest({ noteId, ...others }: Args): Args {
  void noteId;
  return others;
}
