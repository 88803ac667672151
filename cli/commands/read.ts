/** `carequorum read`: access is asked of the hospitals, then the document is fetched and checked. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileExists, fileSink } from '../../sdk/platform/node.ts';
import { readDocument, type ReadDocument, type Reader } from '../../sdk/read.ts';
import { redisclosureNotice } from '../../sdk/categories.ts';
import { patientReader } from '../../sdk/patient-reader.ts';
import { noticeLines } from '../completeness.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { Journal } from '../journal.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  purposeOption,
  receiptsOption,
} from '../options.ts';
import { bytesText, type CommandResult, plural, ProgressBar, shortId } from '../output.ts';
import { byId, knownPatients, patientNamed } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { fileBelow, pathBelow } from '../safe-path.ts';
import type { GrantablePurpose } from '../words.ts';

interface ReadOptions extends CommonOptions {
  readonly all?: boolean;
  readonly patient?: string;
  readonly out?: string;
  readonly purpose?: GrantablePurpose;
}

const ID_CHARS = 22;
const JOURNAL_NAME = '.carequorum-read.json';

export function addRead(program: Command, run: Runner): void {
  const command = program
    .command('read')
    .summary('open a record: your own, or one that a patient lets you read')
    .description(
      'Asks the hospitals for access, fetches the record, checks every byte against what was registered, ' +
        'and writes it in clear to --out. Allowed or refused, the patient sees in the history that you ' +
        'asked. Nothing is ever overwritten.\n' +
        'With --all, all records that you may read (clinicians: of --patient) go below the folder --out. ' +
        'Ctrl-C finishes the record under way; run the same command again and it goes on with the rest.',
    )
    .argument('[record]', 'id of the record, or its start', parseId)
    .option('--out <path>', 'file, or folder (default: this folder, under its own name)')
    .option('--all', 'all records, below the folder --out')
    .option('--patient <patient>', 'with --all, clinicians: pseudonym, its start, or the name')
    .addOption(purposeOption());
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum read RECORD --keystore bruno.keystore --out report.pdf',
    'carequorum read --all --patient "Anna Muster" --keystore bruno.keystore --out anna/',
    'carequorum read --all --keystore anna.keystore --out my-records/',
  ]).action((id: string | undefined, options: ReadOptions) =>
    run(options, (context) => {
      if ((id === undefined) !== (options.all === true)) {
        throw new UsageError('Give one record, or --all.', 'See `carequorum read --help`.');
      }
      return id === undefined ? readAll(context, options) : readOne(context, id, options);
    }),
  );
}

async function readOne(
  context: CommandContext,
  id: string,
  options: ReadOptions,
): Promise<CommandResult> {
  const person = await context.person();
  const place = await placeOf(options.out);
  let reader: Reader;
  let record: MedicalRecord;
  if (person.kind === 'patient') {
    reader = patientReader(person.patient, context.files);
    record = await ownRecord(context, person.patient, id);
  } else if (person.kind === 'clinician') {
    const purpose = options.purpose ?? 'TREAT';
    record = await grantedRecord(context, person.clinician, id, purpose);
    reader = await person.clinician.reader(purpose);
  } else {
    throw noReader();
  }
  const done = await readTo(context, reader, record, (path) => sinkPath(place, path, record.id));
  await context.keepReceipts([done.access]);
  return {
    json: { records: [documentJson(done)], ...certifiedJson(done.access) },
    lines: [
      `Written: ${done.path}`,
      ...noticeLines([done.metadata.category]),
      ...standInLines(reader),
      certifiedLine(done.access),
    ],
  };
}

async function readAll(context: CommandContext, options: ReadOptions): Promise<CommandResult> {
  const folder = options.out ?? '.';
  const person = await context.person();
  if (person.kind === 'operator') throw noReader();
  const { reader, records } = await context.look('Asking the hospitals', () =>
    person.kind === 'patient'
      ? ownRecords(context, person.patient)
      : grantedRecords(person.clinician, options),
  );
  await mkdir(folder, { recursive: true });
  const journal = await Journal.open(join(folder, JOURNAL_NAME));
  const done: ReadDocument[] = [];
  let skipped = 0;
  for (const record of records) {
    const before = journal.get(record.id);
    if (before !== undefined && (await fileExists(before))) {
      skipped += 1;
      continue;
    }
    context.environment.interrupt.throwIfRequested(
      `Stopped after ${done.length + skipped} of ${plural(records.length, 'record')}; those are written.`,
      'Run the same command again: it goes on with the rest.',
    );
    const document = await readTo(context, reader, record, async (name) => {
      const path = pathBelow(folder, name, record.id);
      return (await fileExists(path)) ? `${path}.${shortId(record.id)}` : path;
    });
    await context.keepReceipts([document.access]);
    await journal.add(record.id, document.path);
    done.push(document);
  }
  await journal.finish();
  return {
    json: { records: done.map(documentJson), skipped },
    lines: [
      ...done.map(({ path }) => path),
      `${plural(done.length, 'record is', 'records are')} written below ${folder}` +
        (skipped > 0 ? `; ${skipped} of an earlier run were there.` : '.'),
      ...noticeLines(done.map(({ metadata }) => metadata.category)),
      ...standInLines(reader),
    ],
  };
}

export async function readTo(
  context: CommandContext,
  reader: Reader,
  record: MedicalRecord,
  target: (path: string) => string | Promise<string>,
): Promise<ReadDocument> {
  const bar = new ProgressBar(context.environment, shortId(record.id));
  try {
    const done = await context.environment.interrupt.protect(() =>
      readDocument(
        reader,
        record,
        async ({ path }) => context.trackSink(await fileSink(await target(path))),
        (at, total) => bar.update(at, total),
      ),
    );
    bar.end(
      `${done.metadata.path}: ${bytesText(done.metadata.size)}, allowed in block ${done.access.height}`,
    );
    return done;
  } catch (error) {
    bar.clear();
    throw error;
  }
}

function ownRecord(context: CommandContext, patient: Patient, id: string): Promise<MedicalRecord> {
  return context.look('Asking the hospitals', async (signal) =>
    byId(await patient.records({ signal }), id, {
      what: 'record of yours',
      listedBy: 'carequorum records',
    }),
  );
}

/** The record's entry; one that may not be known is asked for, so that the refusal is recorded. */
async function grantedRecord(
  context: CommandContext,
  clinician: Clinician,
  id: string,
  purpose: GrantablePurpose,
): Promise<MedicalRecord> {
  if (id.length !== ID_CHARS) {
    return context.look('Asking the hospitals', async () => {
      const found: MedicalRecord[] = [];
      for (const { pseudonym } of await knownPatients(clinician)) {
        found.push(...(await clinician.records(pseudonym)));
      }
      return byId(found, id, {
        what: 'record that you may read',
        listedBy: 'carequorum records --patient PATIENT',
      });
    });
  }
  try {
    return await context.look('Asking the hospitals', () => clinician.record(id));
  } catch (error) {
    if (reasonOf(error) === 'unknown_record') {
      await context.work('Asking for access', () => clinician.requestAccess(id, purpose));
    }
    throw error;
  }
}

