/** What a faulty replica may do: each strategy changes what it sends, reads, or does by itself. */
import type { Envelope } from '../../lib/wire/messages.ts';
import type { Adversary } from './adversary.ts';
import type { JournalEntry } from './tables.ts';
import { censor, silent, slow, withhold } from './strategies/absent.ts';
import { equivocate, insist, splitVotes } from './strategies/equivocate.ts';
import { restless } from './strategies/restless.ts';
import { smuggle } from './strategies/smuggle.ts';
import { falseRoots, relabel } from './strategies/relabel.ts';
import { flood, presend, replay } from './strategies/flood.ts';
import { forge, lie, mutate } from './strategies/forge.ts';
import { oldPin } from './strategies/old-pin.ts';

export interface Strategy {
  /** What goes to a peer in the place of an envelope. */
  rewrite?(to: string, envelope: Envelope): Envelope[] | Promise<Envelope[]>;
  /** Whether it takes what a peer sent. */
  takes?(envelope: Envelope): boolean;
  /** How much later it goes. */
  delayMs?(): number;
  /** What its own code reads in the place of what is stored. */
  read?(entry: JournalEntry, found: unknown): unknown;
  /** Comes about every second. */
  act?(): void | Promise<void>;
}

export type StrategyName =
  | 'silent'
  | 'slow'
  | 'censor'
  | 'withhold'
  | 'equivocate'
  | 'insist'
  | 'split-votes'
  | 'mutate'
  | 'lie'
  | 'forge'
  | 'relabel'
  | 'restless'
  | 'smuggle'
  | 'false-roots'
  | 'replay'
  | 'flood'
  | 'presend'
  | 'old-pin';

export const strategies: Readonly<Record<StrategyName, (by: Adversary) => Strategy>> = {
  silent,
  slow,
  censor,
  withhold,
  equivocate,
  insist,
  'split-votes': splitVotes,
  mutate,
  lie,
  forge,
  relabel,
  restless,
  smuggle,
  'false-roots': falseRoots,
  replay,
  flood,
  presend,
  'old-pin': oldPin,
};
