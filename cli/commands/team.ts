/** `carequorum team`: care teams of a hospital, and the key that their members hand on. */
import type { Command } from 'commander';
import { findIdentity, type LedgerIdentity } from '../../sdk/directory.ts';
import {
  allTeams,
  type CareTeam,
  changeTeam,
  closeTeam,
  createTeam,
  findTeam,
  makeTeamKey,
  membersOf,
  sealTeamKey,
  teamLog,
  type TeamSealed,
} from '../../sdk/teams.ts';
import type { Session } from '../../sdk/session.ts';
import type { RequestSigner } from '../../sdk/signing.ts';
import type { CommandContext } from '../context.ts';
import {
  collect,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { clinicianNamed, holderOf, identitiesOf, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { listText } from '../words.ts';
import { UsageError } from '../errors.ts';

interface CreateOptions extends CommonOptions {
  readonly member?: readonly string[];
}

interface ChangeOptions extends CommonOptions {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

interface Looker {
  readonly session: Session;
  readonly signer: RequestSigner;
}

export function addTeam(program: Command, run: Runner): void {
  const command = program
    .command('team')
    .summary('care teams: operators say who is in them, members hand on the key')
    .description(
      'A care team is a group of clinicians of one hospital that patients can give a permission to. The ' +
        'hospital’s operator says who is in it, and never has its key: members make it and seal it to each ' +
        'other. Who leaves is shut out at once, and the team needs a new key.',
    );
  examples(command, [
    'carequorum team create "Radiation oncology" --member 1000000012 --keystore hospital-a.keystore',
    'carequorum team make-key "Radiation oncology" --keystore ada.keystore',
    'carequorum team change "Radiation oncology" --add 1000000020 --keystore hospital-a.keystore',
    'carequorum team seal "Radiation oncology" --keystore ada.keystore',
    'carequorum team list --keystore anna.keystore',
  ]);
  addList(command, run);
  addShow(command, run);
  addCreate(command, run);
  addChange(command, run);
  addClose(command, run);
  addMakeKey(command, run);
  addSeal(command, run);
}

function addList(team: Command, run: Runner): void {
  const command = team
    .command('list')
    .summary('see all care teams')
    .description('Shows the care teams of all hospitals. Anybody with a keystore may look.');
  examples(keystoreOptions(command), [
    'carequorum team list --keystore anna.keystore',
    'carequorum team list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, list));
}

async function list(context: CommandContext): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const teams = await context.look('Asking the hospitals', (signal) =>
    allTeams(holder, undefined, { signal }),
  );
  const rows = teams.map((one) => [
    one.id,
    one.name,
    one.hospital,
    String(one.members),
    one.closed !== null ? 'closed' : one.hasKey ? 'ready' : 'needs a key',
  ]);
  return {
    json: { teams },
    lines:
      rows.length === 0
        ? ['There is no care team yet.']
        : table(['team', 'name', 'hospital', 'members', 'state'], rows),
  };
}

const teamArgument = ['<team>', 'name of the team, or its id'] as const;

function addShow(team: Command, run: Runner): void {
  const command = team
    .command('show')
    .summary('see who is in a team, and what became of it')
    .description('Shows the members of a team, who has its key, and everything that changed.')
    .argument(...teamArgument);
  examples(keystoreOptions(command), [
    'carequorum team show "Radiation oncology" --keystore anna.keystore',
    'carequorum team show TEAM --keystore anna.keystore --json',
  ]).action((name: string, options: CommonOptions) =>
    run(options, (context) => show(context, name)),
  );
}

async function show(context: CommandContext, name: string): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  return context.look('Asking the hospitals', async (signal) => {
    const team = await findTeam(holder, name);
    const log = await teamLog(holder, team.id, { signal });
    const subjects = [
      ...team.members.map((one) => one.subject),
      ...log.flatMap((one) => one.subjects),
    ];
    const people = await identitiesOf(holder.session, holder.signer, subjects);
    const nameOf = (subject: string): string => {
      const person = people.get(subject);
      return person ? personText(person) : shortId(subject);
    };
    return {
      json: { team, log },
      lines: [
        ...teamLines(team),
        'In it now:',
        ...team.members.map(({ subject, seal, kid }) => {
          const isReady = seal !== null && seal.kid === kid && seal.epoch === team.epoch;
          return `  ${nameOf(subject)}${isReady ? '' : ': has no key yet'}`;
        }),
        'What became of it:',
        ...log.map(
          ({ time, what, subjects: who }) =>
            `  ${timeText(time)}  ${logWords[what]}: ${listText(who.map(nameOf))}`,
        ),
      ],
    };
  });
}

const logWords = {
  created: 'made, with',
  joined: 'joined',
  left: 'left',
  key: 'new key, made by',
  closed: 'closed; left',
} as const;

function teamLines({ id, name, hospital, key, closed, epoch }: CareTeam): string[] {
  const state = key === null ? 'no key: a member makes one with `team make-key`' : `key ${epoch}`;
  return [
    `${name} (${hospital})`,
    `Team: ${id}`,
    closed === null ? `State: ${state}` : `Closed ${timeText(closed.time)}`,
  ];
}

function addCreate(team: Command, run: Runner): void {
  const command = team
    .command('create')
    .summary('operators: make a team of clinicians of your hospital')
    .description(
      'Makes a care team. Its members are approved clinicians of your hospital. One of them then makes the ' +
        'key: carequorum team make-key.',
    )
    .argument('<name>', 'what it is called, as patients know it')
    .option('--member <npi|name>', 'a member; the option repeated for more', collect);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum team create "Radiation oncology" --member 1000000012 --member "Bruno Castellan" --keystore hospital-a.keystore',
    'carequorum team create "Ward 7" --member 1000000012 --yes --keystore hospital-a.keystore --json',
  ]).action((name: string, options: CreateOptions) =>
    run(options, (context) => create(context, name, options.member ?? [])),
  );
}

async function create(
  context: CommandContext,
  name: string,
  wanted: readonly string[],
): Promise<CommandResult> {
  if (wanted.length === 0) throw usage('--member is missing.');
  const operator = await context.operator();
  const people = await context.look('Looking for the members', () => find(operator, wanted));
  await context.confirm(
    [`You are about to make the care team ${name} of:`, ...peopleLines(people)],
    'Make it?',
  );
  const members = people.map((one) => one.subject);
  const { teamId, result } = await context.work('Asking the hospitals', () =>
    createTeam(operator, { name, members }),
  );
  await context.keepReceipts([result]);
  return {
    json: { teamId, name, members, ...certifiedJson(result) },
    lines: [
      `The care team ${name} is made.`,
      `Team: ${teamId}`,
      certifiedLine(result),
      'Next, one of its members: carequorum team make-key ' + teamId,
    ],
  };
}

function addChange(team: Command, run: Runner): void {
  const command = team
    .command('change')
    .summary('operators: let people into a team, and out')
    .description(
      'Lets clinicians in and out. Who leaves is refused from this moment on, and the team’s key ends: a ' +
        'member makes a new one. Who joins may read what the team may; a member seals the key to the one.',
    )
    .argument(...teamArgument)
    .option('--add <npi|name>', 'who joins; the option repeated for more', collect)
    .option('--remove <npi|name>', 'who leaves; the option repeated for more', collect);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum team change "Radiation oncology" --add 1000000020 --keystore hospital-a.keystore',
    'carequorum team change "Radiation oncology" --remove "Bruno Castellan" --keystore hospital-a.keystore',
  ]).action((name: string, options: ChangeOptions) =>
    run(options, (context) => change(context, name, options)),
  );
}

