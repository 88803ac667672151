/** `carequorum governance`: operators change the network together. */
import { Argument, type Command } from 'commander';
import {
  allProposals,
  approveProposal,
  type Looker,
  type Proposal,
  proposalById,
  type ProposalOutcome,
  type ProposalSummary,
  propose,
  withdrawProposal,
} from '../../sdk/governance.ts';
import { type ChangeOptions, changeKinds, changeLines, readChange } from '../changes.ts';
import type { CommandContext } from '../context.ts';
import {
  collect,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseHeight,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { byId, holderOf } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface ProposeOptions extends CommonOptions, ChangeOptions {
  readonly at?: number;
}

interface ListOptions extends CommonOptions {
  readonly open?: boolean;
}

export function addGovernance(program: Command, run: Runner): void {
  const command = program
    .command('governance')
    .summary('operators: change members, keys, parameters and rules together')
    .description(
      'Changes who takes part, whose keys count, and by which parameters the network works. One operator ' +
        'proposes, the others read and approve, each with a keystore of its own; once a quorum has approved, ' +
        'the change acts two blocks later, or at the height that the proposal names. docs/governance.md says more.',
    );
  examples(command, [
    'carequorum governance propose parameters --set requestTimeoutMs=6000 --keystore hospital-a.keystore',
    'carequorum governance list --keystore hospital-b.keystore',
    'carequorum governance show PROPOSAL --keystore hospital-b.keystore',
    'carequorum governance approve PROPOSAL --keystore hospital-b.keystore',
  ]);
  addList(command, run);
  addShow(command, run);
  addPropose(command, run);
  addApprove(command, run);
  addWithdraw(command, run);
}

function addList(governance: Command, run: Runner): void {
  const command = governance
    .command('list')
    .summary('see all proposals, and what became of them')
    .description(
      'Shows every proposal that was ever made, oldest first, with who approved it and what became of it. ' +
        'The list is proven to be complete. Anybody with a keystore of this network may look.',
    )
    .option('--open', 'only those that still need approvals');
  examples(keystoreOptions(command), [
    'carequorum governance list --keystore hospital-b.keystore',
    'carequorum governance list --open --keystore hospital-b.keystore --json',
  ]).action((options: ListOptions) => run(options, (context) => list(context, options)));
}

async function list(context: CommandContext, { open }: ListOptions): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const all = await context.look('Asking the hospitals', (signal) =>
    allProposals(holder, { signal }),
  );
  const proposals = open ? all.filter((one) => one.status === 'open') : all;
  const rows = proposals.map((one) => [
    shortId(one.proposalId),
    one.kind,
    one.about,
    statusText(one),
    one.approvals.join(', '),
    timeText(one.made.time),
  ]);
  const heads = ['id', 'kind', 'about', 'status', 'approved by', 'made'];
  return {
    json: { count: proposals.length, proposals },
    lines: rows.length === 0 ? ['There is no such proposal.'] : table(heads, rows),
  };
}

function addShow(governance: Command, run: Runner): void {
  const command = governance
    .command('show')
    .summary('read a proposal before you approve it')
    .description(
      'Shows all that a proposal would change, who approved it, and whether it still fits what the ledger ' +
        'has. Compare keys with what their owners read to you over a second way.',
    )
    .argument('<proposal>', 'id of the proposal, or its start', parseId);
  examples(keystoreOptions(command), [
    'carequorum governance show PROPOSAL --keystore hospital-b.keystore',
    'carequorum governance show PROPOSAL --keystore hospital-b.keystore --json',
  ]).action((id: string, options: CommonOptions) =>
    run(options, async (context) => {
      const proposal = await find(context, holderOf(await context.person()), id);
      return { json: proposal, lines: proposalLines(proposal) };
    }),
  );
}

