/** Profiles: which faults a run may meet, as data. A seed then says which of them happen, and when. */
import type { ChangeKind } from './governance.ts';
import type { StrategyName } from './strategies.ts';
import type { TimelineKind } from './timeline.ts';

export interface Profile {
  readonly name: string;
  readonly summary: string;
  readonly keys: 'simulated' | 'real';
  /** Sizes that the profile runs at; the CLI's `--replicas` must be one of them. */
  readonly replicas: readonly number[];
  readonly transactions: number;
  /** More of them after healing, while a replica is to come back: that takes blocks. */
  readonly laterTransactions: number;
  /** Between two of them. */
  readonly laterMs: number;
  /** Virtual time of trouble, and by when all must be well after it. */
  readonly troubleMs: number;
  readonly liveMs: number;
  /** By when every transaction must be committed somewhere; the schedule speaks later. */
  readonly servedMs: number;
  readonly delayMsMax: number;
  /** Chances for each message between validators. */
  readonly loss: number;
  readonly late: number;
  readonly reorder: number;
  /** Chance for each acknowledged batch to come again. */
  readonly redeliver: number;
  /** Chances for each write or send: refused, or done and reported as failed. */
  readonly refused: number;
  readonly unanswered: number;
  /** Chance for each run to take another warm process, or a cold one. */
  readonly otherProcess: number;
  /** Scheduled faults: how many of each kind are to be expected in a run. */
  readonly timeline: Readonly<Partial<Record<TimelineKind, number>>>;
  /** Case ledgers, and transactions on each of them. */
  readonly cases: number;
  readonly caseTransactions: number;
  /** Nothing is submitted to them before, from the start. */
  readonly caseFromMs: number;
  /** Proposals of operators that a run may see. */
  readonly changes: readonly ChangeKind[];
  /** What faulty replicas may do; up to f replicas get two of these each. */
  readonly strategies: readonly StrategyName[];
}

const base = {
  summary: '',
  keys: 'simulated',
  replicas: [4, 7, 10, 13],
  transactions: 6,
  laterTransactions: 0,
  laterMs: 6_000,
  troubleMs: 12_000,
  liveMs: 240_000,
  servedMs: 100_000,
  delayMsMax: 40,
  loss: 0,
  late: 0,
  reorder: 0,
  redeliver: 0,
  refused: 0,
  unanswered: 0,
  otherProcess: 0,
  timeline: {},
  cases: 0,
  caseTransactions: 5,
  caseFromMs: 0,
  changes: [],
  strategies: [],
} as const;

type Change = Partial<Omit<Profile, 'name' | 'summary'>>;

function profile(name: string, summary: string, change: Change): Profile {
  return { ...base, ...change, name, summary };
}