async function ownRecords(context: CommandContext, patient: Patient) {
  const records = (await patient.records()).filter(isReadable);
  return { reader: patientReader(patient, context.files), records };
}

async function grantedRecords(clinician: Clinician, { patient, purpose = 'TREAT' }: ReadOptions) {
  if (patient === undefined) {
    throw new UsageError('--all needs --patient.', 'See `carequorum records` for your patients.');
  }
  const { pseudonym } = patientNamed(await knownPatients(clinician), patient);
  const records = (await clinician.records(pseudonym)).filter(isReadable);
  // Nothing may be known here: asked for all the same, so that a refusal is certified and recorded.
  if (records.length === 0) await clinician.list(pseudonym, purpose);
  return { reader: await clinician.reader(purpose), records };
}

/** During an outage: where it came from. */
function standInLines({ session }: Reader): string[] {
  const { standIn } = session.sources;
  return standIn === null
    ? []
    : [`The custodian is away: this is the copy at ${standIn}; other records may be missing.`];
}

function isReadable({ stored, supersededBy, erased, retracted }: MedicalRecord): boolean {
  return stored !== null && supersededBy === null && erased === null && retracted === null;
}

/** A folder where it is one, or is written as one. */
export async function placeOf(out = '.'): Promise<{ path: string; isFolder: boolean }> {
  const found = await stat(out).catch(() => null);
  return { path: out, isFolder: found?.isDirectory() ?? /[/\\]$/.test(out) };
}

/** Where a record goes: below a folder under its own name, or where it was told. */
export function sinkPath(
  { path, isFolder }: { path: string; isFolder: boolean },
  name: string,
  recordId: string,
): string | Promise<string> {
  return isFolder ? fileBelow(path, name, recordId) : path;
}

function documentJson({ recordId, path, metadata, access }: ReadDocument) {
  const { mediaType, size, category, path: name } = metadata;
  const notice = redisclosureNotice(category);
  const json = { recordId, out: path, name, mediaType, size, category, notice };
  return { ...json, access: certifiedJson(access) };
}

function noReader(): SdkError {
  return new SdkError('wrong_keystore', 'Operators read no records.', {
    nextStep: 'Give the keystore of a patient or a clinician with --keystore.',
  });
}
