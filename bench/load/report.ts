/** What a load test says at its end, for people. */
import { table } from '../report.ts';
import type { ErrorFigures, KindFigures, Spread } from './attempt.ts';
import { sharesText } from './limit.ts';
import { mix } from './mix.ts';
import { type LoadReport, shapeText } from './run.ts';

export function reportText(report: LoadReport): string {
  const parts = [
    headText(report),
    kindTable(report.kinds),
    report.errors.length > 0 ? errorTable(report.errors) : 'No errors.',
    tooManyText(report.errors),
    stepTable(report),
    limitText(report),
    endText(report),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function headText(report: LoadReport): string {
  const { shape, bulk, people, drivenSeconds, drainSeconds, lag } = report;
  const perRequest = bulk > 1 ? `, ${bulk} transactions a POST` : '';
  return [
    `${shapeText(shape)}${perRequest}`,
    `${people.patients} patients and ${people.doctors} doctors, prepared in ${people.seconds.toFixed(0)} s`,
    `driven for ${drivenSeconds.toFixed(1)} s, and ${drainSeconds.toFixed(1)} s until the last receipt`,
    `the load itself: begun ${late(lag.begun)}, signed and sent ${late(lag.sent)} after it was due`,
  ].join('\n');
}

function late(spread: Spread | null): string {
  return spread ? `${spread.p50} ms (p99 ${spread.p99} ms)` : 'nothing';
}

/** Times count from when a request was due, so that a late start is not left out. */
function kindTable(figures: readonly KindFigures[]): string {
  const head = ['kind', 'due', 'done', 'refused', 'failed', 'open'];
  const times = ['answer p50', 'p99', 'verified p50', 'p90', 'p99', 'max'];
  return table(
    [...head, ...times],
    figures.map(({ kind, sent, done, refused, failed, open, answered, verified }) => [
      mix[kind].isTransaction ? kind : `${kind} (query)`,
      ...[sent, done, refused, failed, open].map(String),
      ...at(answered, ['p50', 'p99']),
      ...at(verified, ['p50', 'p90', 'p99', 'max']),
    ]),
  );
}

function at(spread: Spread | null, names: readonly (keyof Spread)[]): string[] {
  return names.map((name) => (spread ? `${spread[name]} ms` : '-'));
}

function errorTable(errors: readonly ErrorFigures[]): string {
  return table(
    ['not done, by code', 'status', 'count', 'with Retry-After', 'committed all the same'],
    errors.map(({ code, status, count, withRetryAfter, committed }) => [
      code,
      ...[status ?? '-', count, withRetryAfter, committed].map(String),
    ]),
  );
}

function tooManyText(errors: readonly ErrorFigures[]): string {
  const of429 = errors.filter(({ status }) => status === 429);
  if (of429.length === 0) return '';
  const sum = (pick: (one: ErrorFigures) => number): number =>
    of429.reduce((total, one) => total + pick(one), 0);
  return (
    `${sum(({ count }) => count)} were told to wait (429), ` +
    `${sum(({ withRetryAfter }) => withRetryAfter)} of them with Retry-After.`
  );
}

function stepTable({ steps }: LoadReport): string {
  return table(
    ['requests/s', 'transactions/s due', 'taken', 'committed', '429', 'processor'],
    steps.map(({ ratePerSecond, due, taken, committed, tooMany, cpu }) => [
      String(Number(ratePerSecond.toFixed(2))),
      ...[due, taken, committed].map((rate) => rate.toFixed(1)),
      String(tooMany),
      cpu ? `${(100 - cpu.idle).toFixed(0)} %` : '-',
    ]),
  );
}

function limitText({ cpu, cores, verdict, steps }: LoadReport): string {
  const most = Math.max(0, ...steps.map(({ committed }) => committed));
  const shares = cpu ? [sentence(sharesText(cpu, cores))] : [];
  const best =
    steps.length > 1
      ? [`At most ${most.toFixed(1)} transactions a second were committed in a step.`]
      : [];
  return [...shares, ...best, verdict].join('\n');
}

function endText({
  committed,
  certified,
  probes,
  ledger,
  faults,
  isInterrupted,
}: LoadReport): string {
  const answered = probes.filter(({ ms }) => ms !== null);
  const slowest = Math.max(0, ...answered.map(({ ms }) => ms ?? 0));
  const lines = [
    `${committed} transactions of the load have a certified receipt.`,
    `Afterwards ${answered.length} of ${probes.length} validators took a transaction and it was ` +
      `committed${answered.length > 0 ? ` within ${slowest} ms` : ''}.`,
  ];
  if (ledger && ledger.faults.length === 0) {
    lines.push(
      `${certified} transactions, with those of the preparation and the probes, stand exactly once in ` +
        `the ledger of each of ${ledger.validators.length} validators (head ${ledger.height}).`,
    );
  }
  if (isInterrupted) lines.push('Interrupted: figures are of what fell due until then.');
  return [...lines, ...faults.map((fault) => `! ${fault}`)].join('\n');
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
