/** What a checker is told; it calls `world.fail` where its property does not hold. */
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import type { Vote } from '../../../lib/wire/vote.ts';
import type { SimNode } from '../node.ts';
import type { NewBlock } from '../observe.ts';
import type { SentVote } from '../sent.ts';
import type { JournalEntry } from '../tables.ts';

export interface Checker {
  readonly name: string;
  /** A judged replica's ledger has one block more. */
  onBlock?(node: SimNode, block: NewBlock): void | Promise<void>;
  /** A judged replica has done a step, or died in it. */
  onStep?(node: SimNode, state: ReplicaState): void | Promise<void>;
  /** An honest replica tries to send an envelope. */
  onSend?(node: SimNode, deduplicationId: string): void;
  /** A vote leaves an honest replica. */
  onVote?(node: SimNode, sent: SentVote): void;
  /** A vote of its own leaves any replica that runs the production code, before `onVote`. */
  onOwnVote?(node: SimNode, vote: Vote): void;
  /** Such a replica begins a step; what comes back looks at it once the step has succeeded. */
  beforeStep?(node: SimNode): Promise<(() => Promise<void>) | null>;
  /** An honest replica has written to a table. */
  onWrite?(node: SimNode, entry: JournalEntry, result: unknown): void | Promise<void>;
  /** As `onBlock`, `onVote` and `onWrite`, on case ledgers. */
  onCaseBlock?(node: SimNode, block: NewBlock): void | Promise<void>;
  onCaseVote?(node: SimNode, ledger: string, sent: SentVote): void;
  onCaseWrite?(node: SimNode, entry: JournalEntry, result: unknown): void | Promise<void>;
  /** The run is over. */
  atEnd?(): void | Promise<void>;
}