function addPropose(governance: Command, run: Runner): void {
  const command = governance
    .command('propose')
    .summary('propose a change to the other operators; you approve it by that')
    .description(
      'Proposes a change. What each kind needs:\n' +
        '  parameters        --set NAME=VALUE, once for each\n' +
        '  chaincode         --to VERSION, the next one\n' +
        '  add               --bundle FILE --name NAME --url URL --operator KEY\n' +
        '  remove            --hospital ID\n' +
        '  replace           --hospital ID (who leaves), and as for add\n' +
        '  replace-key       --bundle FILE, with the new KMS key\n' +
        '  replace-operator  --hospital ID --operator KEY\n' +
        '  reinstate         --bundle FILE, of the suspended validator\n' +
        '  authority         --bundle FILE, of the membership service with its next key; --compromised where\n' +
        '                    the present key is in wrong hands\n' +
        '  drop-authority    --key THUMBPRINT, of a retired key that turned out to be in wrong hands\n' +
        'A bundle is what `GET /v1/bootstrap` of that validator, or of the membership service, shows: save it to a file. KEY is a public key, or a ' +
        'keystore file whose open part is read.',
    )
    .addArgument(new Argument('<kind>', 'what to change').choices(changeKinds))
    .option('--set <name=value>', 'parameter and its new value', collect)
    .option('--to <version>', 'version of the chaincode', parseHeight)
    .option('--bundle <file>', 'keys of a validator, as its API shows them')
    .option('--hospital <id>', 'hospital that leaves, or whose operator changes')
    .option('--name <name>', 'name of the hospital that joins')
    .option('--url <url>', 'address of its validator')
    .option('--operator <key>', 'public key of its operator, or keystore file')
    .option('--key <thumbprint>', 'retired key of the membership service')
    .option('--compromised', 'the present key of the membership service is in wrong hands')
    .option(
      '--at <height>',
      'first block that it may govern (default: as soon as decided)',
      parseHeight,
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum governance propose parameters --set requestTimeoutMs=6000 --set blockIntervalMs=500 --keystore a.keystore',
    'carequorum governance propose chaincode --to 2 --at 120000 --keystore a.keystore',
    'carequorum governance propose add --bundle e.json --name "Hospital E" --url https://e.example --operator e.keystore --keystore a.keystore',
    'carequorum governance propose replace-key --bundle d.json --keystore a.keystore',
    'carequorum governance propose authority --bundle membership.json --keystore a.keystore',
    'carequorum governance propose remove --hospital hospital-e --keystore a.keystore --yes --json',
  ]).action((kind: (typeof changeKinds)[number], options: ProposeOptions) =>
    run(options, (context) => make(context, kind, options)),
  );
}

async function make(
  context: CommandContext,
  kind: (typeof changeKinds)[number],
  options: ProposeOptions,
): Promise<CommandResult> {
  const change = await readChange(kind, options);
  const operator = await context.operator();
  await context.confirm(changeLines(change), `Propose it as the operator of ${operator.hospital}?`);
  const { at: activateAt } = options;
  const outcome = await context.work('Asking the hospitals', () =>
    propose(operator, change, { activateAt }),
  );
  await context.keepReceipts([outcome.result]);
  return outcomeResult(outcome, [
    'Tell the other operators its id; each reads and approves it:',
    `  carequorum governance approve ${outcome.proposalId} --keystore OPERATOR.keystore`,
  ]);
}

function addApprove(governance: Command, run: Runner): void {
  const command = governance
    .command('approve')
    .summary('approve a proposal of another operator')
    .description(
      'Shows what a proposal would change, asks, and approves it under your signature as the operator of your ' +
        'hospital. With a quorum of approvals it is decided at once. An approval cannot be taken back.',
    )
    .argument('<proposal>', 'id of the proposal, or its start', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum governance approve PROPOSAL --keystore hospital-b.keystore',
    'carequorum governance approve PROPOSAL --keystore hospital-c.keystore --yes --json',
  ]).action((id: string, options: CommonOptions) =>
    run(options, (context) => approve(context, id)),
  );
}