async function change(
  context: CommandContext,
  name: string,
  { add = [], remove = [] }: ChangeOptions,
): Promise<CommandResult> {
  if (add.length + remove.length === 0) throw usage('--add or --remove is missing.');
  const operator = await context.operator();
  const plan = await context.look('Looking for the people', async () => {
    const team = await findTeam(operator, name);
    return {
      team,
      joining: await find(operator, add),
      leaving: await leavers(operator, team, remove),
    };
  });
  const { team, joining, leaving } = plan;
  await context.confirm(
    [
      `You are about to change the care team ${team.name}.`,
      ...(joining.length > 0 ? ['Joins:', ...peopleLines(joining)] : []),
      ...(leaving.length > 0 ? ['Leaves, and is refused at once:', ...peopleLines(leaving)] : []),
    ],
    'Change it?',
  );
  const subjects = {
    add: joining.map((one) => one.subject),
    remove: leaving.map((one) => one.subject),
  };
  const result = await context.work('Asking the hospitals', () =>
    changeTeam(operator, team, subjects),
  );
  await context.keepReceipts([result]);
  return {
    json: { teamId: team.id, ...subjects, ...certifiedJson(result) },
    lines: [
      `The care team ${team.name} is changed.`,
      certifiedLine(result),
      ...(leaving.length > 0
        ? [`Next, a member who stays: carequorum team make-key ${team.id}`]
        : [`Next, a member with the key: carequorum team seal ${team.id}`]),
    ],
  };
}

function addClose(team: Command, run: Runner): void {
  const command = team
    .command('close')
    .summary('operators: end a team')
    .description('Ends a team: nobody reads or writes anything through it from this moment on.')
    .argument(...teamArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum team close "Radiation oncology" --keystore hospital-a.keystore',
    'carequorum team close TEAM --keystore hospital-a.keystore --json',
  ]).action((name: string, options: CommonOptions) =>
    run(options, async (context) => {
      const operator = await context.operator();
      const team = await context.look('Looking for the team', () => findTeam(operator, name));
      const count = plural(team.members.length, 'member');
      await context.confirm([`You are about to close ${team.name}, with ${count}.`], 'Close it?');
      const result = await context.work('Asking the hospitals', () => closeTeam(operator, team));
      await context.keepReceipts([result]);
      return {
        json: { teamId: team.id, ...certifiedJson(result) },
        lines: [`The care team ${team.name} is closed.`, certifiedLine(result)],
      };
    }),
  );
}

