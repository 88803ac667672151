/** `carequorum claim`: asking an insurer what something costs, and to pay for it. */
import type { Command } from 'commander';
import type { ClaimAnswer, ClaimLine } from '../../lib/connected/claim-content.ts';
import {
  type AnsweredClaim,
  type Asking,
  askEstimate,
  type AskTerms,
  holdsUntil,
  listClaims,
  submitClaim,
  withdrawClaim,
} from '../../sdk/claims.ts';
import { Clinician } from '../../sdk/clinician.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import {
  byId,
  identitiesOf,
  knownPatients,
  patientNamed,
  personQuery,
  personText,
} from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { collectLines, moneyText } from './connected-options.ts';

interface AskOptions extends CommonOptions {
  readonly insurer: string;
  readonly policy: string;
  readonly currency: string;
  readonly line: readonly ClaimLine[];
}

interface EstimateOptions extends AskOptions {
  readonly for?: string;
  readonly prescription?: string;
}

interface SubmitOptions extends AskOptions {
  readonly fill?: string;
  readonly record?: string;
  readonly estimate?: string;
}

const LINE_HELP = 'a code as SYSTEM:CODE*UNITS=CHARGE; repeat it for more';

export function addClaim(program: Command, run: Runner): void {
  const command = program
    .command('claim')
    .summary('ask an insurer what something costs, or to pay for it')
    .description(
      'An insurer gets codes, amounts and a policy number, and nothing else: no name, no record. Its answer is ' +
        'signed and bound to the very codes that were asked about. Each service can be claimed once.',
    );
  examples(command, [
    'carequorum claim estimate --insurer "Sample Mutual" --policy SM-4711 --line atc:L02BA01*30 --keystore anna.keystore',
    'carequorum claim list --keystore anna.keystore',
  ]);
  addEstimate(command, run);
  addSubmit(command, run);
  addList(command, run);
  addWithdraw(command, run);
}

function askOptions(command: Command): Command {
  return yesOption(
    receiptsOption(
      keystoreOptions(
        command
          .requiredOption('--insurer <name>', 'full name of the insurer, as it enrolled')
          .requiredOption('--policy <number>', 'what the insurer knows the policy by')
          .requiredOption('--line <code>', LINE_HELP, collectLines)
          .option('--currency <code>', 'of the amounts', 'EUR'),
      ),
    ),
  );
}

function addEstimate(group: Command, run: Runner): void {
  const command = group
    .command('estimate')
    .summary('ask what codes would cost')
    .description(
      'Patients ask for themselves. Clinicians name a patient who gave a permission for payment, pharmacists a ' +
        'prescription whose patient agreed that this insurer is asked.',
    )
    .option('--for <patient>', 'doctors, nurses: name or pseudonym of the patient')
    .option('--prescription <id>', 'pharmacists: the prescription, whole id', parseId);
  examples(askOptions(command), [
    'carequorum claim estimate --insurer "Sample Mutual" --policy SM-4711 --line atc:L02BA01*30 --keystore anna.keystore',
    'carequorum claim estimate --insurer "Sample Mutual" --policy SM-4711 --line sample:rt-fraction*25=4500.00 --for "Anna Muster" --keystore ada.keystore',
  ]).action((options: EstimateOptions) => run(options, (context) => estimate(context, options)));
}

function addSubmit(group: Command, run: Runner): void {
  const command = group
    .command('submit')
    .summary('ask an insurer to pay for one service')
    .description(
      'Names what was done: a fill of a pharmacy, or a record that a clinician wrote. Whoever claims it first, ' +
        'it is claimed; again only after a denial, or once it was taken back.',
    )
    .option('--fill <id>', 'what was handed out: the id that `pharmacy fill` printed', parseId)
    .option('--record <id>', 'a record, whole id', parseId)
    .option('--estimate <id>', 'an estimate that still holds, whole id', parseId);
  examples(askOptions(command), [
    'carequorum claim submit --fill FILL --insurer "Sample Mutual" --policy SM-4711 --line atc:L02BA01*30=45.00 --keystore goran.keystore',
    'carequorum claim submit --record RECORD --estimate ESTIMATE --insurer "Sample Mutual" --policy SM-4711 --line sample:consult=85.00 --keystore ada.keystore',
  ]).action((options: SubmitOptions) => run(options, (context) => submit(context, options)));
}

function addList(group: Command, run: Runner): void {
  const command = group
    .command('list')
    .summary('see what was asked, and what insurers answered')
    .description(
      'Patients see all that was asked about them, and the amounts of what they asked themselves; clinicians ' +
        'and pharmacists what they asked.',
    );
  examples(keystoreOptions(command), [
    'carequorum claim list --keystore anna.keystore',
    'carequorum claim list --json --keystore goran.keystore',
  ]).action((options: CommonOptions) => run(options, list));
}

function addWithdraw(group: Command, run: Runner): void {
  const command = group
    .command('withdraw')
    .summary('take back what the insurer has not answered')
    .description('The insurer cannot answer it any more, and the service can be claimed anew.')
    .argument('<claim>', 'its id, or the start', parseId);
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum claim withdraw CLAIM --keystore goran.keystore',
    'carequorum claim withdraw CLAIM --json --keystore anna.keystore',
  ]).action((id: string, options: CommonOptions) =>
    run(options, (context) => withdraw(context, id)),
  );
}

