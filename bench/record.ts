/** Opening a record: a patient, a doctor and a document of 1 MB on a local network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from '../lib/crypto/random.ts';
import { Clinician } from '../sdk/clinician.ts';
import { grant } from '../sdk/grants.ts';
import { createKeystore } from '../sdk/keystore.ts';
import { Operator } from '../sdk/operator.ts';
import { Patient, preparePatient } from '../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../sdk/platform/node.ts';
import { openSession } from '../sdk/session.ts';
import { timedTransport } from './timed-transport.ts';
import type { MeasuredNetwork } from './network.ts';
import { percentile } from './report.ts';

export interface RecordFigures {
  p50: number;
  p99: number;
  /** Medians: decision by the quorum, custodian's answer, download, the rest. */
  split: string;
}

/** A clinician of the stand-in register; its number is used up on the measured network. */
const doctorIdentity = {
  name: 'Emil Harrowgate',
  npi: '1000000053',
  state: 'NY',
  licence: '900005',
  hospital: 'hospital-a',
} as const;
const category = 'laboratory';
const hourMs = 3_600_000;

export async function openRecordFigures(
  measured: MeasuredNetwork,
  rounds: number,
  log: (line: string) => void,
): Promise<RecordFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-bench-record-'));
  try {
    const { doctor, calls } = await prepare(measured, folder);
    const record = (
      await doctor.records((await doctor.liveGrants())[0]?.permission.pseudonym ?? '')
    )[0];
    if (!record) throw new Error('the record is not found');
    const totals: number[] = [];
    const parts: { decide: number; custodian: number; download: number }[] = [];
    for (let round = -2; round < rounds; round += 1) {
      calls.length = 0;
      const started = performance.now();
      const done = await doctor.read(record, () => fileSink(join(folder, `out-${round}`)));
      const total = performance.now() - started;
      rmSync(done.path);
      const sum = (match: (what: string) => boolean) =>
        calls.filter((call) => match(call.what)).reduce((all, call) => all + call.ms, 0);
      if (round < 0) continue;
      totals.push(total);
      parts.push({
        decide: sum((what) => what.includes('/v1/transactions')),
        custodian: sum((what) => what.includes('/v1/access')),
        download: sum((what) => !what.includes('/v1/')),
      });
    }
    log(`read ${rounds} times`);
    const part = (name: keyof (typeof parts)[number]) =>
      percentile(
        parts.map((one) => one[name]),
        0.5,
      );
    const p50 = percentile(totals, 0.5);
    const rest = p50 - part('decide') - part('custodian') - part('download');
    const split = Object.entries({
      decision: part('decide'),
      custodian: part('custodian'),
      download: part('download'),
      'checks and decryption': rest,
    });
    return {
      p50,
      p99: percentile(totals, 0.99),
      split: split.map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(', '),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function prepare(
  measured: MeasuredNetwork,
  folder: string,
): Promise<{ doctor: Clinician; calls: { what: string; ms: number }[] }> {
  const { network } = measured;
  const { transport, calls } = timedTransport();
  const session = openSession(network, { transport });
  const passphrase = 'a benchmark of its own';
  const doctorKeys = await createKeystore({
    path: join(folder, 'doctor.keystore'),
    passphrase,
    kind: 'clinician',
    label: 'bench',
  });
  const doctor = new Clinician(session, doctorKeys, nodeFiles);
  const enrolment = await doctor.enrol('doctor', doctorIdentity);
  const approver = new Operator(session, await measured.operator(doctorIdentity.hospital));
  await approver.approve(Buffer.from(enrolment?.certificate ?? '', 'base64url'));
  const patientKeys = await createKeystore({
    path: join(folder, 'patient.keystore'),
    passphrase,
    kind: 'patient',
    label: 'bench',
  });
  await preparePatient(patientKeys, { name: 'Bench Mark', birthDate: '1970-01-01' });
  const patient = await Patient.open(openSession(network), patientKeys);
  await patient.enrol({ name: 'Bench Mark' });
  await patient.register([category]);
  const to = { npi: doctorIdentity.npi };
  const until = Date.now() + hourMs;
  await grant(patient, { to, rights: ['read', 'write'], categories: [category], until });
  const path = join(folder, 'one.bin');
  writeFileSync(path, randomBytes(1_000_000));
  const target = { pseudonym: patient.pseudonym, category, mediaType: 'application/octet-stream' };
  await doctor.upload(await fileSource(path, 'one.bin'), target);
  return { doctor, calls };
}
