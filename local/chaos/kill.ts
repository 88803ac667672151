// A validator's account dies at once: the others go on without it, and it comes back.
import { killMember, restartMember } from '../lib/account-actions.ts';
import { LocalError } from '../lib/errors.ts';
import { isHosted } from '../localstack/hosted.ts';
import { awaitOwnVotes, awaitReceipts, awaitWork } from './at-work.ts';
import { secondsText } from './measure.ts';
import { letSuccessorIn } from './replace.ts';
import { seatNow } from './seats.ts';
import type { Stage } from './stage.ts';

/** More than can be under way when it dies. */
const COMMITS_WITHOUT = 20;

export type KilledRole = 'leader' | 'follower';

const names: Readonly<Record<KilledRole, string>> = {
  leader: 'the leader',
  follower: 'a follower',
};

/** Kills the account under load, and waits until it votes again. */
export async function kill(stage: Stage, role: KilledRole): Promise<void> {
  const { victim, layout, plan, load } = stage;
  const before = await seatNow(stage, victim.id);
  const witness = stage.reader(stage.others[0]?.id ?? '');
  const { leader, view } = await witness.health();
  if ((leader === victim.id) !== (role === 'leader')) {
    throw new LocalError('bad_option', `${victim.id} is not ${names[role]} now: ${leader} leads.`, {
      cure: 'npm run chaos -- kill-leader   or   npm run chaos -- kill-follower',
    });
  }
  const hosted = isHosted(plan, victim);
  const how = hosted
    ? 'cut off at once: its queues and its API answer nobody, its state stays'
    : 'killed (SIGKILL): emulator, functions, state and KMS keys are gone';
  const restart = hosted
    ? stage.undoLater(() => restartMember(layout, victim.id))
    : () => letSuccessorIn(stage, before);
  await stage.phase(`${victim.id}, ${names[role]}, ${how}`, async () => {
    load.takeGapMs();
    stage.faultBegins();
    await killMember(layout, victim.id);
  });
  await stage.phase('Load goes on with the others', async (step) => {
    await awaitReceipts(stage, COMMITS_WITHOUT, `without ${victim.id}`);
    const now = await witness.health();
    if (role === 'leader' && (now.leader === victim.id || now.view <= view)) {
      throw new LocalError(
        'not_proven',
        `${now.leader} leads in view ${now.view} without a change.`,
      );
    }
    const change = now.view === view ? `still in view ${view}` : `view ${view} → ${now.view}`;
    step.result(
      `${COMMITS_WITHOUT} committed, longest gap ${secondsText(load.takeGapMs())}; ` +
        `${change}, ${now.leader} leads`,
    );
  });
  if (hosted) await stage.phase(`${victim.id} back with its state`, restart);
  else await restart();
  await stage.phase(`${victim.id} keeps up and votes`, async (step) => {
    const { height } = await stage.reader(victim.id).health();
    await awaitWork(stage, victim.id);
    step.result(`votes at ${await awaitOwnVotes(stage, victim.id, height + 1)}`);
    stage.healed();
  });
}
