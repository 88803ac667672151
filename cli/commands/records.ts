/** `carequorum records`: own records of a patient; granted ones of a clinician. */
import type { Command } from 'commander';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { Patient } from '../../sdk/patient.ts';
import { type ListedRecord, openListed } from '../../sdk/read.ts';
import { SdkError } from '../../sdk/errors.ts';
import { patientReader } from '../../sdk/patient-reader.ts';
import { completenessLines, completenessOf, noticeLines } from '../completeness.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, keystoreOptions, purposeOption } from '../options.ts';
import { bytesText, type CommandResult, shortId, table } from '../output.ts';
import { grantedNames, identitiesOf, knownPatients, patientNamed, personText } from '../people.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { type GrantablePurpose, reviewText, stateOf } from '../words.ts';

interface RecordsOptions extends CommonOptions {
  readonly patient?: string;
  readonly names: boolean;
  readonly purpose?: GrantablePurpose;
}

export function addRecords(program: Command, run: Runner): void {
  const command = program
    .command('records')
    .summary('list records: your own, or those that a patient lets you read')
    .description(
      'Patients see all of their own records, who wrote each, and whether it awaits their confirmation. ' +
        'Clinicians see the patients who granted something; with --patient, the records that they may read.\n' +
        'Names of records are sealed: asking for them is an access that the patient sees in the history. ' +
        '--no-names leaves them out. The list is proven to be complete.',
    )
    .option('--patient <patient>', 'clinicians: pseudonym, its start, or the name')
    .option('--no-names', 'without the names of records')
    .addOption(purposeOption());
  examples(keystoreOptions(command), [
    'carequorum records --keystore anna.keystore',
    'carequorum records --keystore bruno.keystore',
    'carequorum records --keystore bruno.keystore --patient "Anna Muster"',
  ]).action((options: RecordsOptions) => run(options, (context) => records(context, options)));
}

async function records(context: CommandContext, options: RecordsOptions): Promise<CommandResult> {
  const person = await context.person();
  if (person.kind === 'patient') return ownRecords(context, person.patient, options);
  if (person.kind === 'operator') {
    throw new SdkError('wrong_keystore', 'Operators see no records.', {
      nextStep: 'Give the keystore of a patient or a clinician with --keystore.',
    });
  }
  const { clinician } = person;
  if (options.patient === undefined) return patientsOf(context, clinician);
  return grantedRecords(context, clinician, { ...options, patient: options.patient });
}

async function ownRecords(
  context: CommandContext,
  patient: Patient,
  { names }: RecordsOptions,
): Promise<CommandResult> {
  const all = await context.look('Asking the hospitals', (signal) => patient.records({ signal }));
  const listed =
    names && all.length > 0
      ? await context.work('Opening the names', async () => {
          const reader = patientReader(patient, context.files);
          return (await openListed(reader, patient.pseudonym, all)).listed;
        })
      : all.map((record) => ({ record, metadata: null }));
  return listResult(context, patient, listed, {
    categories: patient.categoryNames(),
    hasNames: names,
  });
}

async function grantedRecords(
  context: CommandContext,
  clinician: Clinician,
  options: RecordsOptions & { readonly patient: string },
): Promise<CommandResult> {
  const known = await context.look('Asking the hospitals', () => knownPatients(clinician));
  const { pseudonym, grants } = patientNamed(known, options.patient);
  const listed = options.names
    ? (
        await context.work('Asking for the names', () =>
          clinician.list(pseudonym, options.purpose ?? 'TREAT'),
        )
      ).listed
    : (await context.look('Asking the hospitals', () => clinician.records(pseudonym))).map(
        (record) => ({ record, metadata: null }),
      );
  return listResult(context, clinician, listed, {
    categories: grantedNames(grants),
    hasNames: options.names,
  });
}

async function listResult(
  context: CommandContext,
  person: Patient | Clinician,
  listed: readonly ListedRecord[],
  { categories, hasNames }: { categories: ReadonlyMap<string, string>; hasNames: boolean },
): Promise<CommandResult> {
  const { session, signer } = person;
  const isOwn = person instanceof Patient;
  const completeness = completenessOf(listed, { session, isOwn, hasNames });
  const writers = listed.map(({ record }) => record.uploader.subject);
  const people = await context.look('Looking for the writers', () =>
    identitiesOf(session, signer, writers),
  );
  const rows = listed.map(({ record, metadata }) => {
    const writer = people.get(record.uploader.subject);
    return [
      record.id,
      record.dataMonth,
      categories.get(record.categoryTag) ?? '',
      stateText(record),
      metadata ? bytesText(metadata.size) : '',
      writer ? personText(writer) : '',
      metadata?.path ?? '',
    ];
  });
  return {
    json: {
      records: listed.map(({ record, metadata }) => ({
        ...record,
        category: categories.get(record.categoryTag) ?? null,
        writer: people.get(record.uploader.subject)?.name ?? null,
        path: metadata?.path ?? null,
        mediaType: metadata?.mediaType ?? null,
        size: metadata?.size ?? null,
      })),
      ...completeness,
    },
    lines:
      rows.length === 0
        ? ['There are no records here.', ...completenessLines(completeness)]
        : [
            ...table(['record', 'month', 'category', 'state', 'size', 'written by', 'name'], rows),
            ...noticeLines(listed.map(({ record }) => categories.get(record.categoryTag) ?? '')),
            ...completenessLines(completeness),
          ],
  };
}

/** What a reader must know before relying on it. */
function stateText({ stored, erased, retracted, supersededBy, review }: MedicalRecord): string {
  if (erased !== null) return 'ERASED';
  if (retracted) return `TAKEN BACK: ${retracted.reason}`;
  if (stored === null) return 'not stored';
  if (supersededBy !== null) return `corrected by ${shortId(supersededBy)}`;
  return reviewText(review);
}

/** Who granted what. */
async function patientsOf(context: CommandContext, clinician: Clinician): Promise<CommandResult> {
  const known = await context.look('Asking the hospitals', () => knownPatients(clinician));
  const now = context.now();
  const rows = known.flatMap(({ pseudonym, name, grants }) =>
    grants.map(({ permission, share }) => [
      pseudonym,
      name,
      stateOf(permission, now),
      permission.rights.join(', '),
      permission.categories
        .map((tag) => share?.categories.find((one) => one.tag === tag)?.name ?? shortId(tag))
        .join(', '),
      timeText(permission.until),
    ]),
  );
  return {
    json: {
      patients: known.map(({ pseudonym, name, grants }) => ({
        pseudonym,
        name,
        permissions: grants.map(({ permission, share }) => ({
          ...permission,
          state: stateOf(permission, now),
          categoryNames: share?.categories.map((one) => one.name) ?? null,
        })),
      })),
    },
    lines:
      rows.length === 0
        ? ['No patient gave you a permission yet.']
        : [
            ...table(['patient', 'name', 'state', 'may', 'categories', 'until'], rows),
            '',
            'Records of one: carequorum records --patient PATIENT',
          ],
  };
}
