/** `carequorum private`: what a patient keeps for nobody else. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { SdkError } from '../../sdk/errors.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { listPrivate, PRIVATE_BYTES_MAX, putPrivate } from '../../sdk/private.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, keystoreOptions, receiptsOption } from '../options.ts';
import { bytesText, type CommandResult, plural, shortId, table } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

export function addPrivate(program: Command, run: Runner): void {
  const command = program
    .command('private')
    .summary('patients: keep notes and small files for nobody but you')
    .description(
      'Private data is encrypted to your keys alone: no grant and no emergency opens it. The hospitals ' +
        'hold a commitment, by which you see later that nobody changed it.',
    );
  examples(command, [
    'carequorum private put diary.txt --keystore anna.keystore',
    'carequorum private list --keystore anna.keystore',
  ]);
  const put = command
    .command('put')
    .summary('keep a small file')
    .description(
      'Keeps a file of up to 64 KiB, encrypted on this machine; one of the same name is replaced.',
    )
    .argument('<file>', 'the file')
    .option('--name <name>', 'what you call it (default: the name of the file)');
  examples(receiptsOption(keystoreOptions(put)), [
    'carequorum private put diary.txt --keystore anna.keystore',
    'carequorum private put IMG_0042.jpg --name "my rash, in May" --keystore anna.keystore',
  ]).action((file: string, options: CommonOptions & { name?: string }) =>
    run(options, (context) => keep(context, file, options.name ?? basename(file))),
  );
  const get = command
    .command('get')
    .summary('get one back')
    .description(
      'Fetches it, compares it with what the hospitals hold of it, decrypts it, and writes the file.',
    )
    .argument('<name>', 'what you call it')
    .option('--out <file>', 'where it goes (default: its name, here)');
  examples(keystoreOptions(get), [
    'carequorum private get diary.txt --keystore anna.keystore',
    'carequorum private get diary.txt --out diary-again.txt --keystore anna.keystore',
  ]).action((name: string, options: CommonOptions & { out?: string }) =>
    run(options, (context) => fetchOne(context, name, options.out ?? basename(name))),
  );
  const list = command
    .command('list')
    .summary('what you keep')
    .description('Names and sizes of what you keep for yourself. Nobody else can read this list.');
  examples(keystoreOptions(list), [
    'carequorum private list --keystore anna.keystore',
    'carequorum private list --json --keystore anna.keystore',
  ]).action((options: CommonOptions) => run(options, listAll));
}

async function keep(context: CommandContext, file: string, name: string): Promise<CommandResult> {
  const { length } = await fileSource(file);
  if (length > PRIVATE_BYTES_MAX) {
    throw new SdkError('bad_input', `${file} is over 64 KiB.`, {
      nextStep: 'Private data is for small files; let a doctor upload a large one as a record.',
    });
  }
  const bytes = new Uint8Array(await readFile(file));
  const patient = await context.patient();
  const { privateId, result } = await context.work('Keeping it', () =>
    putPrivate(patient, { name, bytes }),
  );
  await context.keepReceipts([result]);
  return {
    json: { privateId, name, size: length, ...certifiedJson(result) },
    lines: [`«${name}» is kept for you alone.`, certifiedLine(result)],
  };
}

async function fetchOne(
  context: CommandContext,
  name: string,
  out: string,
): Promise<CommandResult> {
  const patient = await context.patient();
  const { pieces } = await context.look('Asking', () => listPrivate(patient));
  const piece = pieces.find((one) => one.name === name);
  if (!piece) {
    throw new SdkError('not_found', `You keep nothing that is called «${name}».`, {
      nextStep: 'See `carequorum private list`.',
    });
  }
  const sink = context.trackSink(await fileSink(out));
  await sink.write(piece.bytes);
  const path = await sink.keep();
  return {
    json: { privateId: piece.privateId, name, path, size: piece.bytes.length },
    lines: [`Written: ${path}`],
  };
}

async function listAll(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const { pieces, broken } = await context.look('Asking', () => listPrivate(patient));
  for (const { privateId, reason } of broken) context.note(`${shortId(privateId)}…: ${reason}.`);
  const rows = pieces.map(({ name, bytes, version, time }) => [
    name,
    bytesText(bytes.length),
    String(version),
    timeText(time),
  ]);
  return {
    json: {
      private: pieces.map(({ privateId, name, bytes, version, time }) => {
        return { privateId, name, size: bytes.length, version, time };
      }),
      broken: broken.map((one) => ({ ...one })),
    },
    lines:
      rows.length === 0
        ? ['You keep no private data.']
        : [
            ...table(['name', 'size', 'version', 'written'], rows),
            ...(broken.length > 0 ? [`${plural(broken.length, 'piece')} cannot be shown.`] : []),
          ],
  };
}
