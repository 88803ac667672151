// A validator's processes freeze as they are, and go on later as if nothing had been.
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseMember } from '../lib/account-actions.ts';
import { LocalError } from '../lib/errors.ts';
import { awaitOwnVotes, awaitWork } from './at-work.ts';
import { secondsText } from './measure.ts';
import type { Stage } from './stage.ts';

/** In a pause of that length the others must have committed something: a view change is quicker. */
const PROOF_SECONDS = 15;

/** Pauses the validator under load, and waits until it keeps up and votes. */
export async function pause(stage: Stage, seconds: number): Promise<void> {
  const { victim, layout, load } = stage;
  const witness = stage.reader(stage.others[0]?.id ?? '');
  const before = await witness.health();
  const goOn = stage.undoLater(() => pauseMember(layout, victim.id, false));
  const role = before.leader === victim.id ? 'the leader' : 'a follower';
  const title = `${victim.id}, ${role}, paused (SIGSTOP) for ${seconds} s`;
  await stage.phase(title, async (step) => {
    const committed = load.committed.length;
    load.takeGapMs();
    stage.faultBegins();
    await pauseMember(layout, victim.id, true);
    await sleep(seconds * 1000, undefined, { signal: stage.signal });
    const meanwhile = load.committed.length - committed;
    if (meanwhile === 0 && seconds >= PROOF_SECONDS) {
      throw new LocalError('no_recovery', `Nothing was committed for ${seconds} s.`, {
        cure: 'A machine that is busy with other work may be too slow: try again, or --pause 60',
      });
    }
    const { view, leader } = await witness.health();
    step.result(
      `${meanwhile} committed by the others, longest gap ${secondsText(load.takeGapMs())}; ` +
        `view ${before.view} → ${view}, ${leader} leads`,
    );
  });
  await stage.phase(`${victim.id} goes on (SIGCONT), keeps up and votes`, async (step) => {
    const resumed = performance.now();
    await goOn();
    const { height } = await witness.health();
    await awaitWork(stage, victim.id);
    const took = performance.now() - resumed;
    const at = await awaitOwnVotes(stage, victim.id, height + 1);
    stage.healed();
    step.result(`keeps up after ${secondsText(took)}, votes at ${at}`);
  });
}