async function approve(context: CommandContext, wanted: string): Promise<CommandResult> {
  const operator = await context.operator();
  const proposal = await find(context, operator, wanted);
  await context.confirm(
    proposalLines(proposal),
    `Approve it as the operator of ${operator.hospital}?`,
  );
  const outcome = await context.work('Asking the hospitals', () =>
    approveProposal(operator, proposal.proposalId),
  );
  await context.keepReceipts([outcome.result]);
  return outcomeResult(outcome, []);
}

function addWithdraw(governance: Command, run: Runner): void {
  const command = governance
    .command('withdraw')
    .summary('take a proposal of your hospital back')
    .description(
      'Takes a proposal of your own hospital back while it still needs approvals. What is decided is changed ' +
        'by another proposal only. The network must run version 2 of the chaincode or later.',
    )
    .argument('<proposal>', 'id of the proposal, or its start', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum governance withdraw PROPOSAL --keystore hospital-a.keystore',
    'carequorum governance withdraw PROPOSAL --keystore hospital-a.keystore --yes',
  ]).action((id: string, options: CommonOptions) =>
    run(options, (context) => withdraw(context, id)),
  );
}

async function withdraw(context: CommandContext, wanted: string): Promise<CommandResult> {
  const operator = await context.operator();
  const proposal = await find(context, operator, wanted);
  const { proposalId } = proposal;
  await context.confirm(proposalLines(proposal), 'Take it back?');
  const result = await context.work('Asking the hospitals', () =>
    withdrawProposal(operator, proposalId),
  );
  await context.keepReceipts([result]);
  return {
    json: { proposalId, status: 'withdrawn', ...certifiedJson(result) },
    lines: [`Proposal ${proposalId} is taken back.`, certifiedLine(result)],
  };
}

async function find(context: CommandContext, holder: Looker, wanted: string): Promise<Proposal> {
  return context.look('Asking the hospitals', async (signal) => {
    const all = await allProposals(holder, { signal });
    const named = all.map((one) => ({ ...one, id: one.proposalId }));
    const kind = { what: 'proposal', listedBy: 'carequorum governance list' };
    return proposalById(holder, byId(named, wanted, kind).id, { signal });
  });
}

function outcomeResult(outcome: ProposalOutcome, next: readonly string[]): CommandResult {
  const { result, ...rest } = outcome;
  const { proposalId, status, approvals, quorum, actsAt } = outcome;
  const said = {
    open: `Proposal ${proposalId}: ${approvals} of ${quorum} approvals that it needs.`,
    scheduled: `Proposal ${proposalId} is decided and acts from block ${actsAt ?? ''} on.`,
    done: `Proposal ${proposalId} is decided and acts from block ${actsAt ?? ''} on.`,
  }[status];
  return {
    json: { ...rest, ...certifiedJson(result) },
    lines: [said, certifiedLine(result), ...(status === 'open' ? next : [])],
  };
}

function proposalLines(proposal: Proposal): string[] {
  const { proposalId, proposer, made, expiresAt, activateAt, counted, quorum } = proposal;
  return [
    `Proposal ${proposalId}`,
    `  by          ${proposer}, ${timeText(made.time)} (block ${made.height})`,
    `  status      ${statusText(proposal)}`,
    `  approved by ${proposal.approvals.join(', ')} (${counted.length} count; ${quorum} decide)`,
    ...(proposal.status === 'open' ? [`  until       ${timeText(expiresAt)}`] : []),
    ...(activateAt === null ? [] : [`  not before  block ${activateAt}`]),
    ...(proposal.isStale && proposal.status === 'open'
      ? ['  It no longer fits what the ledger has: it has to be proposed anew.']
      : []),
    ...changeLines(proposal.change),
  ];
}

function statusText({ status, actsAt, code }: ProposalSummary): string {
  if (status === 'failed') return `FAILED: ${code.replaceAll('_', ' ')}`;
  if (status === 'done' && actsAt !== null) return `done, acts from block ${actsAt} on`;
  return status;
}
