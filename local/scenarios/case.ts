// A hospital stay: twelve clinicians and the patient in a case, two disagreements, a handover, the anchor.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  caseEntry,
  caseList,
  clinicianInCases,
  type CasePerson,
  patientInCases,
  showCase,
} from '../../sdk/case-data.ts';
import { exportCase } from '../../sdk/case-export.ts';
import { changeMembers } from '../../sdk/case-keys.ts';
import { openCase } from '../../sdk/case-reading.ts';
import {
  acceptHandover,
  askQuestion,
  closeCase,
  consentToCase,
  DEFAULT_RULE,
  handOver,
  leaveCase,
  openByConsent,
  settleQuestion,
  voteOn,
  writeNote,
  writeNotes,
} from '../../sdk/cases.ts';
import { SdkError } from '../../sdk/errors.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';

/** Doctors of the register from this one on work on the ward. */
const WARD = 8;
const CLINICIANS = 12;
/** Notes of the whole stay, the handover's among them. */
const NOTES = 500;
const VOTING_MS = 20_000;
const runFile = promisify(execFile);

/** How long the whole story is; a test plays a shorter one. */
export interface StaySize {
  readonly notes: number;
}

interface Stay {
  readonly caseId: string;
  readonly patient: CasePerson;
  /** The first attends, and hands over to the second. */
  readonly team: readonly CasePerson[];
  readonly outsider: CasePerson;
}

export const hospitalStay: Scenario = {
  name: 'case',
  title:
    'a hospital stay: twelve clinicians write, disagree, vote, hand over, and nobody else reads',
  run: (stage) => playStay(stage, { notes: NOTES }),
};

export async function playStay(stage: Stage, { notes }: StaySize): Promise<void> {
  const people = await cast(stage);
  const stay = await opened(stage, people);
  await joined(stage, stay);
  await worked(stage, stay, notes);
  await majority(stage, stay);
  await tie(stage, stay);
  await handedOver(stage, stay);
  await outside(stage, stay);
  await closed(stage, stay, notes);
  await verified(stage, stay, notes);
}

async function cast({ steps, cast: people }: Stage): Promise<Omit<Stay, 'caseId'>> {
  return steps.run(`A patient and ${CLINICIANS} clinicians of all hospitals enrol`, async () => {
    const { patient } = await people.patient('Miriam Testerton');
    const team: CasePerson[] = [];
    for (let index = 0; index <= CLINICIANS; index += 1) {
      const hospital = people.hospitals[index % people.hospitals.length] ?? '';
      const { doctor } = await people.doctor(hospital, WARD + index);
      team.push(clinicianInCases(doctor));
    }
    const outsider = team.pop() as CasePerson;
    const proof = `${team.length} of ${people.hospitals.length} hospitals, and one who stays outside`;
    return { value: { patient: patientInCases(patient), team, outsider }, proof };
  });
}

async function opened({ steps }: Stage, people: Omit<Stay, 'caseId'>): Promise<Stay> {
  return steps.run('She lets one doctor open a case; who votes how is fixed there', async () => {
    const [attending] = people.team as [CasePerson];
    const until = attending.session.clock.now() + 3_600_000;
    const { consentId } = await consentToCase(people.patient, { attending: attending.who, until });
    const rule = { ...DEFAULT_RULE, votingMs: VOTING_MS };
    const refused = await reason(openByConsent(people.outsider, { consentId, rule }));
    expectCode(refused, ['unknown_consent']);
    const { caseId, result } = await openByConsent(attending, { consentId, rule });
    return {
      value: { ...people, caseId },
      proof: `block ${result.height}; another doctor with the consent: ${refused}`,
    };
  });
}

