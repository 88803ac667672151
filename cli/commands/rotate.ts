/** `carequorum rotate`: a patient whose keys are known to others gets new ones for everything. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { guardRotation } from '../../sdk/rotation.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import { rotationKeyOf, writeRotationKey } from '../rotation-key.ts';
import {
  rotateAsChosen,
  rotationOptions,
  rotationResult,
  type RunOptions,
} from '../rotation-run.ts';
import type { Runner } from '../runner.ts';

interface RotateCommandOptions extends CommonOptions, RunOptions {
  readonly rotationKey?: string;
  readonly makeRotationKey?: string;
  readonly newPassphraseFile?: string;
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
    .option('--new-passphrase-file <file>', 'put the keystore under the passphrase in this file');
  examples(yesOption(receiptsOption(keystoreOptions(rotationOptions(command)))), [
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
  const { newPassphraseFile: path } = options;
  const done = await rotateAsChosen(context, patient, options, {
    asked: {
      opening: [
        `You are about to get new keys for everything that is under ${shortId(patient.pseudonym)}…:`,
        '  · the keys that you have now are dead from that moment on, whoever holds them;',
        '  · your records are encrypted again, which may take minutes; you can stop and go on;',
        '  · those whom you leave in below may read or write on, under the same terms.',
      ],
    },
    rotationKey,
    before: async () => {
      if (path === undefined) return;
      const passphrase = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
      // Before the new keys are made: none of them is ever under the old passphrase.
      await patient.keystore.relock(passphrase, context.environment.workFactor);
    },
  });
  const { json, lines } = rotationResult(done);
  const words =
    path === undefined
      ? [
          'The keystore has its old passphrase: if somebody knows it, give another with --new-passphrase-file.',
        ]
      : [];
  return { json, lines: [...lines, ...words] };
}
