// A validator loses everything, its KMS key too; the operators let a new account take its seat.
import { killMember, rebuildMember } from '../lib/account-actions.ts';
import { lifeOf } from '../lib/account-process.ts';
import { accountLayout } from '../lib/layout.ts';
import { awaitReceipts } from './at-work.ts';
import { awaitBundle, decideTogether } from './govern.ts';
import { secondsText } from './measure.ts';
import { type Seat, seatNow } from './seats.ts';
import type { Stage } from './stage.ts';
import { awaitCatchUp, awaitGenesis, awaitReturn } from './wipe.ts';

const COMMITS_WITHOUT = 10;

/** Kills the account under load, unless it is lost already, and waits until its successor votes. */
export async function replace(stage: Stage): Promise<void> {
  const { victim, layout, load } = stage;
  const before = await seatNow(stage, victim.id);
  const isGone = lifeOf(accountLayout(layout, victim.id)) !== 'running';
  const lost = isGone ? 'was lost before' : 'killed (SIGKILL): state and KMS keys are gone';
  await stage.phase(`${victim.id} ${lost}`, async () => {
    if (!isGone) await killMember(layout, victim.id);
  });
  await stage.phase('Load goes on with the others', async (step) => {
    load.takeGapMs();
    await awaitReceipts(stage, COMMITS_WITHOUT, 'any more');
    step.result(`${COMMITS_WITHOUT} committed, longest gap ${secondsText(load.takeGapMs())}`);
  });
  await letSuccessorIn(stage, before);
}

/** An account that lost everything is built anew, and the operators let it in; until it votes. */
export async function letSuccessorIn(stage: Stage, before: Seat): Promise<void> {
  const { victim, layout } = stage;
  await stage.phase('A new, empty account: its stack deployed anew', () =>
    rebuildMember(layout, victim.id),
  );
  await awaitGenesis(stage);
  const keys = await awaitBundle(stage, before, true);
  // The hospital's own operator still has a keystore: only the account is gone.
  const hospitals = [victim.id, ...stage.others.map(({ id }) => id)];
  const title = 'Its new key put in by governance';
  await decideTogether(stage, { kind: 'replace-key', keys }, { hospitals, title });
  await awaitCatchUp(stage);
  await awaitReturn(stage, before);
}
