/** `carequorum validators`: the members as the ledger has them, and the parameters. */
import type { Command } from 'commander';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { type Members, networkMembers } from '../../sdk/governance.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, keystoreOptions } from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { holderOf } from '../people.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

export function addValidators(program: Command, run: Runner): void {
  const command = program
    .command('validators')
    .summary('see who takes part, as the ledger has it, and by which parameters')
    .description(
      'Shows the hospitals that take part, proven from the ledger: their keys, how often each came back with ' +
        'new ones (incarnation), who is suspended and for what, and the parameters in force. What was ' +
        'decided in the newest block acts two blocks later. `carequorum network` asks who answers.',
    );
  examples(keystoreOptions(command), [
    'carequorum validators --keystore hospital-a.keystore',
    'carequorum validators --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, validators));
}

async function validators(context: CommandContext): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const members = await context.look('Asking the hospitals', (signal) =>
    networkMembers(holder, { signal }),
  );
  return { json: members, lines: memberLines(members) };
}

function memberLines(members: Members): string[] {
  const { height, n, faulty, quorum, setActsAt, parameters, upcoming } = members;
  const rows = members.validators.map((one) => [
    one.id,
    one.name,
    one.suspended ? 'SUSPENDED' : 'member',
    String(one.incarnation),
    shortId(thumbprint(fromBase64url(one.kmsKey))),
    shortId(thumbprint(fromBase64url(one.operatorKey))),
    one.apiUrl,
  ]);
  const heads = ['id', 'hospital', 'standing', 'incarnation', 'key', 'operator', 'address'];
  return [
    `After block ${height}: ${n} validators, ${quorum} decide, ${faulty} may be faulty.`,
    ...(setActsAt > height + 1 ? [`This set acts from block ${setActsAt} on.`] : []),
    '',
    ...table(heads, rows),
    '',
    ...members.validators.flatMap(blameLine),
    ...table(
      ['parameter', 'in force', ...(upcoming ? [`from block ${height + 2}`] : [])],
      Object.entries(parameters).map(([name, value]) => [
        name,
        String(value),
        ...(upcoming ? [String(upcoming[name as keyof typeof upcoming])] : []),
      ]),
    ),
    '',
    ...authorityLines(members),
  ];
}

function authorityLines({ bases, formerAuthorities }: Members): string[] {
  return [
    `Membership service: key ${bases.authority}`,
    ...formerAuthorities.map(({ kid, countsUntil }) =>
      countsUntil === null
        ? `  before: ${kid}, of which nothing counts`
        : `  before: ${kid}, which counts until ${timeText(countsUntil)}`,
    ),
  ];
}

function blameLine({ id, blame }: Members['validators'][number]): string[] {
  if (!blame) return [];
  const { phase, height, view, transaction } = blame;
  const where = `two ${phase} votes at block ${height}, view ${view}`;
  return [`${id} signed ${where}: transaction ${transaction}.`, ''];
}
