// Every message to a validator is delivered twice, and once more late and out of order.
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { inboxDlqName } from '../../cdk/names.ts';
import { accountClient } from '../lib/account-client.ts';
import { LocalError } from '../lib/errors.ts';
import { accountLayout } from '../lib/layout.ts';
import { awaitOwnVotes, awaitReceipts, awaitWork } from './at-work.ts';
import { lendCode } from './deployed-code.ts';
import { miscounted, secondsText } from './measure.ts';
import { type Redelivered, redeliveredIn, redeliveryBundle } from './redelivery-bundle.ts';
import { type Stage, until } from './stage.ts';

/** What the ledger answers to a probe. */
const probeSchema = z.object({ hospital: z.string(), count: z.int() });

const COMMITS_MEANWHILE = 20;
/** So many must come again, and as many late, for the story to show something. */
const MESSAGES_MIN = 40;
const MESSAGES_MS = 120_000;

/** Lets the queue of the validator do its worst under load, then gives it its own code back. */
export async function redelivery(stage: Stage): Promise<void> {
  const { victim, layout, load } = stage;
  const { log } = accountLayout(layout, victim.id);
  const from = statSync(log).size;
  const soFar = (): Redelivered => redeliveredIn(readFileSync(log).subarray(from).toString('utf8'));
  const title = `${victim.id} takes every message twice, and again late and out of order`;
  const restore = await stage.phase(title, async (step) => {
    load.takeGapMs();
    stage.faultBegins();
    const undo = await lendCode(stage, 'inbox', redeliveryBundle);
    const wait = { withinMs: MESSAGES_MS, everyMs: 500, what: 'The messages do not come again' };
    await until(stage, wait, async () => {
      const { again, late } = soFar();
      step.update(`${again} again, ${late} late`);
      return again >= MESSAGES_MIN && late >= MESSAGES_MIN ? true : null;
    });
    await awaitReceipts(stage, COMMITS_MEANWHILE, 'while messages come again');
    const { again, late } = soFar();
    const { view, leader } = await stage.reader(victim.id).health();
    step.result(
      `${again} came again, ${late} copies late in reverse order; longest gap ` +
        `${secondsText(load.takeGapMs())}; view ${view}, ${leader} leads`,
    );
    return undo;
  });
  await stage.phase(`${victim.id} has its own code back, keeps up and votes`, async (step) => {
    await restore();
    const { height } = await stage.reader(victim.id).health();
    await awaitWork(stage, victim.id);
    const at = await awaitOwnVotes(stage, victim.id, height + 1);
    stage.healed();
    const dead = await accountClient(victim).queueDepth(inboxDlqName(stage.config, victim.id));
    if (dead > 0) throw new LocalError('not_proven', `${dead} messages are dead letters.`);
    step.result(`votes at ${at}; no dead letter`);
  });
}

/** Once the load has ended: the results show whether a probe had its effect twice. */
export function executedOnce({ load }: Stage): string[] {
  return miscounted(load.committed.map(({ value }) => probeSchema.parse(value)));
}