async function joined({ steps }: Stage, { caseId, team, patient }: Stay): Promise<void> {
  await steps.run('Eleven more join: each change of members makes a new key', async () => {
    const [attending, second, ...others] = team as [CasePerson, CasePerson, ...CasePerson[]];
    await writeNote(attending, caseId, { text: 'Admitted with fever and rigors.' });
    await changeMembers(attending, caseId, { add: [{ subject: second.who, withHistory: true }] });
    const add = others.map(({ who }) => ({ subject: who }));
    const { generation, skipped } = await changeMembers(attending, caseId, { add });
    if (skipped.length > 0) throw new UnexpectedError('somebody could not be sealed to');
    const [early] = (await openCase(second, caseId)).notes;
    const [late] = (await openCase(others[0] as CasePerson, caseId)).notes;
    if (early?.said?.text !== 'Admitted with fever and rigors.' || late?.said !== null) {
      throw new UnexpectedError('history is not given as it was decided');
    }
    const { members } = await showCase(patient, caseId);
    const proof = `${members.length} members, key ${generation}; one got the earlier notes, as recorded`;
    return { value: null, proof };
  });
}

async function worked({ steps }: Stage, { caseId, team }: Stay, total: number): Promise<void> {
  await steps.run(`They write ${total} notes`, async () => {
    const started = performance.now();
    // One was written on admission, one is an opinion, one belongs to the handover.
    const left = total - 3;
    let written = 0;
    for (const [index, person] of team.entries()) {
      const count = Math.floor(left / team.length) + (index < left % team.length ? 1 : 0);
      const notes = Array.from({ length: count }, (_, at) => ({
        text: `Round ${at + 1} of ${index + 1}: stable, temperature 37.${at % 10}.`,
      }));
      const outcomes = await writeNotes(person, caseId, notes);
      const failed = outcomes.find((one) => one instanceof SdkError);
      if (failed) throw failed;
      written += outcomes.length;
    }
    const seconds = Math.round((performance.now() - started) / 1_000);
    return { value: null, proof: `${written} in ${seconds} s, by ${team.length}` };
  });
}

async function majority({ steps }: Stage, { caseId, team, patient }: Stay): Promise<void> {
  await steps.run(
    'They disagree on a drug: seven of twelve settle it, whoever votes later',
    async () => {
      const [asker, critic] = team as [CasePerson, CasePerson];
      const options = ['narrow', 'broad'];
      const asked = { text: 'Which antibiotic until the cultures are back?', options };
      const { questionId } = await askQuestion(asker, caseId, asked);
      await writeNote(critic, caseId, { text: 'Broad: she was in hospital before.', questionId });
      const votes = team.map((person, at) => ({ person, option: at < 5 ? 0 : 1 }));
      let last = null;
      for (const { person, option } of votes)
        last = await voteOn(person, caseId, { questionId, option });
      const twice = await reason(voteOn(asker, caseId, { questionId, option: 1 }));
      const { status, option } = last?.value as { status: string; option: number };
      if (status !== 'decided' || option !== 1) throw new UnexpectedError(`it is ${status}`);
      expectCode(twice, ['question_over']);
      const mine = await reason(voteOn(patient, caseId, { questionId, option: 0 }));
      expectCode(mine, ['question_over']);
      return { value: null, proof: `broad, by 7 of 12 in block ${last?.height}` };
    },
  );
}

async function tie({ steps }: Stage, { caseId, team }: Stay): Promise<void> {
  await steps.run(
    'They disagree again, six to six: by the rule, the attending doctor decides',
    async () => {
      const [attending, other] = team as [CasePerson, CasePerson];
      const asked = { text: 'Move to the ward today?', options: ['today', 'tomorrow'] };
      const { questionId } = await askQuestion(other, caseId, asked);
      for (const [at, person] of team.entries()) {
        await voteOn(person, caseId, { questionId, option: at % 2 });
      }
      const stranger = await reason(settleQuestion(other, caseId, { questionId, option: 0 }));
      expectCode(stranger, ['attending_decides']);
      const { value, height } = await settleQuestion(attending, caseId, { questionId, option: 1 });
      const { undecided, by } = value as { undecided: string; by: string };
      if (undecided !== 'tie' || by !== 'attending') throw new UnexpectedError('no tie');
      return { value: null, proof: `a tie; tomorrow, by the attending doctor in block ${height}` };
    },
  );
}