function addMakeKey(team: Command, run: Runner): void {
  const command = team
    .command('make-key')
    .summary('members: give the team a new key, and seal it to everybody in it')
    .description(
      'Makes a key for the team and seals it to all who are in it now: look who that is. Needed after the ' +
        'team is made, after somebody left, and where the key may be known to others.',
    )
    .argument(...teamArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum team make-key "Radiation oncology" --keystore ada.keystore',
    'carequorum team make-key TEAM --keystore ada.keystore --json',
  ]).action((name: string, options: CommonOptions) =>
    run(options, async (context) => {
      const clinician = await context.clinician();
      const { team, members } = await lookAt(context, clinician, name);
      await context.confirm(
        [`You are about to make a key for ${team.name}. It is sealed to:`, ...peopleLines(members)],
        'Do you know them all, and make it?',
      );
      const done = await context.work('Making the key', () => makeTeamKey(clinician, team));
      return sealedResult(context, done);
    }),
  );
}

function addSeal(team: Command, run: Runner): void {
  const command = team
    .command('seal')
    .summary('members: hand the team’s key to those who joined')
    .description(
      'Seals the key to members who do not have it yet: who joined, or who has a new key of their own. The ' +
        'hospital let them in; you look whether you know them.',
    )
    .argument(...teamArgument);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum team seal "Radiation oncology" --keystore ada.keystore',
    'carequorum team seal TEAM --keystore ada.keystore --json',
  ]).action((name: string, options: CommonOptions) =>
    run(options, async (context) => {
      const clinician = await context.clinician();
      const { team, members } = await lookAt(context, clinician, name);
      const lacking = team.members.filter(
        ({ seal, kid }) => seal === null || seal.kid !== kid || seal.epoch < team.epoch,
      );
      const to = members.filter((one) => lacking.some(({ subject }) => subject === one.subject));
      if (to.length === 0) {
        return { json: { sealedTo: [] }, lines: ['Nothing is to do: everybody has the key.'] };
      }
      await context.confirm(
        [`You are about to hand the key of ${team.name} to:`, ...peopleLines(to)],
        'Do you know them, and hand it on?',
      );
      const done = await context.work('Sealing the key', () => sealTeamKey(clinician, team));
      if (!done) return { json: { sealedTo: [] }, lines: ['The team has no key yet.'] };
      return sealedResult(context, done);
    }),
  );
}

async function sealedResult(
  context: CommandContext,
  { result, team, sealedTo, skipped }: TeamSealed,
): Promise<CommandResult> {
  await context.keepReceipts([result]);
  return {
    json: {
      teamId: team.id,
      epoch: team.epoch,
      sealedTo: sealedTo.map((one) => one.subject),
      skipped,
      ...certifiedJson(result),
    },
    lines: [
      `Key ${team.epoch} of ${team.name} is sealed to ${listText(sealedTo.map((one) => one.name))}.`,
      certifiedLine(result),
      ...(skipped.length === 0
        ? []
        : [
            `${plural(skipped.length, 'member')} could not be sealed to: see carequorum team show.`,
          ]),
    ],
  };
}

async function lookAt(
  context: CommandContext,
  looker: Looker,
  name: string,
): Promise<{ team: CareTeam; members: LedgerIdentity[] }> {
  return context.look('Looking who is in the team', async () => {
    const team = await findTeam(looker, name);
    return { team, members: await membersOf(looker, team) };
  });
}

/** People by NPI or name, proven by the ledger. */
async function find(looker: Looker, wanted: readonly string[]): Promise<LedgerIdentity[]> {
  const found: LedgerIdentity[] = [];
  for (const one of wanted) found.push(await clinicianNamed(looker, one));
  return found;
}

/** Somebody whose identity ended is in no directory, and can be let out all the same. */
async function leavers(
  { session, signer }: Looker,
  { members }: CareTeam,
  wanted: readonly string[],
): Promise<LedgerIdentity[]> {
  if (wanted.length === 0) return [];
  const people = await Promise.all(
    members.map(({ subject }) => findIdentity(session, signer, { subject })),
  );
  const found: LedgerIdentity[] = [];
  for (const one of wanted) {
    const folded = one.normalize('NFKC').toLowerCase();
    const named = people.filter(
      ({ name, subject }) => name.normalize('NFKC').toLowerCase() === folded || subject === one,
    );
    const [first, ...others] = named;
    if (first && others.length === 0) found.push(first);
    else found.push(...(await find({ session, signer }, [one])));
  }
  return found;
}

function peopleLines(people: readonly LedgerIdentity[]): string[] {
  return people.map((one) => `  ${personText(one)}`);
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum team --help`.');
}
