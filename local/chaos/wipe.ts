// A validator loses its tables and queues, keeps its KMS key, and comes back by itself.
import { functionName } from '../../cdk/names.ts';
import { accountClient, type AccountClient } from '../lib/account-client.ts';
import { outputOf } from '../lib/deploy.ts';
import { NEAR_HEAD } from './at-work.ts';
import { LAST_RUN_MS } from './deployed-code.ts';
import { type Seat, seatNow } from './seats.ts';
import { type Stage, until } from './stage.ts';

/** The functions of a validator, by the last part of their names. */
export const VALIDATOR_FUNCTIONS: readonly string[] = [
  'api',
  'inbox',
  'timer',
  'escrow',
  'copies',
  'replicator',
];

const GENESIS_MS = 120_000;
const CATCH_UP_MS = 180_000;
const REJOIN_MS = 180_000;

/** Empties tables and queues of the validator under load and waits until it votes again. */
export async function wipe(stage: Stage): Promise<void> {
  const { victim } = stage;
  const before = await seatNow(stage, victim.id);
  await stage.phase(`${victim.id} wiped: its KMS key is all that it keeps`, async (step) => {
    const wiped = await wipeAccount(stage, accountClient(victim));
    step.result(`${wiped} items deleted, queues purged, functions started anew`);
  });
  await awaitGenesis(stage);
  await awaitCatchUp(stage);
  await awaitReturn(stage, before);
}

/** What an administrator's worst day does; answers how many items there were. */
async function wipeAccount(stage: Stage, client: AccountClient): Promise<number> {
  const { config, victim, layout } = stage;
  const named = (output: string): string => outputOf(layout, victim.id, output);
  const resume = stage.undoLater(() => client.setConsuming(true));
  await client.setConsuming(false);
  await new Promise((settle) => setTimeout(settle, LAST_RUN_MS));
  const ledger = await client.emptyTable(named('LedgerTable'));
  const sessions = await client.emptyTable(named('SessionTable'));
  const escrow = await client.emptyTable(named('EscrowTable'));
  await client.purgeQueue(named('InboxUrl'));
  await client.purgeQueue(named('TimerUrl'));
  for (const fn of VALIDATOR_FUNCTIONS) {
    await client.restartFunction(functionName(config, victim.id, fn));
  }
  // A warm process may have written once more before it ended.
  const late = await client.emptyTable(named('LedgerTable'));
  await resume();
  return ledger + sessions + escrow + late;
}

/** Its peers hand it the document over the queues, and it checks every operator's signature. */
export async function awaitGenesis(stage: Stage): Promise<void> {
  const reader = stage.reader(stage.victim.id);
  await stage.phase('Genesis document recovered from its peers', (step) =>
    until(stage, { withinMs: GENESIS_MS, what: 'No genesis document' }, async () => {
      const { status, code } = await reader.health();
      step.update(code || `HTTP ${status}`);
      return status === 200 ? true : null;
    }),
  );
}

/** Follows as a learner: executes what the others decide, and signs nothing. */
export async function awaitCatchUp(stage: Stage): Promise<void> {
  const reader = stage.reader(stage.victim.id);
  await stage.phase('Caught up with the others', (step) =>
    until(stage, { withinMs: CATCH_UP_MS, what: 'It does not catch up' }, async () => {
      const [{ height }, ...others] = await Promise.all([
        reader.health(),
        ...stage.others.map(({ id }) => stage.reader(id).health()),
      ]);
      const highest = Math.max(...others.map((one) => one.height));
      step.update(`${height} of ${highest}`);
      step.result(`height ${height}, nothing signed`);
      return height > 0 && height >= highest - NEAR_HEAD ? true : null;
    }),
  );
}

/** Its next incarnation is in force, and it says itself that it votes. */
export async function awaitReturn(stage: Stage, before: Seat): Promise<void> {
  const { victim } = stage;
  const reader = stage.reader(victim.id);
  await stage.phase('Back in the set under a new incarnation', (step) =>
    until(stage, { withinMs: REJOIN_MS, what: 'It does not vote again' }, async () => {
      const seat = await seatNow(stage, victim.id);
      const { learner, height, status, halted } = await reader.health();
      step.update(`incarnation ${seat.incarnation}${learner ? ', learner' : ''}`);
      const isBack = seat.incarnation > before.incarnation && !seat.suspended;
      if (!isBack || status !== 200 || learner || halted !== '') return null;
      step.result(`incarnation ${before.incarnation} → ${seat.incarnation}, height ${height}`);
      return true;
    }),
  );
}