async function handedOver({ steps }: Stage, { caseId, team }: Stay): Promise<void> {
  await steps.run('The attending doctor hands over and leaves: the key changes', async () => {
    const [first, second, third] = team as [CasePerson, CasePerson, CasePerson];
    await handOver(first, caseId, second.who);
    expectCode(await reason(acceptHandover(third, caseId)), ['no_handover']);
    await acceptHandover(second, caseId);
    await leaveCase(first, caseId);
    await writeNote(second, caseId, { text: 'Taken over; afebrile.', kind: 'handover' });
    const gone = await reason(openCase(first, caseId));
    expectCode(gone, ['not_in_case']);
    const { generation, attending } = await showCase(second, caseId);
    if (attending !== second.who) throw new UnexpectedError('nobody took over');
    return { value: null, proof: `key ${generation}; the former member: ${gone}` };
  });
}

async function outside(
  { steps, cast: people, network }: Stage,
  { caseId, outsider, team }: Stay,
): Promise<void> {
  await steps.run(
    'Outsiders read nothing: another doctor, an operator, the custodian',
    async () => {
      const stranger = await reason(openCase(outsider, caseId));
      expectCode(stranger, ['not_in_case']);
      const [hospital = ''] = people.hospitals;
      const operator = await people.operator(hospital);
      const { client } = operator.session;
      const call = { fn: 'case.notes', args: {}, ledger: caseId };
      const denied = await reason(client.query(call, operator.signer));
      expectCode(denied, ['role_denied']);
      const member = team[1] as CasePerson;
      const { access } = await openCase(member, caseId);
      const stolen = { key: outsider.key, receipt: access.receipt };
      const taken = await reason(outsider.session.custodian.caseContents(stolen, false));
      expectCode(taken, ['proof_wrong_key']);
      return {
        value: null,
        proof: `${stranger}; operator of ${network.validators[0]?.id}: ${denied}; stolen receipt: ${taken}`,
      };
    },
  );
}

async function closed(
  { steps }: Stage,
  { caseId, team, patient }: Stay,
  total: number,
): Promise<void> {
  await steps.run('She is discharged; the case is anchored in the main ledger', async () => {
    const [, attending] = team as [CasePerson, CasePerson];
    const { discharge, anchor } = await closeCase(attending, caseId);
    const { notes, questions } = discharge.value as { notes: number; questions: number };
    if (notes !== total || questions !== 2) throw new UnexpectedError(`${notes} notes`);
    const entry = await caseEntry(patient, caseId);
    if (entry.closed?.anchor.height !== discharge.height) throw new UnexpectedError('no anchor');
    const late = await reason(writeNote(attending, caseId, { text: 'One more.' }));
    expectCode(late, ['case_closed', 'case_discharged']);
    const log = await caseList(patient, caseId, 'case.log');
    return {
      value: null,
      proof: `${notes} notes, ${log.length} entries; block ${discharge.height} anchored in block ${anchor.height}`,
    };
  });
}

/** In a folder with the genesis document and the file alone, and no environment. */
async function verified(
  { steps, work, networkFile }: Stage,
  stay: Stay,
  total: number,
): Promise<void> {
  await steps.run('The whole case is verified offline, by genesis and one file', async () => {
    const folder = join(work, 'case');
    mkdirSync(folder);
    const file = await exportCase(stay.patient, stay.caseId);
    writeFileSync(join(folder, 'stay.json'), JSON.stringify(file), { mode: 0o600 });
    cpSync(networkFile, join(folder, 'network.json'));
    const bin = join(import.meta.dirname, '../../cli/bin.js');
    const args = [bin, 'verify', 'stay.json', '--genesis', 'network.json', '--json'];
    const options = { cwd: folder, env: {}, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await runFile(process.execPath, args, options);
    const found = JSON.parse(stdout) as { notes: { said: unknown }[]; questions: object[] };
    const opened = found.notes.filter(({ said }) => said !== null).length;
    const texts = total + found.questions.length;
    if (opened !== texts) throw new UnexpectedError(`${opened} of ${texts} texts open`);
    const megabytes = (JSON.stringify(file).length / 1_000_000).toFixed(1);
    return {
      value: null,
      proof: `${file.receipts.length} receipts, ${opened} texts, ${megabytes} MB`,
    };
  });
}

async function reason(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'not refused',
    (error: unknown) => {
      const code = reasonOf(error);
      if (code === null) throw error;
      return code;
    },
  );
}

function expectCode(found: string, wanted: readonly string[]): void {
  if (!wanted.includes(found)) throw new UnexpectedError(`${found}, not ${wanted.join(' or ')}`);
}
