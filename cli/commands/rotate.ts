/** `carequorum rotate`: a patient whose keys are known to others gets new ones for everything. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Patient } from '../../sdk/patient.ts';
import { guardRotation, isRotating, rotate, type Rotated } from '../../sdk/rotation.ts';
import type { RotationProgress } from '../../sdk/rotation-options.ts';
import type { CommandContext } from '../context.ts';
import {
  collectLeftOut,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, ProgressBar, shortId } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import { type Choice, choiceLines, choosePermissions } from '../rotation-choice.ts';
import { rotationKeyOf, writeRotationKey } from '../rotation-key.ts';
import type { Runner } from '../runner.ts';
import { parseWhen, type When } from '../times.ts';

interface RotateCommandOptions extends CommonOptions {
  readonly rotationKey?: string;
  readonly makeRotationKey?: string;
  readonly newPassphraseFile?: string;
  readonly leaveBehind?: boolean;
  readonly since?: When;
  readonly leaveOut?: readonly string[];
}

export function addRotate(program: Command, run: Runner): void {
  const command = program
    .command('rotate')
    .summary('patients: get new keys for everything, after a theft')
    .description(
      'For when somebody else may have your keystore and its passphrase. You get new keys and a new ' +
        'pseudonym. The old keys are dead at once: whoever has them can neither read nor grant any ' +
        'more. Then your records are encrypted again, one by one, and those who may read now may read ' +
        'on. It cannot take back what was read or copied before.\n' +
        'A thief may have given permissions with your keys, and only you can tell which: you see all of ' +
        'them before you say yes. --since DATE marks those that were given or extended from then on, and ' +
        '--leave-out ends those that you name; whatever you did not see is not given again either.\n' +
        'Ctrl-C stops it between two records; run the same command again and it goes on. Until it is ' +
        'done, records that have not come over cannot be read.\n' +
        'A rotation key is a file that you keep apart from your keystore, for example on a stick at ' +
        'home. Once you have made one, nobody can rotate without it, a thief neither.',
    )
    .option('--rotation-key <file>', 'your rotation key, if you made one')
    .option(
      '--make-rotation-key <file>',
      'make a rotation key, write it there, and do nothing more',
    )
    .option('--new-passphrase-file <file>', 'put the keystore under the passphrase in this file')
    .option('--since <time>', 'since when somebody else may have had your keys', parseWhen)
    .option(
      '--leave-out <ids>',
      'permissions that are not given again, with commas; `recent`: all since --since',
      collectLeftOut,
    )
    .option('--leave-behind', 'give up records that the custodian lost or that never opened');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum rotate --keystore anna.keystore --make-rotation-key /media/stick/anna.rotation-key',
    'carequorum rotate --keystore anna.keystore --rotation-key /media/stick/anna.rotation-key',
    'carequorum rotate --keystore anna.keystore --since 2026-11-02 --leave-out recent',
    'carequorum rotate --keystore anna.keystore --new-passphrase-file new.txt --yes --json',
  ]).action((options: RotateCommandOptions) =>
    run(options, (context) =>
      options.makeRotationKey === undefined
        ? rotateAll(context, options)
        : makeRotationKey(context, options, options.makeRotationKey),
    ),
  );
}

async function makeRotationKey(
  context: CommandContext,
  options: RotateCommandOptions,
  path: string,
): Promise<CommandResult> {
  const patient = await context.patient();
  const previous = await rotationKeyOf(options);
  const key = await generateSigningKey({ extractable: true });
  // Written first: a key that the ledger names and nobody has would forbid every rotation.
  await writeRotationKey(path, key);
  const result = await context.work('Asking the hospitals', () =>
    guardRotation(patient, key, previous),
  );
  await context.keepReceipts([result]);
  return {
    json: { rotationKey: path, ...certifiedJson(result) },
    lines: [
      `Your rotation key is in ${path}. Keep it apart from your keystore, and do not lose it:`,
      'without it you can neither rotate nor erase; your guardians could still help you to recover.',
      certifiedLine(result),
    ],
  };
}

async function rotateAll(
  context: CommandContext,
  options: RotateCommandOptions,
): Promise<CommandResult> {
  const patient = await context.patient();
  const rotationKey = await rotationKeyOf(options);
  const isGoingOn = isRotating(patient);
  if (isGoingOn) context.note('Going on with the rotation that was begun, as you chose then.');
  const choice = isGoingOn ? null : await choosePermissions(context, patient, options);
  if (choice) await confirm(context, patient, choice);
  if (options.newPassphraseFile !== undefined) {
    const passphrase = (await readFile(options.newPassphraseFile, 'utf8')).replace(/\r?\n$/, '');
    // Before the new keys are made: none of them is ever under the old passphrase.
    await patient.keystore.relock(passphrase, context.environment.workFactor);
  }
  const { keep } = choice ?? {};
  const done = await rotateShown(context, patient, { ...options, keep, key: rotationKey });
  return rotationResult(done, options);
}

/** Rotates with progress to see, until it is done or stopped by Ctrl-C. */
export async function rotateShown(
  context: CommandContext,
  patient: Patient,
  {
    leaveBehind,
    keep,
    key,
  }: Pick<RotateCommandOptions, 'leaveBehind'> & {
    keep?: Choice['keep'] | undefined;
    key?: SigningKey | undefined;
  },
): Promise<Rotated> {
  const bar = new ProgressBar(context.environment, 'rotation');
  const { interrupt } = context.environment;
  try {
    const done = await interrupt.protect(() =>
      rotate(patient, {
        rotationKey: key,
        leaveBehind,
        keep,
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

async function confirm(context: CommandContext, patient: Patient, choice: Choice): Promise<void> {
  const chosen = await choiceLines(patient, choice);
  await context.confirm(
    [
      `You are about to get new keys for everything that is under ${shortId(patient.pseudonym)}…:`,
      '  · the keys that you have now are dead from that moment on, whoever holds them;',
      '  · your records are encrypted again, which may take minutes; you can stop and go on;',
      '  · those whom you leave in below may read or write on, under the same terms.',
      ...chosen,
      'What somebody read or copied before cannot be taken back.',
    ],
    'Get new keys?',
  );
}

/** Throws where records are in the way: the rotation is not over. */
export function rotationResult(done: Rotated, options: RotateCommandOptions): CommandResult {
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
  const words = options.newPassphraseFile === undefined;
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
      ...(patient.data.emergency
        ? ['Your emergency card is void: your next command makes a new one.']
        : []),
      ...(words
        ? [
            'The keystore has its old passphrase: if somebody knows it, give another with --new-passphrase-file.',
          ]
        : []),
    ],
  };
}

/** Records are nearly all of the work. */
function partOf({ step, done, of }: RotationProgress): number {
  const part = of === 0 ? 1 : done / of;
  if (step === 'keys') return 0.05 * part;
  return step === 'permissions' ? 0.05 + 0.1 * part : 0.15 + 0.85 * part;
}
