// The cloud service is away: care goes on from copies at the hospital, and all is well again after.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SdkError } from '../../sdk/errors.ts';
import { grant } from '../../sdk/grants.ts';
import { fileSource } from '../../sdk/platform/node.ts';
import { createTeam, makeTeamKey, teamById } from '../../sdk/teams.ts';
import { open, type Opening, readAndCompare, untilCopied } from './hospital-copies.ts';
import type { Scenario, Stage, StageAccounts } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

const HOUR_MS = 3_600_000;
const RECORDS = 'records';
const DOCUMENTS = 3;
const WAITED = 'written-during-the-outage.txt';

export const outage: Scenario = {
  name: 'outage',
  title:
    'the records account is away: a clinician reads from copies, writing waits, all is repaired',
  async run(stage) {
    const opening = await open(stage, DOCUMENTS);
    const { patient, hospital, records } = opening;
    await stage.steps.run(`${hospital} copies what somebody there may read`, async () => {
      const ids = records.map(({ record }) => record.id);
      return { value: null, proof: await untilCopied(patient, hospital, ids) };
    });
    const team = await letTeamRead(stage, opening);
    if (!stage.accounts) {
      stage.steps.line('  The accounts of this network are left alone: the outage is not played.');
      return;
    }
    await duringOutage(stage, stage.accounts, opening, team);
    await afterOutage(stage, stage.accounts, opening);
  },
};

/** Another patient, who gives nothing to a person: a care team of the reader's hospital may read. */
async function letTeamRead(
  stage: Stage,
  { reader, writer, hospital, records }: Opening,
): Promise<Opening['records'][number]> {
  const { steps, cast } = stage;
  const [{ document } = { document: null }] = records;
  if (!document) throw new UnexpectedError('there is no document');
  const { category, mediaType } = document;
  const title = `Another patient lets a care team at ${hospital} read, and none of its members by name`;
  const { patient, record } = await steps.run(title, async () => {
    const other = (await cast.patient('Teo Testerton', [category])).patient;
    const terms = { categories: [category], until: Date.now() + HOUR_MS };
    const { subject } = writer.data.enrolment ?? {};
    const to = { subject, name: writer.keystore.label };
    await grant(other, { ...terms, to, rights: ['write'] });
    const name = `Ward ${shortId()}`;
    const members = [reader.data.enrolment?.subject ?? ''];
    const { teamId } = await createTeam(await cast.operator(hospital), { name, members });
    await makeTeamKey(reader, await teamById(reader, teamId));
    const { result } = await grant(other, { ...terms, to: { team: name }, rights: ['read'] });
    await writer.grants({ reload: true });
    const { pseudonym } = other;
    const source = await fileSource(document.file, document.name);
    await writer.upload(source, { pseudonym, category, mediaType });
    const [written] = await other.records();
    if (!written) throw new UnexpectedError('the record is not there');
    const proof = `block ${result.height}`;
    return { value: { patient: other, record: written }, proof };
  });
  await steps.run(`${hospital} copies that, too`, async () => {
    return { value: null, proof: await untilCopied(patient, hospital, [record.id]) };
  });
  return { record, document };
}

async function duringOutage(
  stage: Stage,
  accounts: StageAccounts,
  { reader, writer, patient, records }: Opening,
  ofTeam: Opening['records'][number],
): Promise<void> {
  const { steps } = stage;
  await steps.run('The records account stops', async () => {
    await accounts.stop(RECORDS);
    return { value: null, proof: 'its API and its store answer nobody' };
  });
  await steps.run('The clinician lists and reads every record all the same', async () => {
    const started = performance.now();
    const { listed } = await reader.list(patient.pseudonym);
    const named = listed.filter(({ metadata }) => metadata !== null).length;
    if (named !== records.length) throw new UnexpectedError(`${named} of ${records.length} names`);
    const blocks: string[] = [];
    for (const one of records) blocks.push(await readAndCompare(stage, reader, one));
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const from = reader.session.sources.standIn ?? 'nobody';
    return {
      value: null,
      proof: `${records.length} digests as uploaded, from ${from}, ${seconds} s, ${blocks.join(', ')}`,
    };
  });
  await steps.run('A member of the care team reads by the grant to the team', async () => {
    await reader.grants({ reload: true });
    const proof = await readAndCompare(stage, reader, ofTeam);
    return { value: null, proof: `the team’s key and the record, all from the hospital; ${proof}` };
  });
  await steps.run('Writing waits, and says why', async () => {
    const path = join(stage.work, WAITED);
    writeFileSync(path, 'written while the records account was away');
    const { category } = records[0]?.document ?? { category: '' };
    const target = { pseudonym: patient.pseudonym, category, mediaType: 'text/plain' };
    try {
      await writer.upload(await fileSource(path), target);
    } catch (error) {
      if (!(error instanceof SdkError) || error.code !== 'unreachable') throw error;
      return { value: null, proof: `«${error.message}» Next: ${error.nextStep}` };
    }
    throw new UnexpectedError('a record was stored while the custodian was away');
  });
}

async function afterOutage(
  stage: Stage,
  accounts: StageAccounts,
  { writer, patient, records, hospital }: Opening,
): Promise<void> {
  const { steps } = stage;
  const { category } = records[0]?.document ?? { category: '' };
  const target = { pseudonym: patient.pseudonym, category, mediaType: 'text/plain' };
  const write = async (name: string): Promise<{ value: string; proof: string }> => {
    const path = join(stage.work, name);
    if (!existsSync(path)) writeFileSync(path, name);
    const { recordId, stored } = await writer.upload(await fileSource(path), target);
    return { value: recordId, proof: `record ${recordId}, block ${stored.height}` };
  };
  await steps.run('The records account comes back', async () => {
    await accounts.restart(RECORDS);
    return { value: null, proof: 'its state was kept' };
  });
  const late = await steps.run('What waited is written now', () => write(WAITED));
  await steps.run(`${hospital} goes away, and a record is written meanwhile`, async () => {
    await untilCopied(patient, hospital, [late]);
    await accounts.stop(hospital);
    return { value: null, proof: 'three of four hospitals go on' };
  });
  const missed = await steps.run('The record is stored without it', () => write('missed.txt'));
  await steps.run(`${hospital} comes back and copies what it missed, by itself`, async () => {
    await accounts.restart(hospital);
    const ids = [...records.map(({ record }) => record.id), late, missed];
    return { value: null, proof: await untilCopied(patient, hospital, ids) };
  });
}
