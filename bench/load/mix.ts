/** What a load is made of: kinds of requests with their weights, and the order in which they come. */
import { table } from '../report.ts';

interface KindRow {
  /** Requests of this kind in a hundred. */
  readonly weight: number;
  readonly by: 'patient' | 'doctor';
  /** A transaction is committed; a query is answered from proven state. */
  readonly isTransaction: boolean;
  readonly what: string;
}

/** Of a hospital's day: most are accesses and questions, consent is given now and then. */
export const mix = {
  access: {
    weight: 24,
    by: 'doctor',
    isTransaction: true,
    what: '`access.request` of a stored record',
  },
  record: {
    weight: 16,
    by: 'doctor',
    isTransaction: true,
    what: "`record.register`, a new record's digest",
  },
  grant: {
    weight: 14,
    by: 'patient',
    isTransaction: true,
    what: '`permission.grant` to one of the doctors',
  },
  register: {
    weight: 6,
    by: 'patient',
    isTransaction: true,
    what: '`patient.register`, a new pseudonym and owner key',
  },
  narrow: {
    weight: 4,
    by: 'patient',
    isTransaction: true,
    what: '`permission.narrow`, an earlier end',
  },
  revoke: { weight: 4, by: 'patient', isTransaction: true, what: '`permission.revoke`' },
  permissions: {
    weight: 12,
    by: 'doctor',
    isTransaction: false,
    what: '`permission.received`, with proofs',
  },
  history: { weight: 10, by: 'patient', isTransaction: false, what: '`history.list`, with proofs' },
  receipt: {
    weight: 10,
    by: 'patient',
    isTransaction: false,
    what: 'the receipt of an earlier transaction',
  },
} as const satisfies Readonly<Record<string, KindRow>>;

export type Kind = keyof typeof mix;
export const kinds = Object.keys(mix) as readonly Kind[];
export const transactionKinds = kinds.filter((kind) => mix[kind].isTransaction);
export const queryKinds = kinds.filter((kind) => !mix[kind].isTransaction);
export const patientKinds = kinds.filter(
  (kind) => mix[kind].by === 'patient' && kind !== 'receipt',
);

/** Share of all requests that these kinds have. */
export function shareOf(some: readonly Kind[]): number {
  return weightOf(some) / weightOf(kinds);
}

/**
 * Kinds in turn, each as often as its weight says and spread as evenly as can be (smooth weighted
 * round robin): the same in every run.
 */
export function* turns(of: readonly Kind[]): Generator<Kind, never> {
  const total = weightOf(of);
  const credit = new Map<Kind, number>(of.map((kind) => [kind, 0]));
  for (;;) {
    for (const kind of of) credit.set(kind, (credit.get(kind) ?? 0) + mix[kind].weight);
    const [first] = [...credit].sort(([, a], [, b]) => b - a);
    if (!first) throw new RangeError('a load needs kinds');
    credit.set(first[0], first[1] - total);
    yield first[0];
  }
}

export function mixTable(): string {
  return table(
    ['kind', 'of 100', 'by', 'what'],
    kinds.map((kind) => [kind, String(mix[kind].weight), mix[kind].by, mix[kind].what]),
  );
}

function weightOf(some: readonly Kind[]): number {
  return some.reduce((sum, kind) => sum + mix[kind].weight, 0);
}
