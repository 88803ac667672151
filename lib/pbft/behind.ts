/** L17: others are ahead, so committed blocks are to be fetched. */
import { limits } from '../limits.ts';
import type { Draft } from './draft.ts';

/** How often unverified claims make a replica ask for blocks, milliseconds. */
const aheadMs = 3000;

/** Peers are ahead by more than is kept here: ask for blocks, at most once a second. */
export function noteHeight(draft: Draft, height: number): void {
  const { state, now } = draft;
  const mine = state.head.header.height;
  if (height <= mine) return;
  if (now < state.catchUpNotBefore) return;
  state.catchUpNotBefore = now + 1000;
  draft.outputs.push({ type: 'catch-up', fromHeight: mine + 1, toHeight: height });
}

/**
 * Whoever claims a height may lie, so peers are asked rarely, and for what they can show. After a
 * change of the set this is how a replica that was away finds its way.
 */
export function noteAhead(draft: Draft, height: number): void {
  const { state, now } = draft;
  const mine = state.head.header.height;
  if (height < mine + 2 || now < state.catchUpNotBefore) return;
  state.catchUpNotBefore = now + aheadMs;
  const toHeight = Math.max(height, mine + limits.catchUpBlocksMax);
  draft.outputs.push({ type: 'catch-up', fromHeight: mine + 1, toHeight });
}
