/** One load test from people to ledgers: prepare, drive, follow to the end, probe, compare. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkLedgers, type LedgerCheck, type Sought } from '../../local/lib/ledger-check.ts';
import type { Progress } from '../../local/lib/progress.ts';
import { ValidatorReader } from '../../local/lib/validator-reader.ts';
import { fetchTransport as transport } from '../../sdk/http.ts';
import { Operator } from '../../sdk/operator.ts';
import { Proofs } from '../../sdk/proofs.ts';
import { openSession } from '../../sdk/session.ts';
import { failureOf } from './answer.ts';
import {
  type Attempt,
  certified,
  type ErrorFigures,
  errorFigures,
  isTaken,
  type KindFigures,
  kindFigures,
  type LagFigures,
  lagFigures,
  type StepFigures,
  stepFigures,
} from './attempt.ts';
import { Driver, nowMs } from './driver.ts';
import { Follower } from './follower.ts';
import { type CpuShares, sharesOf, verdict } from './limit.ts';
import { patientKinds, shareOf } from './mix.ts';
import { type People, preparePeople } from './people.ts';
import type { Point } from './plot.ts';
import { type CpuTimes, cores, readCpu } from './processes.ts';
import { type Shape, stepsOf } from './schedule.ts';
import { pointsOf } from './series.ts';
import { openStand, type Stand } from './stand.ts';
import { Ward } from './ward.ts';

export interface LoadOptions {
  readonly folder: string;
  readonly shape: Shape;
  /** Transactions of one request. */
  readonly bulk: number;
  readonly patients: number;
  readonly doctors: number;
  readonly progress: Progress;
  /** Ends what falls due; what is under way is followed to its end. */
  readonly signal: AbortSignal;
  /** Ends the waiting, too. */
  readonly atOnce: AbortSignal;
}

export interface ProbeFigures {
  readonly validator: string;
  /** Until a certified receipt; null where there was none. */
  readonly ms: number | null;
  readonly code: string;
}

export interface LoadReport {
  readonly network: string;
  readonly shape: Shape;
  readonly bulk: number;
  readonly people: {
    readonly patients: number;
    readonly doctors: number;
    readonly seconds: number;
  };
  /** How long requests fell due, and how long what was left then took, seconds. */
  readonly drivenSeconds: number;
  readonly drainSeconds: number;
  readonly kinds: readonly KindFigures[];
  readonly lag: LagFigures;
  readonly errors: readonly ErrorFigures[];
  readonly steps: readonly (StepFigures & { readonly cpu: CpuShares | null })[];
  readonly secondsPerPoint: number;
  readonly points: readonly Point[];
  readonly cores: number;
  readonly cpu: CpuShares | null;
  readonly verdict: string;
  /** Transactions with a certified receipt, those of the preparation included. */
  readonly certified: number;
  /** Certified of what fell due. */
  readonly committed: number;
  readonly probes: readonly ProbeFigures[];
  /** Null where the ledgers could not be compared. */
  readonly ledger: LedgerCheck | null;
  readonly isInterrupted: boolean;
  /** What must never be; empty when all is as it must be. */
  readonly faults: readonly string[];
}

/** From the decision to begin until the first request is due. */
const LEAD_MS = 300;
const SAMPLE_MS = 1_000;
const POLL_MS = 200;
/** Without any new receipt for this long, while some are due, the network is wedged. */
const STALL_MS = 90_000;
/** What got no answer may still come into a block. */
const UNANSWERED_MS = 3_000;
const PROBE_MS = 60_000;
const FAULTS_MAX = 20;
const SPARE_CERTIFICATES = 1.5;
/** With fewer than these a keystore asks for more. */
const PRESENT_MIN = 10;

/** Throws where the network cannot be opened or the people cannot be prepared. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const stand = await openStand(options.folder, options);
  try {
    return await runOn(stand, options);
  } finally {
    await stand.close();
  }
}

interface Measured {
  readonly startMs: number;
  readonly endMs: number;
  readonly drainSeconds: number;
  readonly samples: readonly CpuTimes[];
  /** When they began, on the clock of the samples. */
  readonly samplesFromMs: number;
  readonly attempts: readonly Attempt[];
}

async function runOn(stand: Stand, options: LoadOptions): Promise<LoadReport> {
  const { progress } = options;
  const began = performance.now();
  const people = await progress.step('People enrolled, registered and approved', (step) =>
    preparePeople({
      ...stand,
      ...options,
      step,
      transport,
      certificates: certificatesFor(options),
    }),
  );
  const peopleSeconds = (performance.now() - began) / 1_000;
  const readers = await readersOf(stand);
  const measured = await drive(stand, options, people, readers);
  const probes = await progress.step('The network takes and commits again', async (step) => {
    const found = await probeAll(stand, options.atOnce);
    step.result(found.map(probeText).join(', '));
    return found;
  });
  const all = [
    ...people.committed.map(({ id, height }) => ({ id, height })),
    ...certified(measured.attempts),
    ...probes.flatMap(({ result }) => (result ? [result] : [])),
  ];
  const taken = measured.attempts.flatMap(({ id, state }) => (id && state === 'held' ? [id] : []));
  const sought = { committed: all, accepted: taken };
  const { ledger, fault } = await compare(readers, sought, options);
  return reportOf(stand, options, {
    measured,
    peopleSeconds,
    probes: probes.map(({ validator, ms, code }) => ({ validator, ms, code })),
    ledger,
    certified: all.length,
    faults: [...faultsOf(measured.attempts, probes, options), ...(fault ? [fault] : [])],
  });
}