async function askingPerson(context: CommandContext): Promise<Asking> {
  const person = await context.person();
  if (person.kind === 'patient') return person.patient;
  if (person.kind === 'clinician') return person.clinician;
  throw new UsageError('Operators ask no insurer.', 'Give the keystore of who was cared for.');
}

async function estimate(context: CommandContext, options: EstimateOptions): Promise<CommandResult> {
  const asking = await askingPerson(context);
  const { for: named, prescription } = options;
  const pseudonym = named === undefined ? undefined : await pseudonymOf(asking, named);
  await confirmCodes(context, options);
  const asked = await context.work('Asking', () =>
    askEstimate(asking, termsOf(options), { pseudonym, prescriptionId: prescription }),
  );
  return told(context, asked);
}

async function pseudonymOf(asking: Asking, named: string): Promise<string> {
  if (asking instanceof Clinician)
    return patientNamed(await knownPatients(asking), named).pseudonym;
  throw new UsageError('You ask for yourself.', 'Leave --for away.');
}

async function submit(context: CommandContext, options: SubmitOptions): Promise<CommandResult> {
  const { fill, record, estimate: estimateId } = options;
  if ((fill === undefined) === (record === undefined)) {
    throw new UsageError('Say what is claimed.', 'Give either --fill or --record.');
  }
  const service = fill === undefined ? { recordId: record ?? '' } : { fillId: fill };
  const asking = await askingPerson(context);
  await confirmCodes(context, options);
  const asked = await context.work('Claiming', () =>
    submitClaim(asking, termsOf(options), { service, estimateId }),
  );
  return told(context, asked);
}

async function told(
  context: CommandContext,
  { claimId, insurer, result }: Awaited<ReturnType<typeof askEstimate>>,
): Promise<CommandResult> {
  await context.keepReceipts([result]);
  return {
    json: { claimId, insurer: insurer.name, ...certifiedJson(result) },
    lines: [
      `${insurer.name} is asked. Its answer comes to \`carequorum claim list\`: ${claimId}`,
      certifiedLine(result),
    ],
  };
}

async function confirmCodes(context: CommandContext, options: AskOptions): Promise<void> {
  const lines = options.line.map(({ system, code, units, charge }) => {
    const amount = charge === null ? '' : `, ${moneyText(charge, options.currency)}`;
    return `  ${system} ${code}, ${units}${amount}`;
  });
  await context.confirm(
    [`${options.insurer} sees the policy ${options.policy} and:`, ...lines, 'Nothing else.'],
    'Send it?',
  );
}

function termsOf({ insurer, policy, currency, line }: AskOptions): AskTerms {
  return { insurer: personQuery(insurer), policy, currency, lines: line };
}

async function list(context: CommandContext): Promise<CommandResult> {
  const asking = await askingPerson(context);
  const all = await context.look('Asking the hospitals', () => listClaims(asking));
  const insurers = await identitiesOf(
    asking.session,
    asking.signer,
    all.map(({ claim }) => claim.insurer),
  );
  const rows = all.map((one) => [
    shortId(one.claim.id),
    timeText(one.claim.asked.time),
    one.claim.kind,
    personText(insurers.get(one.claim.insurer) ?? { name: '?', role: 'insurer', hospital: null }),
    one.claim.asker.role,
    outcomeText(one, context.now()),
  ]);
  const heads = ['id', 'when', 'what', 'insurer', 'asked by', 'answer'];
  return {
    json: { claims: all },
    lines: rows.length === 0 ? ['No insurer was asked.'] : table(heads, rows),
  };
}

function outcomeText({ claim, answer, problem }: AnsweredClaim, now: number): string {
  if (problem !== null) return `DO NOT RELY ON IT: ${problem}`;
  if (claim.withdrawn !== null) return 'taken back';
  if (claim.answer === null) return now < claim.until ? 'waits' : 'not answered in time';
  const amounts = answer ? `, ${amountsText(answer)}` : '';
  if (claim.kind === 'claim') return `${claim.answer.decision}${amounts}`;
  const until = timeText(claim.answer.validUntil ?? 0);
  return holdsUntil(claim, now) ? `holds until ${until}${amounts}` : `over since ${until}`;
}

export function amountsText({ patientPays, insurerPays, currency }: ClaimAnswer): string {
  return `patient ${moneyText(patientPays, currency)}, insurer ${moneyText(insurerPays, currency)}`;
}

async function withdraw(context: CommandContext, wanted: string): Promise<CommandResult> {
  const asking = await askingPerson(context);
  const all = await context.look('Asking the hospitals', () => listClaims(asking));
  const { id } = byId(
    all.map(({ claim }) => claim),
    wanted,
    { what: 'claim', listedBy: 'carequorum claim list' },
  );
  const result = await context.work('Taking it back', () => withdrawClaim(asking, id));
  await context.keepReceipts([result]);
  return {
    json: { claimId: id, ...certifiedJson(result) },
    lines: ['It is taken back.', certifiedLine(result)],
  };
}
