// The custodian of records is away: the ledger goes on, clinicians read copies, and all is repaired.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RECORDS_ID } from '../../cdk/names.ts';
import { SdkError } from '../../sdk/errors.ts';
import { restartMember, stopMember } from '../lib/account-actions.ts';
import { LocalError } from '../lib/errors.ts';
import { readAndCompare, untilCopied } from '../scenarios/hospital-copies.ts';
import { awaitReceipts } from './at-work.ts';
import { secondsText } from './measure.ts';
import { type Stage, type Undo, until } from './stage.ts';
import { awaitCopies, openWard, type Ward, writeRecord } from './ward.ts';

const READS_OF_EACH = 2;
const COMMITS_WITHOUT = 10;
const READ_AGAIN_MS = 90_000;

/** What clients had to see, by what they did and code. */
export type SeenErrors = Readonly<Record<string, number>>;

/** Stops the records account under load, and waits until all is as before. */
export async function recordsAway(stage: Stage): Promise<SeenErrors> {
  const work = mkdtempSync(join(tmpdir(), 'carequorum-records-'));
  try {
    return await play(await openWard(stage, work));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function play(ward: Ward): Promise<SeenErrors> {
  const { stage, patient, hospital } = ward;
  const ids = await awaitCopies(ward);
  const { last, bringBack } = await lose(ward);
  await readAll(ward);
  const code = await failToWrite(ward);
  await stage.phase('The ledger goes on', async (step) => {
    await awaitReceipts(stage, COMMITS_WITHOUT, 'without the records account');
    const gap = secondsText(stage.load.takeGapMs());
    step.result(`${COMMITS_WITHOUT} committed, longest gap ${gap}`);
  });
  await stage.phase('The records account is back with its state', bringBack);
  const waited = await stage.phase('What waited is written now', () =>
    writeRecord(ward, 'waited.txt'),
  );
  await stage.phase('Copies of what was written last are made by themselves', async (step) => {
    step.result(await untilCopied(patient, hospital, [...ids, last, waited]));
  });
  await readFromCustodian(ward);
  stage.healed();
  return { [`upload: ${code}`]: 1 };
}

/** A record is written, and before it can be copied for sure, the account is away. */
async function lose(ward: Ward): Promise<{ last: string; bringBack: Undo }> {
  const { layout, load } = ward.stage;
  return ward.stage.phase('A last record is written; the records account stops', async (step) => {
    const last = await writeRecord(ward, 'written-last.txt');
    const bringBack = ward.stage.undoLater(() => restartMember(layout, RECORDS_ID));
    load.takeGapMs();
    ward.stage.faultBegins();
    await stopMember(layout, RECORDS_ID);
    step.result('its API and its store answer nobody');
    return { last, bringBack };
  });
}

async function readAll({ stage, work, reader, patient, records }: Ward): Promise<void> {
  await stage.phase('Every record is read all the same', async (step) => {
    const { listed } = await reader.list(patient.pseudonym);
    const named = listed.filter(({ metadata }) => metadata !== null).length;
    if (named < records.length) {
      throw new LocalError('not_proven', `${named} of ${records.length} records have names.`);
    }
    let first: number | null = null;
    for (let round = 0; round < READS_OF_EACH; round += 1) {
      for (const one of records) {
        await readAndCompare({ work }, reader, one);
        first ??= performance.now() - stage.faultBegins();
      }
    }
    const from = reader.session.sources.standIn;
    if (from === null) throw new LocalError('not_proven', 'The records did not come from a copy.');
    step.result(
      `${records.length * READS_OF_EACH} reads as uploaded, from ${from}; ` +
        `the first ${secondsText(first)} after the stop began`,
    );
  });
}

/** Answers the code with which an upload fails. */
async function failToWrite(ward: Ward): Promise<string> {
  return ward.stage.phase('Writing waits, and says why', async (step) => {
    try {
      await writeRecord(ward, 'waited.txt');
    } catch (error) {
      if (!(error instanceof SdkError) || error.code !== 'unreachable') throw error;
      step.result(`«${error.message}» Next: ${error.nextStep}`);
      return error.code;
    }
    throw new LocalError('not_proven', 'A record was stored while its custodian was away.');
  });
}

/** A client that found the custodian away asks it again after a while. */
async function readFromCustodian({ stage, work, reader, records }: Ward): Promise<void> {
  await stage.phase('Reading is from the custodian again', async (step) => {
    const { sources } = reader.session;
    const wait = { withinMs: READ_AGAIN_MS, what: 'The custodian is not asked again' };
    await until(stage, wait, async () => (sources.standIn === null ? true : null));
    for (const one of records) await readAndCompare({ work }, reader, one);
    if (sources.standIn !== null) {
      throw new LocalError('not_proven', `The records came from ${sources.standIn}.`);
    }
    step.result(`${records.length} reads as uploaded`);
  });
}
