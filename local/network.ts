// `npm run network`: takes single accounts down, brings them back, or loses them for good.
import { killMember, restartMember, stopMember } from './lib/account-actions.ts';
import { runMain } from './lib/console.ts';
import { layoutOf } from './lib/layout.ts';
import { type FolderOption, localCommand } from './lib/options.ts';
import { memberOf, requirePlan } from './lib/plan.ts';
import { progressFor } from './lib/progress.ts';
import { HOSTED_STOP_NOTE, isHosted } from './localstack/hosted.ts';

const program = localCommand(
  'npm run network --',
  'Takes accounts of the local network down and up.',
  `  npm run network -- stop hospital-b       orderly; its state is kept
  npm run network -- restart hospital-b    back with that state
  npm run network -- kill hospital-c       like a fire: state and keys are gone
  npm run network -- stop registry         the register of clinicians does not answer`,
);
const progress = progressFor(process.stdout);

program
  .command('stop <account>')
  .description('orderly stop (SIGTERM); state is kept for restart')
  .action((id: string) =>
    runMain(async () => {
      const { layout, name, note } = target(id);
      await progress.step(`Stopped ${name}`, async (step) => {
        const stopped = await stopMember(layout, id);
        step.result(stopped ? `back with: npm run network -- restart ${id}` : 'it was not running');
      });
      if (note !== null) progress.note(`  ${note}`);
    }),
  );

program
  .command('kill <account>')
  .description('SIGKILL of its processes; its state and its KMS keys are lost')
  .action((id: string) =>
    runMain(async () => {
      const { layout, name, isRegistry, note } = target(id);
      await progress.step(`Killed ${name}`, () => killMember(layout, id));
      if (note !== null) return progress.note(`  ${note}`);
      if (isRegistry) return;
      progress.note(
        '  Its state and its KMS keys are gone, as after a fire. It cannot be restarted:',
      );
      progress.note(
        '  an older copy would forget what it signed. The others go on while a quorum is',
      );
      progress.note('  left. A hospital comes back with new keys once the operators of the others');
      progress.note(`  have approved them: npm run chaos -- replace --validator ${id}`);
    }),
  );

program
  .command('restart <account>')
  .description('starts it again with the state of its orderly stop')
  .action((id: string) =>
    runMain(async () => {
      const { layout, name } = target(id);
      await progress.step(`Started ${name}`, () => restartMember(layout, id));
    }),
  );

function target(id: string): {
  readonly layout: ReturnType<typeof layoutOf>;
  readonly name: string;
  readonly isRegistry: boolean;
  /** What stopping means where the account has no process of its own. */
  readonly note: string | null;
} {
  const layout = layoutOf(program.opts<FolderOption>().folder);
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  const note = isHosted(plan, member) ? HOSTED_STOP_NOTE : null;
  return { layout, name: `${id} (${member.name})`, isRegistry: member.kind === 'registry', note };
}

await program.parseAsync();
