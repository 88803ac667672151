/** `carequorum history`: everything that was done or tried with a patient's data. */
import type { Command } from 'commander';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import type { HistoryEntry } from '../../lib/chaincode/values.ts';
import type { LedgerIdentity } from '../../sdk/directory.ts';
import type { Patient } from '../../sdk/patient.ts';
import { teamById } from '../../sdk/teams.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, keystoreOptions, parseLimit } from '../options.ts';
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { identitiesOf, personText } from '../people.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { decisionText, deedText, purposeWord } from '../words.ts';

interface HistoryOptions extends CommonOptions {
  readonly limit?: number;
  readonly denied?: boolean;
}

export function addHistory(program: Command, run: Runner): void {
  const command = program
    .command('history')
    .summary('patients: see who did what with your records, and who was refused')
    .description(
      'Shows everything that was done or tried with your data: who, when, what for, which record, by ' +
        'which of your permissions, and whether it was allowed. The list is proven to be complete: no ' +
        'hospital can leave an entry out. Newest last.',
    )
    .option('--limit <count>', 'the newest entries only', parseLimit)
    .option('--denied', 'refusals only');
  examples(keystoreOptions(command), [
    'carequorum history --keystore anna.keystore',
    'carequorum history --keystore anna.keystore --limit 20',
    'carequorum history --keystore anna.keystore --denied --json',
  ]).action((options: HistoryOptions) => run(options, (context) => history(context, options)));
}

async function history(context: CommandContext, options: HistoryOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const all = await context.look('Asking the hospitals', (signal) => patient.history({ signal }));
  const wanted = options.denied === true ? all.filter((one) => one.decision === 'deny') : all;
  const entries = options.limit === undefined ? wanted : wanted.slice(-options.limit);
  const subjects = entries.flatMap(({ actor }) => (actor.subject === null ? [] : [actor.subject]));
  const people = await context.look('Looking for the people', () =>
    identitiesOf(patient.session, patient.signer, subjects),
  );
  const teams = await context.look('Looking for the teams', () => teamNames(patient, entries));
  const names = patient.categoryNames();
  const actors = representativeNames(patient);
  const rows = entries.map((one) => [
    timeText(one.time),
    actorText(one, { people, teams, actors }),
    one.study === null ? deedText(one.fn) : `${deedText(one.fn)}: ${one.study}`,
    decisionText(one),
    purposeWord(one.purpose),
    one.categories.map((tag) => names.get(tag) ?? '').join(', '),
    shortId(one.recordId),
    shortId(one.permissionId),
    String(one.height),
  ]);
  const heads = [
    'when',
    'who',
    'did',
    'decision',
    'for',
    'categories',
    'record',
    'permission',
    'block',
  ];
  return {
    json: {
      count: all.length,
      entries: entries.map((one) => ({
        ...one,
        who: actorText(one, { people, teams, actors }),
        categoryNames: one.categories.map((tag) => names.get(tag) ?? null),
      })),
    },
    lines: [
      ...table(heads, rows),
      '',
      `${plural(all.length, 'entry', 'entries')} in all` +
        (entries.length < all.length ? `, ${entries.length} shown.` : ', without a gap.'),
    ],
  };
}

/** Names of the care teams through which something was done. */
async function teamNames(
  patient: Patient,
  entries: readonly HistoryEntry[],
): Promise<ReadonlyMap<string, string>> {
  const ids = new Set(entries.flatMap(({ team }) => (team === null ? [] : [team])));
  const named = await Promise.all(
    [...ids].map(async (id): Promise<[string, string]> => [id, (await teamById(patient, id)).name]),
  );
  return new Map(named);
}

/** Names of representatives by key: they stand in this keystore and nowhere else. */
function representativeNames({ data }: Patient): ReadonlyMap<string, string> {
  const cards = data.representatives ?? [];
  return new Map(cards.map((one) => [thumbprint(fromBase64url(one.publicKey)), one.name]));
}

interface Names {
  readonly people: ReadonlyMap<string, LedgerIdentity>;
  readonly teams: ReadonlyMap<string, string>;
  readonly actors: ReadonlyMap<string, string>;
}

function actorText({ actor, team }: HistoryEntry, { people, teams, actors }: Names): string {
  if (actor.role === 'patient') return 'you';
  if (actor.role === 'representative') {
    return `${actors.get(actor.kid) ?? shortId(actor.kid)}, for you`;
  }
  const person = actor.subject === null ? undefined : people.get(actor.subject);
  const who = person ? personText(person) : `the ${actor.role}`;
  return team === null ? who : `${who}, of the team ${teams.get(team) ?? shortId(team)}`;
}
