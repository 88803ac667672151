// All validators stop in order and start again: nobody is served meanwhile, and nothing is lost.
import { restartMember, stopMember } from '../lib/account-actions.ts';
import { awaitOwnVotes, awaitReceipts, awaitWork } from './at-work.ts';
import { secondsText } from './measure.ts';
import type { Stage, Undo } from './stage.ts';

const COMMITS_AFTER = 10;

/** Stops all validators under load, the victim first, and waits until each votes again. */
export async function restart(stage: Stage): Promise<void> {
  const { layout, victim, others, load } = stage;
  const order = [victim, ...others].map(({ id }) => id);
  const heights = new Map<string, number>();
  const backAgain: Undo[] = [];
  await stage.phase(`All ${order.length} validators stopped in order`, async (step) => {
    load.takeGapMs();
    stage.faultBegins();
    for (const id of order) {
      step.update(id);
      heights.set(id, (await stage.reader(id).health()).height);
      backAgain.push(stage.undoLater(() => restartMember(layout, id)));
      await stopMember(layout, id);
    }
    step.result(`${order.join(', ')}; the highest block that was seen is ${highest(heights)}`);
  });
  await stage.phase('All started again with their state', async () => {
    for (const bringBack of backAgain) await bringBack();
  });
  const started = performance.now();
  await stage.phase('Load goes on', async (step) => {
    await awaitReceipts(stage, 1, 'after the start');
    const first = performance.now() - started;
    await awaitReceipts(stage, COMMITS_AFTER - 1, 'after the start');
    step.result(
      `first receipt ${secondsText(first)} after the last start, longest gap ` +
        secondsText(load.takeGapMs()),
    );
  });
  await stage.phase('Each keeps up and votes', async (step) => {
    for (const id of order) {
      step.update(id);
      await awaitWork(stage, id);
      await awaitOwnVotes(stage, id, highest(heights) + 1);
    }
    stage.healed();
  });
}

function highest(heights: ReadonlyMap<string, number>): number {
  return Math.max(0, ...heights.values());
}
