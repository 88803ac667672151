// Erasure on a ledger that forgets nothing: keys, names and bytes go; the proof of it stays.
import { setTimeout as sleep } from 'node:timers/promises';
import { SdkError } from '../../sdk/errors.ts';
import {
  eraseEverything,
  eraseRecords,
  type ErasureStatus,
  erasureStatus,
} from '../../sdk/erasure.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { genesisText } from '../lib/network-facts.ts';
import { verifyInOwnProcess } from '../verify-offline.ts';
import { open, readAndCompare, untilCopied } from './hospital-copies.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';

const DOCUMENTS = 2;
const WAIT_MS = 150_000;
const LOOK_MS = 1_000;

export const erasure: Scenario = {
  name: 'erasure',
  title:
    'a record, then everything of a patient, is destroyed by all who held it; history verifies',
  async run(stage) {
    const { steps } = stage;
    const opening = await open(stage, DOCUMENTS);
    const { patient, reader, hospital, records } = opening;
    const [first, second] = records;
    if (!first || !second) throw new UnexpectedError('the network has no two records');
    await steps.run(`${hospital} holds copies, and its doctor reads`, async () => {
      const ids = records.map(({ record }) => record.id);
      const copied = await untilCopied(patient, hospital, ids);
      const blocks = [await readAndCompare(stage, reader, first)];
      return { value: null, proof: `${copied}; ${blocks.join(', ')}` };
    });
    const receipts: CertifiedResult[] = [];
    await steps.run('The patient has one record erased', async () => {
      const { results } = await eraseRecords(patient, [first.record.id]);
      receipts.push(...results);
      return { value: null, proof: `block ${results[0]?.height}` };
    });
    await allSaid(stage, patient, first.record.id);
    await refused(stage, 'Its doctor is refused it, and reads the other one', async () => {
      await readAndCompare(stage, reader, second);
      await reader.requestAccess(first.record.id);
    });
    await steps.run('The patient has everything erased', async () => {
      const { results } = await eraseEverything(patient);
      receipts.push(...results);
      return { value: null, proof: `block ${results[0]?.height}` };
    });
    await allSaid(stage, patient, undefined);
    await refused(stage, 'Its doctor is refused everything', async () => {
      await reader.requestAccess(second.record.id);
    });
    await stillProven(stage, patient, receipts);
  },
};

/** Every holder says so on the ledger, under its own signature. */
async function allSaid(
  stage: Stage,
  patient: Patient,
  recordId: string | undefined,
): Promise<void> {
  await stage.steps.run('Everybody who held it says on the ledger that it is gone', async () => {
    const started = Date.now();
    let found: ErasureStatus = await erasureStatus(patient, recordId);
    while (found.missing.length > 0) {
      if (Date.now() - started > WAIT_MS) {
        throw new UnexpectedError(`no word of ${found.missing.join(', ')}`);
      }
      await sleep(LOOK_MS);
      found = await erasureStatus(patient, recordId);
    }
    const said = found.erasure?.acknowledged ?? [];
    const proof = said.map(({ party, at }) => `${party} in block ${at.height}`).join(', ');
    return { value: null, proof };
  });
}

async function refused(stage: Stage, title: string, work: () => Promise<void>): Promise<void> {
  await stage.steps.run(title, async () => {
    try {
      await work();
    } catch (error) {
      const reason = error instanceof SdkError ? error.details['reason'] : undefined;
      if (reason !== 'record_erased') throw error;
      return { value: null, proof: `certified denial: ${reason}` };
    }
    throw new UnexpectedError('a record that was erased was given out');
  });
}

async function stillProven(
  stage: Stage,
  patient: Patient,
  receipts: readonly CertifiedResult[],
): Promise<void> {
  await stage.steps.run('The history is whole, and receipts verify offline', async () => {
    const history = await patient.history();
    const words = history.filter(({ fn }) => fn === 'record.erased' || fn === 'patient.erased');
    const genesis = await genesisText(stage.networkFile);
    const { failures, verified } = await verifyInOwnProcess(
      genesis,
      receipts.map(({ receipt }) => receipt),
    );
    if (failures.length > 0) throw new UnexpectedError(`receipts fail: ${failures[0]?.reason}`);
    const proof = `${history.length} entries without a gap, ${words.length} words of erasure`;
    return { value: null, proof: `${proof}, ${verified} receipts verified` };
  });
}
