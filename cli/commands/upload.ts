/** `carequorum upload`: a clinician writes documents for a patient; a stopped run goes on. */
import { createHash } from 'node:crypto';
import type { PathLike } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { categoryName, categoryOfContent, DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { mediaTypeOf } from '../../sdk/media-type.ts';
import {
  fileSource,
  readFileStart,
  readTextFile,
  walkFiles,
  writeTextFile,
} from '../../sdk/platform/node.ts';
import type { Uploaded } from '../../sdk/upload.ts';
import type { TicketStore } from '../../sdk/upload-ticket.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { Journal } from '../journal.ts';
import {
  collectCategories,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
} from '../options.ts';
import { bytesText, type CommandResult, plural, ProgressBar, shortId } from '../output.ts';
import { type KnownPatient, knownPatients, patientNamed } from '../people.ts';
import { certifiedJson } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth } from '../times.ts';

interface UploadOptions extends CommonOptions {
  readonly patient?: string;
  readonly category?: readonly string[];
  readonly dataMonth?: string;
  readonly mediaType?: string;
  readonly supersedes?: string;
}

/** A file as it will be uploaded. */
interface Planned {
  readonly file: PathLike;
  /** Path that readers see. */
  readonly name: string;
  readonly category: string;
  readonly mediaType: string;
  readonly length: number;
  /** Names this very upload in the journal of an unfinished run. */
  readonly key: string;
}

const START_BYTES = 8_192;

export function addUpload(program: Command, run: Runner): void {
  const command = program
    .command('upload')
    .summary('clinicians: write documents for a patient')
    .description(
      'Encrypts documents on this machine and writes them for a patient who granted you `write`. You do ' +
        'not get to read what others wrote. Each document is readable at once, and marked until the ' +
        'patient confirms it.\n' +
        'A folder is uploaded with all its files. Without --category, the sub-folder or the content says ' +
        'which kind of record a file is.\n' +
        'Ctrl-C finishes the file under way; run the same command again and it goes on with the rest. If ' +
        'the program is ended in the middle of a file, what was sent of it is not sent again.',
    )
    .argument('<path...>', 'files and folders')
    .option('--patient <patient>', 'pseudonym, its start, or the name')
    .option('--category <name>', 'kind of record', collectCategories)
    .option('--data-month <month>', 'month that the data is of (default: this one)', parseMonth)
    .option('--media-type <type>', 'as application/pdf (default: by content and name)')
    .option('--supersedes <record>', 'id of the record that this one file corrects', parseId);
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum upload report.pdf --keystore ada.keystore --patient "Anna Muster" --category laboratory',
    'carequorum upload visit-2026-11/ --keystore ada.keystore --patient PSEUDONYM --data-month 2026-11',
  ]).action((paths: readonly string[], options: UploadOptions) =>
    run(options, (context) => upload(context, paths, options)),
  );
}

async function upload(
  context: CommandContext,
  paths: readonly string[],
  options: UploadOptions,
): Promise<CommandResult> {
  const planned = await plan(paths, options);
  if (options.supersedes !== undefined && planned.length !== 1) {
    throw new UsageError('--supersedes goes with one file.', 'Correct one record at a time.');
  }
  const clinician = await context.clinician();
  const known = await context.look('Asking the hospitals', () => knownPatients(clinician));
  const { pseudonym } = writtenFor(known, options.patient);
  const journal = await Journal.open(journalPath(context.keystorePath, paths, pseudonym));
  if (journal.size > 0) {
    context.note(
      `Going on: ${plural(journal.size, 'file')} of an earlier run ${journal.size === 1 ? 'is' : 'are'} there already.`,
    );
  }
  const done: { planned: Planned; recordId: string; uploaded: Uploaded | null }[] = [];
  for (const one of planned) {
    const before = journal.get(one.key);
    if (before !== undefined) {
      done.push({ planned: one, recordId: before, uploaded: null });
      continue;
    }
    context.environment.interrupt.throwIfRequested(
      `Stopped after ${done.length} of ${plural(planned.length, 'file')}; those are safe.`,
      'Run the same command again: it goes on with the rest.',
    );
    const uploaded = await uploadOne(context, clinician, one, { ...options, pseudonym });
    await context.keepReceipts([uploaded.registered, uploaded.stored]);
    if (planned.length > 1) await journal.add(one.key, uploaded.recordId);
    done.push({ planned: one, recordId: uploaded.recordId, uploaded });
  }
  await journal.finish();
  return {
    json: {
      pseudonym,
      records: done.map(
        ({ planned: { name, category, mediaType, length }, recordId, uploaded }) => ({
          recordId,
          name,
          category,
          mediaType,
          size: length,
          registered: uploaded ? certifiedJson(uploaded.registered) : null,
          stored: uploaded ? certifiedJson(uploaded.stored) : null,
        }),
      ),
    },
    lines: [
      ...done.map(
        ({ planned: { name, category }, recordId }) => `${recordId}  ${category}  ${name}`,
      ),
      `${plural(done.length, 'record is', 'records are')} stored for ${shortId(pseudonym)}…; the patient is told.`,
    ],
  };
}

