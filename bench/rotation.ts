/** `bench rotation`: files re-encrypted a second, and what an interruption costs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cast } from '../local/scenarios/cast.ts';
import { randomBytes } from '../lib/crypto/random.ts';
import { SdkError } from '../sdk/errors.ts';
import { grant } from '../sdk/grants.ts';
import { Patient } from '../sdk/patient.ts';
import { fileSource } from '../sdk/platform/node.ts';
import { rotate } from '../sdk/rotation.ts';
import type { MeasuredNetwork } from './network.ts';
import { table } from './report.ts';

export interface RotationFigures {
  readonly files: number;
  readonly kilobytes: number;
  /** From the start until the old keys are dead and all permissions are given again. */
  readonly keysMs: number;
  readonly first: { readonly files: number; readonly perSecond: number };
  /** From the start of the second run until it moves the first file. */
  readonly resumedMs: number;
  readonly second: { readonly files: number; readonly perSecond: number };
  readonly totalMs: number;
}

const category = 'laboratory';
const hourMs = 3_600_000;

export async function benchRotation(
  measured: MeasuredNetwork,
  { files, kilobytes }: { files: number; kilobytes: number },
  log: (line: string) => void,
): Promise<RotationFigures> {
  const { network, folder } = measured;
  const cast = new Cast({ network, networkFile: join(folder, 'network.json') });
  log(`a patient with ${files} files of ${kilobytes} kB`);
  const patient = await prepare(cast, files, kilobytes);
  const started = performance.now();
  const half = Math.ceil(files / 2);
  log('rotating, to be interrupted in the middle');
  const first = await timed(patient, half);
  log('going on');
  const again = await Patient.open(cast.session(), patient.keystore);
  const second = await timed(again, Infinity);
  const rest = files - first.files;
  return {
    files,
    kilobytes,
    keysMs: first.beforeMs,
    first: { files: first.files, perSecond: first.files / (first.recordsMs / 1_000) },
    resumedMs: second.beforeMs,
    second: { files: rest, perSecond: rest / (second.recordsMs / 1_000) },
    totalMs: performance.now() - started,
  };
}

interface Timed {
  files: number;
  beforeMs: number;
  recordsMs: number;
}

async function timed(patient: Patient, stopAfter: number): Promise<Timed> {
  const stop = new AbortController();
  const started = performance.now();
  let begun = started;
  let files = 0;
  try {
    await rotate(patient, {
      signal: stop.signal,
      onProgress({ step, done, of }) {
        if (step === 'permissions' && done === of) begun = performance.now();
        if (step === 'records') files = done;
        if (step === 'records' && done >= stopAfter) stop.abort();
      },
    });
  } catch (error) {
    if (!(error instanceof SdkError) || error.code !== 'aborted') throw error;
  }
  return { files, beforeMs: begun - started, recordsMs: performance.now() - begun };
}

async function prepare(cast: Cast, files: number, kilobytes: number): Promise<Patient> {
  const { patient } = await cast.patient('Bench Mark', [category]);
  const { doctor } = await cast.doctor(cast.hospitals[0] ?? '');
  const to = { name: doctor.keystore.label };
  const until = Date.now() + hourMs;
  await grant(patient, { to, rights: ['read', 'write'], categories: [category], until });
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-bench-rotation-'));
  try {
    const path = join(folder, 'file.bin');
    writeFileSync(path, randomBytes(kilobytes * 1_000));
    const { pseudonym } = patient;
    const target = { pseudonym, category, mediaType: 'application/octet-stream' };
    let left = files;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await doctor.upload(await fileSource(path, 'file.bin'), target);
      }
    };
    await Promise.all([lane(), lane(), lane()]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return patient;
}

export function rotationTable(figures: RotationFigures): string {
  const { files, kilobytes, keysMs, first, resumedMs, second, totalMs } = figures;
  const rate = (perSecond: number): string => `${perSecond.toFixed(2)} files/s`;
  return table(
    [`a rotation of ${files} files of ${kilobytes} kB`, ''],
    [
      ['new keys on the ledger, permissions given again', `${keysMs.toFixed(0)} ms`],
      [`until the interruption: ${first.files} files`, rate(first.perSecond)],
      ['from the second start to going on', `${resumedMs.toFixed(0)} ms`],
      [`after it: ${second.files} files`, rate(second.perSecond)],
      ['all of it', `${(totalMs / 1_000).toFixed(1)} s`],
    ],
  );
}