export const profiles: readonly Profile[] = [
  profile('quiet', 'no fault at all: every transaction is in a block at once', {}),
  profile('lossy', 'messages are lost, late, overtaken, and batches come twice', {
    loss: 0.08,
    late: 0.04,
    reorder: 0.15,
    redeliver: 0.05,
    delayMsMax: 300,
  }),
  profile('partitions', 'parts of the network do not hear each other, also one way', {
    timeline: { cut: 3, isolate: 1.5, split: 1, mend: 2 },
  }),
  profile('stranded', 'who decides first is cut off at that moment, while votes are lost', {
    loss: 0.25,
    late: 0.05,
    reorder: 0.1,
    delayMsMax: 200,
    timeline: { strand: 5, crash: 1, mend: 0.5 },
    troubleMs: 24_000,
  }),
  profile('stranded-byzantine', 'as stranded, with replicas that say two things or nothing', {
    loss: 0.12,
    delayMsMax: 150,
    timeline: { strand: 4, crash: 1 },
    strategies: ['equivocate', 'insist', 'split-votes', 'withhold', 'lie', 'restless', 'silent'],
    troubleMs: 24_000,
  }),
  profile('ambushed', 'all goes dark as somebody prepares or decides, who is alone from then on', {
    loss: 0.02,
    delayMsMax: 200,
    timeline: { ambush: 1 },
    transactions: 8,
    troubleMs: 60_000,
  }),
  profile('crashes', 'processes die between any two writes or sends; accounts are away', {
    otherProcess: 0.1,
    timeline: { crash: 8, outage: 1.5, gone: 0.7 },
  }),
  profile('overlap', 'a run stands still and its messages go to another process', {
    redeliver: 0.05,
    otherProcess: 0.25,
    timeline: { stall: 10, crash: 2 },
  }),
  profile('storage-faults', 'writes and sends are refused, or done without an answer', {
    refused: 0.03,
    unanswered: 0.03,
    redeliver: 0.03,
    timeline: { crash: 2 },
  }),
  profile('skew', 'clocks differ by seconds and jump', {
    timeline: { skew: 8, isolate: 0.5 },
  }),
  profile('poison', 'strangers and peers send malformed bytes, wrong groups and false notes', {
    loss: 0.02,
    timeline: { garbage: 25, stall: 1 },
  }),
  profile('restore', 'tables of up to f replicas go back to an old point, with or without key', {
    laterTransactions: 12,
    timeline: { restore: 2, crash: 2, isolate: 1 },
  }),
  profile('wipe', 'tables and keys of up to f replicas are lost: they learn and come back', {
    laterTransactions: 12,
    timeline: { wipe: 1.5, crash: 2, cut: 1 },
  }),
  profile('rejoin', 'wiped and restored, one after the other, among crashes and losses', {
    loss: 0.03,
    redeliver: 0.03,
    otherProcess: 0.1,
    laterTransactions: 16,
    transactions: 10,
    timeline: { wipe: 1.5, restore: 1.5, crash: 3, cut: 1, mend: 1 },
  }),
  profile('governance', 'parameters change, members leave and come back, among crashes and cuts', {
    loss: 0.02,
    redeliver: 0.03,
    transactions: 10,
    laterTransactions: 6,
    timeline: { crash: 2, cut: 1.5, mend: 1, stall: 1 },
    changes: ['parameters', 'parameters', 'reinstate', 'remove', 'replace-key'],
  }),
  profile('cases', 'case ledgers beside the main one, while seats change, among crashes and cuts', {
    loss: 0.02,
    late: 0.02,
    redeliver: 0.03,
    otherProcess: 0.1,
    transactions: 6,
    cases: 3,
    timeline: { crash: 3, cut: 1.5, mend: 1, stall: 1, skew: 1 },
    changes: ['parameters', 'replace-key', 'reinstate'],
  }),
  profile(
    'outrun',
    'the main ledger is far on when case ledgers begin, and leaders pin what is old',
    {
      transactions: 120,
      troubleMs: 45_000,
      cases: 3,
      caseTransactions: 2,
      caseFromMs: 43_000,
      strategies: ['old-pin'],
    },
  ),
  profile('blamed', 'a replica says two things, is suspended, and its operators bring it back', {
    transactions: 8,
    laterTransactions: 12,
    timeline: { restore: 2, crash: 1 },
    changes: ['reinstate', 'reinstate', 'parameters'],
  }),
  profile('clone', 'up to f replicas run twice from a copy of their tables', {
    late: 0.02,
    timeline: { clone: 1.5, cut: 1, mend: 1 },
  }),
  profile('twins', 'the keys of f replicas run twice from the start, each half heard by some', {
    loss: 0.03,
    delayMsMax: 120,
    timeline: { twins: 1, regroup: 8, cut: 1, mend: 1 },
  }),
  profile('byzantine-equivocate', 'f replicas say two things, and vote for both', {
    loss: 0.03,
    delayMsMax: 150,
    timeline: { cut: 2, mend: 1 },
    strategies: ['equivocate', 'insist', 'split-votes', 'withhold'],
  }),
  profile('censored', 'f replicas leave out one client and serve all others, who go on', {
    transactions: 8,
    laterTransactions: 45,
    laterMs: 900,
    troubleMs: 4_000,
    servedMs: 25_000,
    strategies: ['censor'],
  }),
  profile('byzantine-silent', 'f replicas are silent, slow, or keep requests back', {
    loss: 0.02,
    timeline: { cut: 1, mend: 1 },
    strategies: ['silent', 'slow', 'censor', 'withhold'],
  }),
  profile('byzantine-forge', 'f replicas speak in the name of others and make up certificates', {
    timeline: { crash: 1 },
    strategies: ['forge', 'smuggle', 'relabel', 'restless', 'mutate', 'replay'],
  }),
  profile('byzantine-mutate', 'small changes: view ±1, height ±1, another phase, an old digest', {
    loss: 0.03,
    timeline: { cut: 1, mend: 1, crash: 1 },
    strategies: ['mutate', 'relabel', 'false-roots', 'replay', 'lie'],
  }),
  profile('flood', 'f replicas send far more than they should, and pre-send ids', {
    strategies: ['flood', 'presend', 'replay'],
    timeline: { stall: 1 },
  }),
  profile('mixed', 'a little of everything', {
    loss: 0.04,
    late: 0.02,
    reorder: 0.05,
    redeliver: 0.03,
    refused: 0.005,
    unanswered: 0.005,
    otherProcess: 0.1,
    delayMsMax: 200,
    timeline: { crash: 3, cut: 1.5, isolate: 0.5, mend: 1, stall: 2, skew: 2, garbage: 4 },
    strategies: [
      'equivocate',
      'insist',
      'split-votes',
      'silent',
      'mutate',
      'forge',
      'smuggle',
      'relabel',
      'false-roots',
      'replay',
      'lie',
    ],
  }),
  profile('real-keys', 'as mixed, with real P-256 keys (its bytes differ from run to run)', {
    keys: 'real',
    transactions: 5,
    troubleMs: 12_000,
    loss: 0.03,
    redeliver: 0.03,
    delayMsMax: 150,
    timeline: { crash: 2, cut: 1, mend: 1 },
    strategies: ['equivocate', 'split-votes', 'mutate'],
  }),
];

export function profileNamed(name: string): Profile {
  const found = profiles.find((one) => one.name === name);
  if (!found) {
    const known = profiles.map((one) => one.name).join(', ');
    throw new RangeError(`no profile ${name}; profiles: all, ${known}`);
  }
  return found;
}