async function uploadOne(
  context: CommandContext,
  clinician: Clinician,
  { file, name, category, mediaType, length, key }: Planned,
  options: UploadOptions & { readonly pseudonym: string },
): Promise<Uploaded> {
  const bar = new ProgressBar(context.environment, name);
  const tickets = ticketFile(context.keystorePath, key);
  const { pseudonym, dataMonth, supersedes } = options;
  try {
    const uploaded = await context.environment.interrupt.protect(async () =>
      clinician.upload(
        await fileSource(file, name),
        { pseudonym, category, mediaType, dataMonth, supersedes },
        { onProgress: (at, total) => bar.update(at, total), tickets },
      ),
    );
    bar.end(`${name}: ${bytesText(length)}, block ${uploaded.stored.height}`);
    return uploaded;
  } catch (error) {
    bar.clear();
    context.note(`${name} was not uploaded.`);
    throw error;
  }
}

async function plan(paths: readonly string[], options: UploadOptions): Promise<Planned[]> {
  const category = oneCategory(options.category);
  const planned: Planned[] = [];
  for (const path of paths) {
    const isFolder = (await stat(path).catch(() => null))?.isDirectory() ?? false;
    const files: { readonly file: PathLike; readonly name: string }[] = isFolder
      ? (await walkFiles(path)).map((one) => ({ file: one.path, name: one.relative }))
      : [{ file: path, name: basename(path) }];
    for (const { file, name } of files) {
      const { length } = await fileSource(file, name);
      const start = await readFileStart(file, START_BYTES);
      const { mtimeMs } = await stat(file);
      const chosen = category ?? categoryOf(name, start);
      const identity = [resolve(path), name, chosen, length, mtimeMs].join('\n');
      planned.push({
        file,
        name,
        category: chosen,
        mediaType: options.mediaType ?? mediaTypeOf(name, start),
        length,
        key: digestText(identity),
      });
    }
  }
  if (planned.length > 0) return planned;
  throw new SdkError('bad_input', 'There are no files in it.', { nextStep: 'Check the path.' });
}

/** The sub-folder's name, else what the content says, else the general one. */
function categoryOf(name: string, start: Uint8Array): string {
  const [top = '', ...rest] = name.split('/');
  if (rest.length === 0) return categoryOfContent(name, start) ?? DEFAULT_CATEGORY;
  try {
    return categoryName(top);
  } catch {
    return DEFAULT_CATEGORY;
  }
}

function oneCategory(categories: readonly string[] | undefined): string | undefined {
  if (categories !== undefined && categories.length > 1) {
    throw new UsageError('A record is of one category.', 'Give one --category.');
  }
  return categories?.[0];
}

/** The patient of --patient; without it, the only one. */
function writtenFor(known: readonly KnownPatient[], wanted: string | undefined): KnownPatient {
  if (wanted !== undefined) return patientNamed(known, wanted);
  const [first, ...others] = known;
  if (first && others.length === 0) return first;
  throw new SdkError('bad_input', 'Nothing says for which patient this is.', {
    nextStep: 'Give --patient: `carequorum records` lists those who granted you something.',
  });
}

/** Beside the keystore; one for each set of paths and patient. */
function journalPath(keystore: string, paths: readonly string[], pseudonym: string): string {
  const run = digestText([pseudonym, ...paths.map((path) => resolve(path))].join('\n'));
  return join(dirname(keystore), `.${basename(keystore)}.upload-${run.slice(0, 16)}.json`);
}

/** Beside the keystore, while a file is on its way; sealed to the keystore's own key. */
function ticketFile(keystore: string, key: string): TicketStore {
  const path = join(dirname(keystore), `.${basename(keystore)}.upload-${key.slice(0, 16)}.part`);
  return {
    async load() {
      const text = await readTextFile(path);
      return text === null ? null : new Uint8Array(Buffer.from(text, 'base64url'));
    },
    save: (sealed) =>
      writeTextFile(path, Buffer.from(sealed).toString('base64url'), { isPrivate: true }),
    clear: () => rm(path, { force: true }),
  };
}

function digestText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
