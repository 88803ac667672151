/** `carequorum revoke`: a patient takes a permission back, and is told what was read before. */
import type { Command } from 'commander';
import { revoke } from '../../sdk/grants.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural } from '../output.ts';
import {
  afterReading,
  differenceLines,
  findPermission,
  followTeams,
  resealedJson,
  resealedLines,
  usesOf,
  usesText,
} from '../permissions.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { listText } from '../words.ts';

interface RevokeOptions extends CommonOptions {
  readonly preview?: boolean;
}

export function addRevoke(program: Command, run: Runner): void {
  const command = program
    .command('revoke')
    .summary('patients: take a permission back')
    .description(
      'Takes a permission back: from its block on, nothing new is opened by it, and new records get new ' +
        'keys. It cannot undo what was read: you see each record that was, when and by whom. An access that ' +
        'was allowed just before stays usable for a few minutes; the exact time is shown.\n' +
        'Others who may still read the same categories get the new keys under their permissions.\n' +
        'To take back only a part, see `carequorum permission narrow`.',
    )
    .argument('<permission>', 'id of the permission, or its start', parseId)
    .option('--preview', 'only show what this would take back; sign nothing');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum revoke PERMISSION --keystore anna.keystore',
    'carequorum revoke PERMISSION --keystore anna.keystore --yes --json',
    'carequorum grant --keystore anna.keystore --list      # the ids',
  ]).action((id: string, options: RevokeOptions) =>
    run(options, (context) => takeBack(context, id, options)),
  );
}

async function takeBack(
  context: CommandContext,
  wanted: string,
  { preview }: RevokeOptions,
): Promise<CommandResult> {
  const patient = await context.patient();
  const isWatched = context.asks || preview === true;
  const shown = await context.look('Looking what was read', async (signal) => {
    const known = await findPermission(patient, wanted, signal);
    const uses = await usesOf(patient, known.permission.id, signal);
    const lost = { more: known.terms, less: null, isWatched };
    return {
      ...known,
      uses,
      useTexts: await usesText(context, patient, uses, isWatched),
      lost: await differenceLines(context, patient, lost),
    };
  });
  const { permission, terms, who, useTexts, lost } = shown;
  const { rights, categories } = terms;
  const lines = [
    `${preview === true ? 'This would take' : 'You are about to take'} this from ${who}: ` +
      `${listText(rights)} ${listText(categories)}.`,
    ...(rights.includes('read')
      ? [`No longer opened: ${plural(lost.count, 'record')} of today, and all later ones.`]
      : []),
    ...lost.lines,
    ...(useTexts.length === 0
      ? ['Nothing was read with it so far.']
      : [`It was used ${plural(useTexts.length, 'time')}; that stays known:`, ...useTexts]),
  ];
  if (preview === true) {
    const lostIds = lost.records.map(({ id }) => id);
    return {
      json: {
        preview: { permissionId: permission.id, from: who, lost: lostIds, used: shown.uses },
      },
      lines: [...lines, 'Nothing was signed: this was a preview.'],
    };
  }
  await context.confirm(lines, 'Take it back?');
  const done = await context.work('Asking the hospitals', () => revoke(patient, permission.id));
  await context.keepReceipts([done.result, ...done.renewed.map((one) => one.result)]);
  const followed = await followTeams(context, patient);
  // Asked again: something may have been read until the very block.
  const last = await context.look('Looking what was read', async (signal) => {
    const uses = await usesOf(patient, permission.id, signal);
    return { uses, texts: await usesText(context, patient, uses, context.asks) };
  });
  return {
    json: {
      permissionId: permission.id,
      from: who,
      usedBefore: last.uses.map(({ fn, recordId, time, height, actor, team }) => {
        return { fn, recordId, time, height, by: actor.subject, team };
      }),
      receiptsUsableUntil: done.receiptsUsableUntil,
      renewed: resealedJson(done.renewed),
      ...certifiedJson(done.result),
    },
    lines: [
      `The permission of ${who} is taken back.`,
      certifiedLine(done.result),
      ...(rights.includes('read') ? afterReading(last.texts, done.receiptsUsableUntil) : []),
      ...resealedLines([...done.renewed, ...followed], done.skipped),
    ],
  };
}
