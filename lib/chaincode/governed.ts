/** What the state says of the governed things: who votes, with which keys, by which parameters. */
import { MAIN_LEDGER } from '../wire/ledger.ts';
import type { StateView } from '../ledger/state-view.ts';
import type { Governed } from '../wire/governed.ts';
import { cells } from './cells.ts';
import { Draft, readerOf, type Write } from './draft.ts';
import type { ChaincodeContext } from './functions.ts';
import { keys } from './keys.ts';
import { foldChanges } from './proposals.ts';
import { requireVersion } from './versions.ts';

/** A block that writes none of these leaves what governs as it was. */
export const governedKeys: readonly string[] = [keys.validators, keys.sessions, keys.parameters];

/** From the state after block h: what governs height h + 2. */
export async function governedOf(view: StateView): Promise<Governed> {
  const reader = readerOf(view);
  const validators = await reader.get(cells.validators);
  const sessions = await reader.get(cells.sessions);
  const parameters = await reader.get(cells.parameters);
  if (!validators || !sessions || !parameters) throw new Error('what governs is missing of state');
  return { validators, sessions, parameters };
}

/**
 * What a block writes after its last transaction, in the order of keys: changes whose height has
 * come, and proposals that nobody decided in time. Mostly nothing; on a case ledger, nothing.
 */
export async function endBlock(view: StateView, context: ChaincodeContext): Promise<Write[]> {
  requireVersion(context);
  const { time, height, ledger } = context;
  if (ledger !== MAIN_LEDGER) return [];
  // Nothing is told to anybody here, so no transaction needs to be named.
  const draft = new Draft(view, { transaction: '', time, height });
  await foldChanges(draft, context);
  return draft.writes();
}
