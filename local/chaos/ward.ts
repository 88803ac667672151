// The people of a story about records: a patient, who writes, and who reads at another hospital.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileSource } from '../../sdk/platform/node.ts';
import { writeSampleDocuments } from '../sample-documents.ts';
import { Cast } from '../scenarios/cast.ts';
import { readDocuments } from '../scenarios/documents.ts';
import {
  open,
  type Opening,
  type OpeningStage,
  untilCopied,
} from '../scenarios/hospital-copies.ts';
import type { Stage } from './stage.ts';

const DOCUMENTS = 3;

/** A hospital with a clinician who reads, and one elsewhere who writes. */
export interface Ward extends Opening {
  readonly stage: Stage;
  readonly cast: Cast;
  /** A folder that is gone afterwards. */
  readonly work: string;
}

/** A patient with a few records, which are written and granted on the network of the stage. */
export async function openWard(stage: Stage, work: string): Promise<Ward> {
  const { network, layout } = stage;
  const folder = join(work, 'documents');
  await writeSampleDocuments(folder);
  const documents = await readDocuments(folder, { report: () => undefined });
  const cast = new Cast({ network, networkFile: layout.networkFile });
  // Steps of scenarios are phases here.
  const steps: OpeningStage['steps'] = {
    run: (title, perform) =>
      stage.phase(title, async (step) => {
        const { value, proof } = await perform();
        step.result(proof);
        return value;
      }),
  };
  return { ...(await open({ documents, cast, steps }, DOCUMENTS)), stage, cast, work };
}

/** Waits until the reader's hospital has a copy of each record; answers their ids. */
export async function awaitCopies({
  stage,
  patient,
  hospital,
  records,
}: Ward): Promise<readonly string[]> {
  const ids = records.map(({ record }) => record.id);
  await stage.phase(`${hospital} copies what somebody there may read`, async (step) => {
    step.result(await untilCopied(patient, hospital, ids));
  });
  return ids;
}

/** The writer uploads one more record, which says its name; answers its id. */
export async function writeRecord(
  { work, writer, patient, records }: Ward,
  name: string,
): Promise<string> {
  const path = join(work, name);
  writeFileSync(path, name);
  const { category } = records[0]?.document ?? { category: '' };
  const target = { pseudonym: patient.pseudonym, category, mediaType: 'text/plain' };
  return (await writer.upload(await fileSource(path), target)).recordId;
}
