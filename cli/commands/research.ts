/** `carequorum research`: doctors release, coordinators count and publish, researchers fetch. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { PublicationPlan } from '../../lib/research/publication-plan.ts';
import type { Box } from '../../lib/research/partition.ts';
import { collect, publish } from '../../sdk/coordination.ts';
import { writeTextFile } from '../../sdk/platform/node.ts';
import { fetchPublication, type PublishedPatient } from '../../sdk/publications.ts';
import { releasable, type Released, releaseRecord, studyPeople } from '../../sdk/releases.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { pathBelow } from '../safe-path.ts';
import { promiseLines } from '../study-text.ts';

interface StudyOptions extends CommonOptions {
  readonly study?: string;
}

interface FetchOptions extends StudyOptions {
  readonly batch?: number;
  readonly out?: string;
}

export function addResearch(program: Command, run: Runner): void {
  const command = program
    .command('research')
    .summary('release to a study, count for it, fetch what was published')
    .description(
      'The work of a study: a doctor releases records whose patients allowed it, cleaned of what identifies; ' +
        'the coordinator counts over all hospitals and publishes what is alike enough; the researcher fetches ' +
        'it, with proof of where each datum came from.',
    );
  examples(command, [
    'carequorum research release --study prostate-dose --keystore ada.keystore',
    'carequorum research publish --study prostate-dose --keystore carla.keystore',
    'carequorum research fetch --study prostate-dose --batch 1 --out data/ --keystore rita.keystore',
  ]);
  addRelease(command, run);
  addPublish(command, run);
  addFetch(command, run);
}

const studyOption = ['--study <name>', 'name of the study'] as const;

function addRelease(research: Command, run: Runner): void {
  const command = research
    .command('release')
    .summary('doctors: release records to a study')
    .description(
      'Releases every record whose patient lets you share it with the study and that was not released ' +
        'before. Each is cleaned on this machine; what cannot be cleaned, such as a scan, stays here, and ' +
        'you read why. Each patient sees what was released, and can leave the study.',
    )
    .option(...studyOption);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum research release --study prostate-dose --keystore ada.keystore',
    'carequorum research release --study prostate-dose --yes --keystore ada.keystore --json',
  ]).action((options: StudyOptions) => run(options, (context) => release(context, options)));
}

async function release(context: CommandContext, options: StudyOptions): Promise<CommandResult> {
  const studyId = studyOf(options);
  const doctor = await context.clinician();
  const { people, records } = await context.look('Looking what may be released', async () => {
    const found = await studyPeople(doctor, studyId);
    return { people: found, records: await releasable(doctor, found.study) };
  });
  await context.confirm(
    [
      `You are about to release ${plural(records.length, 'record')}, cleaned, to`,
      ...promiseLines(people.study),
    ],
    'Release them?',
  );
  const done: Released[] = [];
  for (const record of records) {
    context.environment.interrupt.throwIfRequested(
      `Stopped after ${plural(done.length, 'record')}; those are released.`,
      'Run the same command again: it goes on with the rest.',
    );
    const one = await context.work(`Releasing ${shortId(record.id)}`, () =>
      releaseRecord(doctor, people, record),
    );
    if (one.kind === 'released') await context.keepReceipts([one.result]);
    done.push(one);
  }
  const released = done.filter((one) => one.kind === 'released');
  const refused = done.filter((one) => one.kind === 'refused');
  return {
    json: {
      studyId,
      released: released.map(({ recordId, releaseId, omitted, result }) => ({
        ...{ recordId, releaseId, omitted },
        ...certifiedJson(result),
      })),
      refused: refused.map(({ recordId, code, why }) => ({ recordId, code, why })),
    },
    lines: [
      `${plural(released.length, 'record is', 'records are')} released to ${studyId}.`,
      ...refused.map(({ recordId, why }) => `Not released: ${shortId(recordId)}: ${why}.`),
    ],
  };
}

function addPublish(research: Command, run: Runner): void {
  const command = research
    .command('publish')
    .summary('coordinators: count over all hospitals, and publish what is alike enough')
    .description(
      'Fetches what is counted, checks it against the ledger, and forms classes of patients that cannot be ' +
        'told apart. What fits in no class waits for more. With your yes the rest is published to the ' +
        'researcher; the ledger counts the patients of each class once more.',
    )
    .option(...studyOption)
    .option('--preview', 'show what would be published, and publish nothing');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum research publish --study prostate-dose --preview --keystore carla.keystore',
    'carequorum research publish --study prostate-dose --yes --keystore carla.keystore --json',
  ]).action((options: StudyOptions & { preview?: boolean }) =>
    run(options, (context) => publishNext(context, options)),
  );
}

async function publishNext(
  context: CommandContext,
  options: StudyOptions & { preview?: boolean },
): Promise<CommandResult> {
  const studyId = studyOf(options);
  const coordinator = await context.clinician();
  const collected = await context.work('Counting', () => collect(coordinator, studyId));
  const { plan, refused } = collected;
  await context.keepReceipts([collected.access]);
  const lines = planLines(plan, refused);
  const json = { studyId, ...planJson(plan), refused };
  if (options.preview === true || plan.classes.length === 0) {
    return { json: { ...json, published: false }, lines: [...lines, 'Nothing was published.'] };
  }
  await context.confirm(lines, 'Publish this to the researcher?');
  const result = await context.work('Asking the hospitals', () => publish(coordinator, collected));
  await context.keepReceipts([result]);
  return {
    json: { ...json, published: true, ...certifiedJson(result) },
    lines: [...lines, 'Published.', certifiedLine(result)],
  };
}

function planJson({ classes, held }: PublicationPlan): object {
  const named = classes.map(({ classId, box, members }) => ({
    ...{ classId, box, patients: members.length },
    releases: members.reduce((sum, one) => sum + one.releases.length, 0),
  }));
  return { classes: named, held: held.length };
}

function planLines(
  { classes, held }: PublicationPlan,
  refused: readonly { sequence: number; why: string }[],
): string[] {
  const rows = classes.map(({ classId, box, members }) => [
    String(classId),
    String(members.length),
    boxText(box),
  ]);
  return [
    ...(rows.length === 0
      ? ['No class of patients is large enough yet.']
      : table(['class', 'patients', 'what all have in common'], rows)),
    `${plural(held.length, 'patient waits', 'patients wait')} for more who are alike.`,
    ...refused.map(({ sequence, why }) => `Not counted: release ${sequence}: ${why}.`),
  ];
}

function boxText(box: Box | null): string {
  if (box === null) return 'as published before';
  const { birthYear, sex, postcode } = box;
  const parts = [
    ...(birthYear === null ? [] : [`born ${[...new Set(birthYear)].join('–')}`]),
    ...(sex === null ? [] : [sex]),
    ...(postcode === null ? [] : [`postcode ${postcode.padEnd(3, '*')}`]),
  ];
  return parts.length === 0 ? 'nothing is told' : parts.join(', ');
}

function addFetch(research: Command, run: Runner): void {
  const command = research
    .command('fetch')
    .summary('researchers: fetch a publication, with the source of each datum')
    .description(
      'Asks the hospitals for a publication of your study, fetches it, checks every datum against its entry ' +
        'on the ledger, and writes a folder for each person, under the name of the study, with the data and ' +
        'where it came from. Who left the study is not in it.',
    )
    .option(...studyOption)
    .option('--batch <number>', 'which publication (default: the newest)', parseBatch)
    .option('--out <folder>', 'a new folder for the data');
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum research fetch --study prostate-dose --out data/ --keystore rita.keystore',
    'carequorum research fetch --study prostate-dose --batch 2 --out data/ --receipts receipts.txt --keystore rita.keystore',
  ]).action((options: FetchOptions) => run(options, (context) => fetchBatch(context, options)));
}

async function fetchBatch(context: CommandContext, options: FetchOptions): Promise<CommandResult> {
  const studyId = studyOf(options);
  const { out } = options;
  if (out === undefined) throw usage('--out is missing.');
  const researcher = await context.clinician();
  const { study } = await context.look('Looking at the study', () =>
    studyPeople(researcher, studyId),
  );
  const batch = options.batch ?? study.batches;
  if (batch === 0) {
    throw new SdkError('not_found', `Nothing of ${studyId} was published yet.`, {
      nextStep: 'The coordinator publishes once enough patients are alike.',
    });
  }
  const { patients, access } = await context.work('Fetching', () =>
    fetchPublication(researcher, studyId, batch),
  );
  await context.keepReceipts([access]);
  for (const patient of patients) await writePatient(out, batch, patient);
  const count = patients.reduce((sum, { data }) => sum + data.length, 0);
  return {
    json: { studyId, batch, patients: patients.length, records: count, ...certifiedJson(access) },
    lines: [
      `${plural(patients.length, 'person', 'people')} with ${plural(count, 'record')} are written below ${out}.`,
      certifiedLine(access),
    ],
  };
}

async function writePatient(out: string, batch: number, { row, data }: PublishedPatient) {
  const folder = pathBelow(out, row.pseudonym, row.pseudonym);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { pseudonymSalt, ...told } = row;
  const about = { ...told, pseudonymSalt: toBase64url(pseudonymSalt) };
  const write = (name: string, value: unknown): Promise<void> =>
    writeTextFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`, { isPrivate: true });
  await write(`publication-${batch}.json`, about);
  for (const { sequence, payload, source, releasedBy } of data) {
    const content: unknown = JSON.parse(payload.content);
    const { kind, omitted } = payload;
    await write(`${sequence}.json`, { sequence, kind, source, releasedBy, omitted, content });
  }
}

function studyOf({ study }: StudyOptions): string {
  if (study === undefined) throw usage('--study is missing.');
  return study;
}

function parseBatch(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('Give the number of a publication, from 1.');
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum research --help`.');
}