/** Signatures of each patient, and some more: shares are even in the mean alone. */
function certificatesFor({ shape, patients }: LoadOptions): number {
  const all = stepsOf(shape).reduce((sum, one) => sum + one.ratePerSecond * one.seconds, 0);
  return Math.ceil((SPARE_CERTIFICATES * all * shareOf(patientKinds)) / patients) + PRESENT_MIN;
}

async function readersOf({ network, operator }: Stand): Promise<ValidatorReader[]> {
  return Promise.all(
    network.validators.map(
      async ({ id }) => new ValidatorReader(network, id, (await operator(id)).signingKey),
    ),
  );
}

async function drive(
  { network, layout, plan }: Stand,
  { shape, bulk, progress, signal, atOnce }: LoadOptions,
  people: People,
  readers: readonly ValidatorReader[],
): Promise<Measured> {
  const proofs = new Proofs(network.genesis);
  const heights = people.committed.map(({ height }) => height);
  const follower = new Follower({
    ...{ readers, validators: network.validators, proofs, transport },
    fromHeight: Math.max(0, ...heights) + 1,
  });
  const ward = new Ward(people);
  const driver = new Driver({ network, ward, follower, proofs, bulk, transport });
  const samples: CpuTimes[] = [];
  const sample = (): void => {
    const times = readCpu(layout, plan);
    if (times) samples.push(times);
  };
  const startMs = nowMs() + LEAD_MS;
  const sampler = setInterval(sample, SAMPLE_MS);
  try {
    sample();
    const title = `Load: ${shapeText(shape)}`;
    await progress.step(title, async (step) => {
      const show = setInterval(() => {
        step.update(countsText(driver.attempts));
      }, SAMPLE_MS);
      const ended = once(atOnce, 'abort').then(() => undefined);
      await Promise.race([driver.run(stepsOf(shape), startMs, signal), ended]).finally(() => {
        clearInterval(show);
      });
      step.result(countsText(driver.attempts));
    });
    const endMs = nowMs();
    await progress.step('What is under way, followed to its end', async (step) => {
      await drain(driver, follower, { atOnce, show: step.update });
      step.result(countsText(driver.attempts));
    });
    sample();
    const drainSeconds = (nowMs() - endMs) / 1_000;
    const samplesFromMs = performance.timeOrigin;
    const { attempts } = driver;
    return { startMs, endMs, drainSeconds, samples, samplesFromMs, attempts };
  } finally {
    clearInterval(sampler);
    await follower.stop();
  }
}

/** Until all that was taken has its receipt, or nothing comes any more. */
async function drain(
  { attempts }: Driver,
  follower: Follower,
  { atOnce, show }: { atOnce: AbortSignal; show: (text: string) => void },
): Promise<void> {
  let best = 0;
  let progressAt = performance.now();
  let settledAt: number | null = null;
  while (!atOnce.aborted) {
    const now = performance.now();
    const count = certified(attempts).length;
    if (count > best) {
      best = count;
      progressAt = now;
    }
    show(countsText(attempts));
    const isSettled = follower.receiptsDue === 0 && attempts.every((one) => one.state !== 'held');
    settledAt = isSettled ? (settledAt ?? now) : null;
    const hasUnanswered = attempts.some((one) => one.state === 'failed' && one.id !== null);
    if (settledAt !== null && now - settledAt >= (hasUnanswered ? UNANSWERED_MS : 0)) return;
    if (now - progressAt > STALL_MS) return;
    await sleep(POLL_MS);
  }
}

interface Probe extends ProbeFigures {
  readonly result: { readonly id: string; readonly height: number } | null;
}

/** One probe through the API of each validator, one after the other. */
async function probeAll({ network, operator }: Stand, atOnce: AbortSignal): Promise<Probe[]> {
  const probes: Probe[] = [];
  for (const { id: validator } of network.validators) {
    const session = openSession(network, { preferred: validator });
    const prober = new Operator(session, await operator(validator));
    const started = performance.now();
    const signal = AbortSignal.any([atOnce, AbortSignal.timeout(PROBE_MS)]);
    try {
      const { id, height } = await prober.probe('load.last', { signal });
      const ms = Math.round(performance.now() - started);
      probes.push({ validator, ms, code: '', result: { id, height } });
    } catch (error) {
      probes.push({ validator, ms: null, code: failureOf(error), result: null });
    }
  }
  return probes;
}

