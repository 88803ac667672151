/** `bench emergency`: from the declaration of an emergency to the open summary, on a network at rest. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cast } from '../local/scenarios/cast.ts';
import { declareByCard, prepareEmergency, readSummary } from '../sdk/emergency.ts';
import type { EmergencySummary } from '../sdk/emergency-summary.ts';
import type { MeasuredNetwork } from './network.ts';
import { percentile, table } from './report.ts';

/** Split in the client's two parts. */
interface Part {
  readonly p50: number;
  readonly p99: number;
}

export interface EmergencyFigures {
  readonly rounds: number;
  /** Signed, ordered, certified and checked. */
  readonly declare: Part;
  /** Shares of n − f hospitals, put together, and the summary opened. */
  readonly read: Part;
  readonly total: Part;
}

const warmUps = 3;
/** So that each emergency meets a network at rest, milliseconds. */
const restMs = 400;

export async function benchEmergency(
  measured: MeasuredNetwork,
  rounds: number,
  log: (line: string) => void,
): Promise<EmergencyFigures> {
  const { network, folder } = measured;
  const cast = new Cast({ network, networkFile: join(folder, 'network.json') });
  log('a patient with a summary, and a doctor');
  const { patient } = await cast.patient();
  const { doctor } = await cast.doctor(cast.hospitals[0] ?? '');
  const { handle } = await prepareEmergency(patient, summaryAt(patient.session.clock.now()));
  const [declares, reads, totals]: [number[], number[], number[]] = [[], [], []];
  log(`${rounds} emergencies`);
  for (let round = -warmUps; round < rounds; round += 1) {
    const started = performance.now();
    const declared = await declareByCard(doctor, { handle, reason: 'unconscious' });
    const committed = performance.now();
    await readSummary(doctor, declared);
    const ended = performance.now();
    if (round >= 0) {
      declares.push(committed - started);
      reads.push(ended - committed);
      totals.push(ended - started);
    }
    await sleep(restMs);
  }
  const part = (all: number[]): Part => ({ p50: percentile(all, 0.5), p99: percentile(all, 0.99) });
  return { rounds, declare: part(declares), read: part(reads), total: part(totals) };
}

export function emergencyTable({ declare, read, total }: EmergencyFigures): string {
  const row = (name: string, { p50, p99 }: Part): string[] => [
    name,
    `${p50.toFixed(0)} ms`,
    `${p99.toFixed(0)} ms`,
  ];
  return table(
    ['an emergency', 'p50', 'p99'],
    [
      row('declared and certified by a quorum', declare),
      row('shares of n − f hospitals, summary open', read),
      row('from declaration to reading', total),
    ],
  );
}

function summaryAt(time: number): EmergencySummary {
  const source = { by: 'patient', time } as const;
  return {
    format: 'carequorum-emergency-1',
    person: { name: 'Miriam Testerton', birthDate: '1961-04-23' },
    madeAt: time,
    allergies: { state: 'recorded', entries: [{ text: 'Penicillin: anaphylaxis', source }] },
    medicines: { state: 'not-asked' },
    conditions: { state: 'none-known', source },
  };
}
