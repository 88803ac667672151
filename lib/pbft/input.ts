/** What can happen to a replica; each input is one step of `apply`. Lines refer to docs/pbft.md. */
import type { BlockHeader } from '../wire/header.ts';
import type { Message } from '../wire/messages.ts';
import type { Governed } from '../wire/governed.ts';
import type { Vote } from '../wire/vote.ts';
import type { Executed, Head, Seats } from './state.ts';

export type Input =
  /** A message whose signatures and certificates were verified (`verifyMessage`). */
  | { type: 'message'; from: string; message: Message }
  /** L1: the oldest valid pending request here, or null when none waits. */
  | { type: 'pending'; oldest: string | null }
  /** L3: the block that `build` asked for; null when nothing valid was pending. */
  | { type: 'built'; built: ({ header: BlockHeader } & Executed) | null }
  /**
   * L5: what execution of a body said. `ok`: durable and equal to the header; `mismatch`: the
   * header lies; `missing`: no body under this hash is held.
   */
  | { type: 'executed'; hash: Uint8Array; outcome: 'ok'; after: Governed | null }
  | { type: 'executed'; hash: Uint8Array; outcome: 'mismatch' | 'missing' }
  /** A body that matches its header's transactions root is now held. */
  | { type: 'body'; hash: Uint8Array }
  /** L17: something of a height that cannot be judged here, perhaps as its set is not known yet. */
  | { type: 'ahead'; height: number }
  /**
   * L17: a certified head whose state is held here whole, with what governs the two heights after
   * it and who voted on it.
   */
  | ({ type: 'snapshot'; head: Head; frontier: Uint8Array[] } & Governed & {
        upcoming: Governed | null;
        previous: Seats | null;
        /** The first height on which the set of the next one voted. */
        setFromHeight: number;
      })
  /** An own vote, signed as `sign` asked. */
  | { type: 'signed'; vote: Vote }
  /**
   * A timer's hint; judged against stored deadlines. `due`: the time for which it was armed, Unix
   * ms; null from the five-minute schedule.
   */
  | { type: 'tick'; due: number | null };