async function compare(
  readers: readonly ValidatorReader[],
  sought: Sought,
  { progress, atOnce }: LoadOptions,
): Promise<{ ledger: LedgerCheck | null; fault: string | null }> {
  try {
    const ledger = await progress.step(
      `Ledgers of ${readers.length} validators compared`,
      async (step) => {
        const checked = await checkLedgers(readers, sought, atOnce);
        step.result(
          `${checked.transactions} transactions exactly once at each, head ${checked.height}` +
            (checked.faults.length > 0 ? `: NOT so, ${checked.faults.length} faults` : ''),
        );
        return checked;
      },
    );
    return { ledger, fault: null };
  } catch (error) {
    if (atOnce.aborted) return { ledger: null, fault: null };
    const why = error instanceof Error ? error.message : String(error);
    return { ledger: null, fault: `the ledgers could not be compared: ${why}` };
  }
}

function faultsOf(
  attempts: readonly Attempt[],
  probes: readonly Probe[],
  { atOnce }: LoadOptions,
): string[] {
  const lost = atOnce.aborted ? [] : attempts.filter((one) => one.state === 'held');
  const lies = attempts.filter(({ code }) => code === 'not_proven');
  const silent = atOnce.aborted ? [] : probes.filter(({ ms }) => ms === null);
  return [
    ...lost.map(({ id, validator }) => `${validator} took ${id ?? ''}, and it has no receipt`),
    ...lies.map(({ validator, kind }) => `what ${validator} answered (${kind}) does not verify`),
    ...silent.map(({ validator, code }) => `${validator} commits no more: ${code}`),
  ];
}

function reportOf(
  { network }: Stand,
  { shape, bulk, patients, doctors, signal }: LoadOptions,
  parts: {
    measured: Measured;
    peopleSeconds: number;
    probes: readonly ProbeFigures[];
    ledger: LedgerCheck | null;
    certified: number;
    faults: readonly string[];
  },
): LoadReport {
  const { attempts, startMs, endMs, samples, samplesFromMs, drainSeconds } = parts.measured;
  const cpuBetween = (fromMs: number, toMs: number): CpuShares | null => {
    const within = samples.filter(({ at }) => {
      const ms = samplesFromMs + at;
      return ms >= fromMs - SAMPLE_MS && ms <= toMs + SAMPLE_MS;
    });
    const [first] = within;
    const last = within.at(-1);
    return first && last && last !== first ? sharesOf(first, last, cores) : null;
  };
  const begun = stepsOf(shape).filter(({ fromSeconds }) => startMs + fromSeconds * 1_000 < endMs);
  const steps = stepFigures(attempts, begun, startMs).map((figures, index) => {
    const { fromSeconds = 0, seconds = 0 } = begun[index] ?? {};
    const from = startMs + fromSeconds * 1_000;
    return { ...figures, cpu: cpuBetween(from, from + seconds * 1_000) };
  });
  const last = steps.at(-1) ?? { due: 0, committed: 0, cpu: null };
  const ledgerFaults = parts.ledger?.faults ?? [];
  const untilMs = endMs + drainSeconds * 1_000;
  return {
    ...{ network: network.genesis.document.network, shape, bulk, cores },
    people: { patients, doctors, seconds: parts.peopleSeconds },
    drivenSeconds: (endMs - startMs) / 1_000,
    drainSeconds,
    kinds: kindFigures(attempts),
    lag: lagFigures(attempts),
    errors: errorFigures(attempts),
    steps,
    ...pointsOf(attempts, samples, { startMs, untilMs, samplesFromMs, cores }),
    cpu: cpuBetween(startMs, Math.min(endMs, startMs + shape.seconds * 1_000)),
    verdict: verdict(last.cpu, cores, last),
    certified: parts.certified,
    committed: certified(attempts).length,
    probes: parts.probes,
    ledger: parts.ledger,
    isInterrupted: signal.aborted,
    faults: [...parts.faults, ...ledgerFaults].slice(0, FAULTS_MAX),
  };
}

export function shapeText({ ratePerSecond, seconds, isRamp }: Shape): string {
  const rate = isRamp ? `from ${ratePerSecond / 10} to ${ratePerSecond}` : String(ratePerSecond);
  return `${rate} requests a second for ${seconds} s`;
}

function countsText(attempts: readonly Attempt[]): string {
  const tooMany = attempts.filter(({ status }) => status === 429).length;
  const taken = attempts.filter(isTaken).length;
  const refused = tooMany === 0 ? '' : `, ${tooMany} told to wait`;
  return `${attempts.length} due, ${taken} taken, ${certified(attempts).length} committed${refused}`;
}

function probeText({ validator, ms, code }: ProbeFigures): string {
  return `${validator} ${ms === null ? code : `${ms} ms`}`;
}
