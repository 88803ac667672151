/** `carequorum study`: studies, who approved them, and what a patient gives to them. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { type QuasiIdentifier, quasiField } from '../../lib/chaincode/study-values.ts';
import type { Study } from '../../lib/chaincode/study-values.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { findGrantee } from '../../sdk/directory.ts';
import {
  allStudies,
  approveStudy,
  closeStudy,
  joinStudy,
  leaveStudy,
  ownReleases,
  participationIn,
  registerStudy,
  studyById,
} from '../../sdk/studies.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collect,
  collectCategories,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { holderOf, identitiesOf, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { promiseLines, studyState } from '../study-text.ts';
import { parseWhen, timeOf, timeText, type When } from '../times.ts';
import { listText } from '../words.ts';

interface RegisterOptions extends CommonOptions {
  readonly title?: string;
  readonly protocol?: string;
  readonly category?: readonly string[];
  readonly coordinator?: string;
  readonly k: number;
  readonly l: number;
  readonly quasi: readonly QuasiIdentifier[];
  readonly sensitive?: readonly string[];
  readonly until?: When;
}

interface ApproveOptions extends CommonOptions {
  readonly ethics?: string;
}

const studyArgument = ['<study>', 'name of the study'] as const;

export function addStudy(program: Command, run: Runner): void {
  const command = program
    .command('study')
    .summary('studies: researchers register, hospitals approve, patients join and leave')
    .description(
      'A study says what it asks for, who counts, and how many patients must not be told apart before ' +
        'anything is given out. It opens when a quorum of hospitals approved it. A patient joins by a ' +
        'permission with the right share that names it, and can leave it at any time.',
    );
  examples(command, [
    'carequorum study list --keystore anna.keystore',
    'carequorum study show prostate-dose --keystore anna.keystore',
    'carequorum study releases --keystore anna.keystore',
    'carequorum study leave prostate-dose --keystore anna.keystore',
  ]);
  addList(command, run);
  addShow(command, run);
  addRegister(command, run);
  addApprove(command, run);
  addClose(command, run);
  addJoin(command, run);
  addLeave(command, run);
  addReleases(command, run);
}

function addList(study: Command, run: Runner): void {
  const command = study
    .command('list')
    .summary('see all studies')
    .description('Shows all studies of the network. Anybody with a keystore may look at them.');
  examples(keystoreOptions(command), [
    'carequorum study list --keystore anna.keystore',
    'carequorum study list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, list));
}

async function list(context: CommandContext): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const studies = await context.look('Asking the hospitals', (signal) =>
    allStudies(holder, { signal }),
  );
  const rows = studies.map((one) => [
    one.id,
    one.title,
    studyState(one, context.now()),
    String(one.k),
    String(one.batches),
    timeText(one.until),
  ]);
  const heads = ['study', 'title', 'state', 'patients alike', 'publications', 'until'];
  return {
    json: { studies },
    lines: rows.length === 0 ? ['There is no study yet.'] : table(heads, rows),
  };
}

function addShow(study: Command, run: Runner): void {
  const command = study
    .command('show')
    .summary('see what a study asks for and promises, and who stands behind it')
    .description('Shows a study: what it asks for, what it promises, who counts, who approved it.')
    .argument(...studyArgument);
  examples(keystoreOptions(command), [
    'carequorum study show prostate-dose --keystore anna.keystore',
    'carequorum study show prostate-dose --keystore hospital-a.keystore --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => show(context, id)));
}

async function show(context: CommandContext, id: string): Promise<CommandResult> {
  const person = await context.person();
  const holder = holderOf(person);
  return context.look('Asking the hospitals', async () => {
    const study = await studyById(holder, id);
    const named = [study.researcher, study.coordinator];
    const people = await identitiesOf(holder.session, holder.signer, named);
    const [researcher, coordinator] = named.map((subject) => {
      const found = people.get(subject);
      return found ? personText(found) : shortId(subject);
    });
    const own = person.kind === 'patient' ? await participationIn(holder, id) : null;
    const approvers = study.approvals.map(({ hospital }) => hospital);
    return {
      json: { study, participation: own },
      lines: [
        ...promiseLines(study),
        `  researcher  ${researcher}`,
        `  counted by  ${coordinator}`,
        `  approved by ${approvers.length === 0 ? 'nobody yet' : listText(approvers)}`,
        `  protocol    SHA-256 ${study.protocolDigest}`,
        `  state       ${studyState(study, context.now())}, ${plural(study.batches, 'publication')}`,
        ...(own === null ? [] : [`  you         ${own.withdrawn === null ? 'take part' : 'left'}`]),
      ],
    };
  });
}

function addRegister(study: Command, run: Runner): void {
  const command = study
    .command('register')
    .summary('researchers: register a study, for hospitals to approve')
    .description(
      'Registers a study. What it asks for and promises can never be changed. It opens when a quorum of ' +
        'hospitals approved it. The coordinator, whom you name, sees the years, sexes and postcodes that ' +
        'are counted, and nothing else of the records; you get what is published, and nothing before.',
    )
    .argument(...studyArgument)
    .option('--title <text>', 'what it is about, as patients read it')
    .option('--protocol <file>', 'its protocol: the SHA-256 of the file goes on the ledger')
    .option('--category <names>', 'categories of records that it wants', collectCategories)
    .option('--coordinator <name>', 'full name of the one who counts')
    .option('--k <count>', 'patients that must not be told apart', parseCount, 5)
    .option('--l <count>', 'different findings among them', parseCount, 2)
    .option('--quasi <list>', `of ${quasiField.options.join(', ')}`, parseQuasi, [
      ...quasiField.options,
    ])
    .option('--sensitive <code>', 'a finding as SYSTEM|CODE; repeated for more', collect)
    .option('--until <when>', 'when it ends: 2y, 2028-01-01', parseWhen);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum study register prostate-dose --title "Dose and outcome" --protocol protocol.pdf --category radiation-dose --coordinator "Carla Conte" --until 365d --keystore rita.keystore',
    'carequorum study register small --title "A small study" --protocol protocol.pdf --category laboratory --coordinator "Carla Conte" --k 10 --l 3 --sensitive "http://snomed.info/sct|399068003" --until 90d --yes --keystore rita.keystore',
  ]).action((id: string, options: RegisterOptions) =>
    run(options, (context) => register(context, id, options)),
  );
}

async function register(
  context: CommandContext,
  id: string,
  options: RegisterOptions,
): Promise<CommandResult> {
  const { title, protocol, category, coordinator: named, until } = options;
  if (!title || !protocol || !category || !named || until === undefined) {
    throw usage('--title, --protocol, --category, --coordinator and --until are needed.');
  }
  const researcher = await context.clinician();
  const { identity } = await context.look('Looking for the coordinator', () =>
    findGrantee(researcher.session, researcher.signer, { name: named }),
  );
  const sensitive = [...(options.sensitive ?? [])];
  if (options.l > 1 && sensitive.length === 0) {
    throw usage('--l above 1 needs the findings that differ: --sensitive "SYSTEM|CODE".');
  }
  const terms = {
    ...{ title, protocolDigest: await digestOf(protocol), categories: [...category] },
    ...{ coordinator: identity.subject, k: options.k, l: options.l, quasi: [...options.quasi] },
    ...{ sensitive, until: timeOf(until, context.now()) },
  };
  await context.confirm(
    [
      `You are about to register the study ${id}: ${title}.`,
      `Counted by ${personText(identity)}. Nothing of it can be changed afterwards.`,
    ],
    'Register it?',
  );
  const result = await context.work('Asking the hospitals', () =>
    registerStudy(researcher, id, terms),
  );
  await context.keepReceipts([result]);
  return {
    json: { studyId: id, ...terms, ...certifiedJson(result) },
    lines: [
      `The study ${id} is registered.`,
      certifiedLine(result),
      `Next, operators of hospitals: carequorum study approve ${id} --ethics DECISION.pdf`,
    ],
  };
}

function addApprove(study: Command, run: Runner): void {
  const command = study
    .command('approve')
    .summary('operators: approve a study for your hospital')
    .description(
      'Approves a study in the name of your hospital, by the decision of its ethics committee: the ' +
        'SHA-256 of that document goes on the ledger. With a quorum of hospitals the study opens.',
    )
    .argument(...studyArgument)
    .option('--ethics <file>', 'the decision of the ethics committee');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum study approve prostate-dose --ethics decision.pdf --keystore hospital-a.keystore',
    'carequorum study approve prostate-dose --ethics decision.pdf --yes --keystore hospital-b.keystore --json',
  ]).action((id: string, options: ApproveOptions) =>
    run(options, (context) => approve(context, id, options)),
  );
}

async function approve(
  context: CommandContext,
  id: string,
  { ethics }: ApproveOptions,
): Promise<CommandResult> {
  if (ethics === undefined) throw usage('--ethics is missing.');
  const operator = await context.operator();
  const study = await context.look('Looking at the study', () => studyById(operator, id));
  await context.confirm(
    [`You are about to approve, for ${operator.hospital}:`, ...promiseLines(study)],
    'Approve it?',
  );
  const digest = await digestOf(ethics);
  const result = await context.work('Asking the hospitals', () =>
    approveStudy(operator, id, digest),
  );
  await context.keepReceipts([result]);
  const { approvals, quorum, open } = result.value as {
    approvals: number;
    quorum: number;
    open: boolean;
  };
  return {
    json: { studyId: id, approvals, quorum, open, ...certifiedJson(result) },
    lines: [
      `${approvals} of the ${quorum} hospitals that are needed have approved ${id}.`,
      open ? 'The study is open.' : 'It is not open yet.',
      certifiedLine(result),
    ],
  };
}

function addClose(study: Command, run: Runner): void {
  const command = study
    .command('close')
    .summary('researcher, coordinator or an approving hospital: end a study')
    .description(
      'Ends a study for good: nothing more is released to it, published or given out of it. What was ' +
        'fetched before stays with the researcher.',
    )
    .argument(...studyArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum study close prostate-dose --keystore rita.keystore',
    'carequorum study close prostate-dose --yes --keystore hospital-a.keystore --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => close(context, id)));
}

async function close(context: CommandContext, id: string): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const study: Study = await context.look('Looking at the study', () => studyById(holder, id));
  await context.confirm([`You are about to end the study ${study.title} (${id}).`], 'End it?');
  const result = await context.work('Asking the hospitals', () => closeStudy(holder, id));
  await context.keepReceipts([result]);
  return {
    json: { studyId: id, ...certifiedJson(result) },
    lines: [`The study ${id} is closed.`, certifiedLine(result)],
  };
}

function addJoin(study: Command, run: Runner): void {
  const command = study
    .command('join')
    .summary('patients: take part in a study')
    .description(
      'Agrees to take part in a study under a random name of your own. Nothing is released by it: a ' +
        'doctor whom you give the right share for the study does that, and giving the right joins, too.',
    )
    .argument(...studyArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum study join prostate-dose --keystore anna.keystore',
    'carequorum study join prostate-dose --yes --keystore anna.keystore --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => join(context, id)));
}

async function join(context: CommandContext, id: string): Promise<CommandResult> {
  const patient = await context.patient();
  const study = await context.look('Looking at the study', () => studyById(patient, id));
  await context.confirm(['You are about to take part in', ...promiseLines(study)], 'Take part?');
  const result = await context.work('Asking the hospitals', () => joinStudy(patient, id));
  if (result) await context.keepReceipts([result]);
  return {
    json: { studyId: id, ...(result ? certifiedJson(result) : { joinedBefore: true }) },
    lines: result
      ? [`You take part in ${id}.`, certifiedLine(result)]
      : [`You take part in ${id} already.`],
  };
}

function addLeave(study: Command, run: Runner): void {
  const command = study
    .command('leave')
    .summary('patients: leave a study, and have your data deleted')
    .description(
      'Leaves a study: from this moment nothing more of you is released, published or given out, and the ' +
        'custodian deletes what it keeps. What the researcher fetched before cannot be taken back.',
    )
    .argument(...studyArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum study leave prostate-dose --keystore anna.keystore',
    'carequorum study leave prostate-dose --yes --keystore anna.keystore --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => leave(context, id)));
}

async function leave(context: CommandContext, id: string): Promise<CommandResult> {
  const patient = await context.patient();
  await context.confirm(
    [
      `You are about to leave the study ${id}.`,
      'What its researcher has fetched before stays there. Nothing more is given out.',
    ],
    'Leave it?',
  );
  const result = await context.work('Asking the hospitals', () => leaveStudy(patient, id));
  await context.keepReceipts([result]);
  return {
    json: { studyId: id, ...certifiedJson(result) },
    lines: [`You left ${id}. Your doctors can release nothing more to it.`, certifiedLine(result)],
  };
}

function addReleases(study: Command, run: Runner): void {
  const command = study
    .command('releases')
    .summary('patients: see what was released of your records')
    .description(
      'Shows every release of your records to a study: which record, by whom, when, and whether the ' +
        'researcher could fetch it. The list is proven to be complete.',
    );
  examples(keystoreOptions(command), [
    'carequorum study releases --keystore anna.keystore',
    'carequorum study releases --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, releases));
}

async function releases(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const all = await context.look('Asking the hospitals', (signal) =>
    ownReleases(patient, { signal }),
  );
  const { session, signer } = patient;
  const people = await context.look('Looking for the people', () =>
    identitiesOf(
      session,
      signer,
      all.map(({ doctor }) => doctor),
    ),
  );
  const rows = all.map((one) => {
    const doctor = people.get(one.doctor);
    return [
      timeText(one.released.time),
      one.studyId,
      shortId(one.recordId),
      doctor ? personText(doctor) : shortId(one.doctor),
      one.published ? 'given to the researcher' : 'waits until enough are alike',
    ];
  });
  const heads = ['when', 'study', 'record', 'by', 'state'];
  return {
    json: { releases: all },
    lines: rows.length === 0 ? ['Nothing of yours was released to a study.'] : table(heads, rows),
  };
}

async function digestOf(path: string): Promise<string> {
  return toBase64url(sha256(await readFile(path)));
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 200) return count;
  throw new InvalidArgumentError('Give a whole number from 1 to 200.');
}

function parseQuasi(text: string): QuasiIdentifier[] {
  return [...new Set(text.split(','))].map((word) => {
    const parsed = quasiField.safeParse(word.trim());
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`Give some of ${quasiField.options.join(', ')}.`);
  });
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum study register --help`.');
}
