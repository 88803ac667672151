/** A rotation from the choice to the end, as `carequorum rotate` and `carequorum recover` run it. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { SdkError } from '../sdk/errors.ts';
import type { Patient } from '../sdk/patient.ts';
import { isRotating, rotate, type Rotated } from '../sdk/rotation.ts';
import type { RotationProgress } from '../sdk/rotation-options.ts';
import type { CommandContext } from './context.ts';
import { collectLeftOut } from './options.ts';
import { type CommandResult, plural, ProgressBar } from './output.ts';
import { certifiedJson, certifiedLine } from './results.ts';
import { type ChoiceOptions, choiceLines, choosePermissions } from './rotation-choice.ts';
import { parseWhen } from './times.ts';

export interface RunOptions extends ChoiceOptions {
  readonly leaveBehind?: boolean;
}

/** What the patient is asked, around the list of all permissions. */
interface Asked {
  /** What is about to happen, a line each. */
  readonly opening: readonly string[];
  /** What holds after a no. */
  readonly refused?: string;
}

/** Options for what comes over, and what does not. */
export function rotationOptions(command: Command): Command {
  return command
    .option('--since <time>', 'since when somebody else may have had your keys', parseWhen)
    .option(
      '--leave-out <ids>',
      'permissions that are not given again, with commas; `recent`: all since --since',
      collectLeftOut,
    )
    .option('--leave-behind', 'give up records that the custodian lost or that never opened');
}

/**
 * Shows every permission and asks, unless a rotation goes on that was begun; then rotates with
 * progress to see, until it is done or stopped by Ctrl-C. `before` is done after a yes alone.
 */
export async function rotateAsChosen(
  context: CommandContext,
  patient: Patient,
  options: RunOptions,
  {
    asked,
    rotationKey,
    before,
  }: {
    asked: Asked;
    rotationKey?: SigningKey | undefined;
    before?: () => Promise<void>;
  },
): Promise<Rotated> {
  const isGoingOn = isRotating(patient);
  if (isGoingOn) context.note('Going on with the rotation that was begun, as you chose then.');
  const choice = isGoingOn ? null : await choosePermissions(context, patient, options);
  if (choice) {
    const { opening, refused } = asked;
    const lines = [
      ...opening,
      ...(await choiceLines(patient, choice)),
      'What somebody read or copied before cannot be taken back.',
    ];
    await context.confirm(lines, 'Get new keys?', refused);
  }
  await before?.();
  const bar = new ProgressBar(context.environment, 'rotation');
  const { interrupt } = context.environment;
  try {
    const done = await interrupt.protect(() =>
      rotate(patient, {
        rotationKey,
        leaveBehind: options.leaveBehind,
        keep: choice?.keep,
        signal: interrupt.signal,
        onProgress: (progress) => bar.update(partOf(progress), 1),
      }),
    );
    await context.keepReceipts([done.begun, ...(done.finished ? [done.finished] : [])]);
    return done;
  } finally {
    bar.clear();
  }
}

/** Throws where records are in the way: the rotation is not over. */
export function rotationResult(done: Rotated): CommandResult {
  const { records, permissions, begun, finished, patient, from, broken } = done;
  if (finished === null) {
    const isMissing = broken.length > 0 || records.stuck.some(({ reason }) => reason === 'missing');
    const count = records.stuck.length + broken.length;
    throw new SdkError('refused', `${plural(count, 'record')} did not come over.`, {
      nextStep: isMissing
        ? 'Ask the custodian for them, then run `carequorum rotate` again; or give --leave-behind.'
        : 'They never opened with your keys: run `carequorum rotate --leave-behind`.',
      details: { stuck: records.stuck.map((one) => ({ ...one })), broken: [...broken] },
    });
  }
  return {
    json: {
      from,
      pseudonym: patient.pseudonym,
      moved: [...records.moved],
      left: [...records.left],
      permissions: permissions.shared.map((one) => ({ ...one })),
      leftOut: [...permissions.leftOut],
      notShared: permissions.failed.map((one) => ({ ...one })),
      begun: certifiedJson(begun),
      ...certifiedJson(finished),
    },
    lines: [
      `You have new keys. Your pseudonym is ${patient.pseudonym}.`,
      `${plural(records.moved.length, 'record')} came over; ${plural(permissions.shared.length, 'permission')} given again.`,
      ...(records.left.length > 0
        ? [`${plural(records.left.length, 'record is', 'records are')} left behind for good.`]
        : []),
      ...(permissions.leftOut.length > 0
        ? [
            `${plural(permissions.leftOut.length, 'permission')} ended and ${permissions.leftOut.length === 1 ? 'is' : 'are'} not given again.`,
          ]
        : []),
      ...permissions.failed.map(({ permissionId, reason }) => `${permissionId} ended: ${reason}.`),
      certifiedLine(finished),
      'Guardians of before belong to the old keys: name them anew.',
      ...cardLines(patient, begun),
    ],
  };
}

const endedSchema = z.looseObject({
  escrows: z.array(z.looseObject({ kind: z.string() })).optional(),
});

/** A rotation ends emergency access; a keystore that came back does not know what was in it. */
function cardLines({ data }: Patient, { value }: Rotated['begun']): string[] {
  if (data.emergency) return ['Your emergency card is void: your next command makes a new one.'];
  const { escrows = [] } = endedSchema.parse(value);
  if (!escrows.some(({ kind }) => kind === 'emergency')) return [];
  return [
    'Your emergency card is VOID, and in an emergency nobody finds anything of you until you make a new one: ' +
      'carequorum emergency prepare',
  ];
}

/** Records are nearly all of the work. */
function partOf({ step, done, of }: RotationProgress): number {
  const part = of === 0 ? 1 : done / of;
  if (step === 'keys') return 0.05 * part;
  return step === 'permissions' ? 0.05 + 0.1 * part : 0.15 + 0.85 * part;
}
