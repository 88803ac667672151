/** `carequorum guardians`: people who together with the hospitals give a patient's keys back. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { toHex } from '../../lib/crypto/bytes.ts';
import { SdkError } from '../../sdk/errors.ts';
import { guardianCard, openPackage, packageStanding } from '../../sdk/guardian.ts';
import { reasonOf } from '../../sdk/http.ts';
import {
  endGuardians,
  type GuardiansStanding,
  guardiansStanding,
  repairGuardians,
  setGuardians,
} from '../../sdk/guardians.ts';
import { createKeystore, type Keystore } from '../../sdk/keystore.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import {
  cardCode,
  checkCard,
  type GuardianCard,
  guardianCardSchema,
  type GuardianPackage,
  guardianPackageSchema,
  parseRecoveryFile,
} from '../../sdk/recovery-files.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { kitParts, kitPdf, kitText } from '../kit.ts';
import {
  collect,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import type { CommandResult } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import { type RotationKeyOptions, rotationKeyOf } from '../rotation-key.ts';
import type { Runner } from '../runner.ts';
import { spanText, timeText } from '../times.ts';

interface CardOptions extends CommonOptions {
  readonly name?: string;
  readonly out: string;
}
interface SetOptions extends CommonOptions, RotationKeyOptions {
  readonly guardian?: readonly string[];
  readonly needed?: number;
  readonly out: string;
}
interface KitOptions extends CommonOptions {
  readonly out?: string;
}

export function addGuardians(program: Command, run: Runner): void {
  const command = program
    .command('guardians')
    .summary('people who can help you if you lose your keys')
    .description(
      'Without a copy of your keystore nobody can open your records any more, you neither. Guardians are people ' +
        'whom you trust: some of them together with the hospitals can give your keys back. Guardians alone can do ' +
        'nothing, the hospitals alone can do nothing, and you are told and can object before anything happens.\n' +
        'What happens after a loss: `carequorum recover --help`.',
    );
  examples(command, [
    '# each guardian, once, on the own computer:',
    'carequorum guardians card --keystore ben.keystore --name "Ben Muster" --out ben.card.json',
    '# then you:',
    'carequorum guardians set --guardian ben.card.json --guardian cara.card.json --guardian dan.card.json --needed 2 --keystore anna.keystore',
    'carequorum guardians kit --out kit.pdf --keystore anna.keystore',
  ]);
  addCard(command, run);
  addSet(command, run);
  addList(command, run);
  addKit(command, run);
  addCheck(command, run);
  addEnd(command, run);
}

function addCard(guardians: Command, run: Runner): void {
  const command = guardians
    .command('card')
    .summary('guardians: make the card that the patient needs of you')
    .description(
      'Writes your name and public keys to a file for the patient who asked you. If there is no keystore yet, one ' +
        'is made: you need not be a patient or a clinician, and nothing is sent anywhere. Keep the keystore and its ' +
        'passphrase: without them your help is worth nothing.',
    )
    .option('--name <name>', 'your name as the patient knows you')
    .requiredOption('--out <file>', 'where the card is written');
  examples(keystoreOptions(command), [
    'carequorum guardians card --keystore ben.keystore --name "Ben Muster" --out ben.card.json',
    'carequorum guardians card --keystore ada.keystore --name "Ada Okonjo" --out ada.card.json --json',
  ]).action((options: CardOptions) => run(options, (context) => card(context, options)));
}

async function card(context: CommandContext, options: CardOptions): Promise<CommandResult> {
  const { name, out } = options;
  if (name === undefined) {
    throw new UsageError('Nothing says what the patient calls you.', 'Give --name.');
  }
  const keystore = await guardianKeystore(context);
  const made = await guardianCard(keystore, name);
  await writeTextFile(out, `${JSON.stringify(made, null, 2)}\n`);
  const code = cardCode(made);
  return {
    json: { card: out, name, code, thumbprint: keystore.kid },
    lines: [
      `Your card is in ${out}. Send it to the patient.`,
      `Its number is ${code}: the patient will ask you for it by telephone.`,
    ],
  };
}

async function guardianKeystore(context: CommandContext): Promise<Keystore> {
  const path = context.keystorePath;
  if (await fileExists(path)) return context.keystore();
  const passphrase = await context.newPassphrase();
  const { workFactor } = context.environment;
  return context.work('Making your keys', () =>
    createKeystore({
      ...{ path, passphrase, kind: 'guardian', label: 'Guardian' },
      ...(workFactor === undefined ? {} : { workFactor }),
    }),
  );
}

function addSet(guardians: Command, run: Runner): void {
  const command = guardians
    .command('set')
    .summary('patients: name your guardians, or others than before')
    .description(
      'Names your guardians. Each gets a file, the package, which you hand over; it opens with that guardian’s ' +
        'keystore alone. Choose people who would notice if somebody else pretended to be you, and who are not all ' +
        'in one house. Two of three is a good start. Guardians of before can do nothing any more.',
    )
    .option('--guardian <file>', 'card of a guardian; repeat it, two to nine times', collect)
    .option('--needed <count>', 'how many of them have to help', Number)
    .option('--out <folder>', 'where the packages are written', 'guardians')
    .option('--rotation-key <file>', 'your rotation key, if you made one');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum guardians set --guardian ben.card.json --guardian cara.card.json --guardian dan.card.json --needed 2 --out packages --keystore anna.keystore',
    'carequorum guardians set --guardian ben.card.json --guardian cara.card.json --needed 2 --yes --json --keystore anna.keystore',
  ]).action((options: SetOptions) => run(options, (context) => set(context, options)));
}

async function set(context: CommandContext, options: SetOptions): Promise<CommandResult> {
  const { guardian: files = [], needed, out } = options;
  if (files.length === 0 || needed === undefined) {
    throw new UsageError(
      'Nothing says who the guardians are, or how many of them are needed.',
      'Give --guardian for each, and --needed.',
    );
  }
  const cards = await Promise.all(files.map(readCard));
  const patient = await context.patient();
  await context.confirm(
    [
      `${needed} of these ${cards.length} people together with the hospitals can give your keys back:`,
      ...cards.map((one) => `  ${one.name.padEnd(28)} number ${cardCode(one)}`),
      'Ring each of them up and compare the number: a wrong card would make somebody else your guardian.',
    ],
    'Are these your guardians?',
  );
  const paths: string[] = [];
  const keep = async (packages: readonly GuardianPackage[]): Promise<void> => {
    await mkdir(out, { recursive: true });
    for (const [at, one] of packages.entries()) {
      const path = join(out, `guardian-${at + 1}.package.json`);
      await writeTextFile(path, `${JSON.stringify(one, null, 2)}\n`, { isPrivate: true });
      paths.push(path);
    }
  };
  const name = patient.data.uii.name ?? patient.keystore.label;
  const rotationKey = await rotationKeyOf(options);
  const terms = { cards, needed, patient: name.slice(0, 128), rotationKey };
  const done = await context.work('Handing a part to each hospital', () =>
    setGuardians(patient, terms, keep),
  );
  await context.keepReceipts([done.result]);
  return {
    json: { needed, guardians: cards.map((one) => one.name), packages: paths, ...missing(done) },
    lines: [
      'Your guardians are named. Hand each the package:',
      ...cards.map((one, at) => `  ${one.name.padEnd(28)} ${paths[at] ?? ''}`),
      'Then delete these files here. Print what to do after a loss: carequorum guardians kit --out kit.pdf',
      ...missingLines(done.missing),
      certifiedLine(done.result),
    ],
  };
}

const missing = (done: Awaited<ReturnType<typeof setGuardians>>) => ({
  missing: [...done.missing],
  ...certifiedJson(done.result),
});

function missingLines(hospitals: readonly string[]): string[] {
  if (hospitals.length === 0) return [];
  return [
    `Not reached yet: ${hospitals.join(', ')}. It works without; \`carequorum guardians list\` tries again.`,
  ];
}

async function readCard(path: string): Promise<GuardianCard> {
  const text = await readFile(path, 'utf8');
  const found = parseRecoveryFile(guardianCardSchema, text, 'card of a guardian');
  await checkCard(found);
  return found;
}

function addList(guardians: Command, run: Runner): void {
  const command = guardians
    .command('list')
    .summary('patients: see your guardians, and whether all would work')
    .description(
      'Shows who your guardians are, whether a recovery is open that you did not ask for, and whether they have ' +
        'to be named anew. Their names are in your keystore only; the hospitals do not know them.',
    );
  examples(keystoreOptions(command), [
    'carequorum guardians list --keystore anna.keystore',
    'carequorum guardians list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, list));
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const left = await context.work('Asking the hospitals', () => repairGuardians(patient));
  const standing = await guardiansStanding(patient);
  const { known, setup, recovery, isOpen, stale } = standing;
  const isNamed = setup !== null && known !== null && setup.setupId === known.setupId;
  return {
    json: {
      guardians: isNamed ? known.guardians.map((one) => ({ ...one })) : [],
      ...{ needed: setup?.needed ?? null, stale, isOpen, recovery, missing: left },
    },
    lines: [
      ...(isNamed
        ? [
            `${known.needed} of your ${known.guardians.length} guardians are needed:`,
            ...known.guardians.map(({ name }) => `  ${name}`),
          ]
        : []),
      ...staleLines(stale),
      ...openLines(standing),
      ...missingLines(left),
    ],
  };
}

const staleTexts = {
  none: 'You have no guardians: if you lose your keystore, nobody can open your records any more.',
  other:
    'Guardians were named with another copy of this keystore: use that one, or name them anew.',
  spent:
    'After your objection your guardians must be named anew, perhaps without those who signed.',
  ended: 'You ended recovery: there are no guardians any more.',
  validators: 'The hospitals have changed: name your guardians anew.',
  categories: 'You have kinds of records that a recovery would not find: name your guardians anew.',
} as const;

function staleLines(stale: GuardiansStanding['stale']): string[] {
  if (stale === null) return [];
  return [staleTexts[stale], 'Next: carequorum guardians set'];
}

/** What a patient must see who asked for nothing. */
export function openLines({ isOpen, recovery }: GuardiansStanding): string[] {
  if (!isOpen || !recovery) return [];
  return [
    `A RECOVERY OF YOUR KEYS IS OPEN since ${timeText(recovery.started.time)}; from ${timeText(recovery.from)} on it gives your keys out.`,
    'If it is not yours, stop it now: carequorum recover veto',
  ];
}

function addKit(guardians: Command, run: Runner): void {
  const command = guardians
    .command('kit')
    .summary('patients: print what to do after a loss')
    .description(
      'Writes a sheet for your papers: who your guardians are and what to do after a loss. It opens nothing, and ' +
        'says nothing about your health.',
    )
    .option('--out <file>', 'where it is written: as PDF, or as text if the name ends in .txt');
  examples(keystoreOptions(command), [
    'carequorum guardians kit --out kit.pdf --keystore anna.keystore',
    'carequorum guardians kit --out kit.txt --keystore anna.keystore',
  ]).action((options: KitOptions) => run(options, (context) => kit(context, options)));
}

async function kit(context: CommandContext, { out }: KitOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const { guardians: known, uii } = patient.data;
  if (!known) {
    throw new SdkError('not_found', 'You have named no guardians with this keystore.', {
      nextStep: 'Name them first: `carequorum guardians set`.',
    });
  }
  const { genesis } = await context.network();
  const { network, parameters } = genesis.document;
  const parts = kitParts({
    ...{ patient: uii.name ?? 'the owner', needed: known.needed, network },
    guardians: known.guardians.map(({ name }) => name),
    delayText: spanText(parameters.recoveryDelayMs),
    genesisHash: toHex(genesis.hash),
    since: timeText(known.since),
  });
  const text = kitText(parts);
  if (out === undefined) return { json: { kit: text }, lines: text.split('\n') };
  if (out.endsWith('.txt')) await writeFile(out, text, { mode: 0o600 });
  else await writeFile(out, await kitPdf(parts), { mode: 0o600 });
  return {
    json: { kit: out },
    lines: [`Your recovery kit is in ${out}. Print it, keep it with your papers, delete the file.`],
  };
}

function addCheck(guardians: Command, run: Runner): void {
  const command = guardians
    .command('check')
    .summary('guardians: see whether your package opens')
    .description(
      'Tells for whom a package is, whether it opens with your keystore and still counts, and whether a recovery ' +
        'is open. Do so when you get it, and whenever you wonder.',
    )
    .argument('<package>', 'file that the patient gave you');
  examples(keystoreOptions(command), [
    'carequorum guardians check guardian-1.package.json --keystore ben.keystore',
    'carequorum guardians check guardian-1.package.json --keystore ben.keystore --json',
  ]).action((path: string, options: CommonOptions) =>
    run(options, (context) => check(context, path)),
  );
}

async function check(context: CommandContext, path: string): Promise<CommandResult> {
  const box = await readPackage(path);
  const keystore = await context.keystore();
  await openPackage(keystore, box);
  const { patient, network, needed, of } = box;
  const session = await context.session();
  const standing = await context.look('Asking the hospitals', () =>
    packageStanding(session, keystore, box).catch(replaced),
  );
  const isCurrent = standing?.setup?.status === 'ready';
  const { recovery } = standing ?? {};
  const open = standing?.isOpen && recovery ? recovery : null;
  return {
    json: { opens: true, isCurrent, patient, network, needed, of, recovery: open },
    lines: [
      `It opens. You are a guardian of ${patient} on ${network}; ${needed} of ${of} are needed.`,
      isCurrent
        ? 'Keep the package and your keystore, and keep the passphrase apart.'
        : `It does not count any more: ask ${patient} for a new one, if you are to stay a guardian.`,
      ...(open
        ? [
            `A RECOVERY IS OPEN since ${timeText(open.started.time)}. If ${patient} does not know of it, ring ${patient} up now:`,
            `who still has the keystore can stop it until ${timeText(open.from)}.`,
          ]
        : []),
    ],
  };
}

/** Null where the ledger knows no such guardian: the setup is another by now. */
function replaced(error: unknown): null {
  if (reasonOf(error) === 'unknown_signer') return null;
  throw error;
}

export async function readPackage(path: string): Promise<GuardianPackage> {
  const text = await readFile(path, 'utf8');
  return parseRecoveryFile(guardianPackageSchema, text, 'package of a guardian');
}

function addEnd(guardians: Command, run: Runner): void {
  const command = guardians
    .command('end')
    .summary('patients: do without guardians')
    .description(
      'Ends recovery: your guardians can do nothing any more, and every hospital erases its part. If you then ' +
        'lose your keystore, nobody can open your records.',
    )
    .option('--rotation-key <file>', 'your rotation key, if you made one');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum guardians end --keystore anna.keystore',
    'carequorum guardians end --keystore anna.keystore --json',
  ]).action((options: CommonOptions & RotationKeyOptions) =>
    run(options, (context) => end(context, options)),
  );
}

async function end(context: CommandContext, options: RotationKeyOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const rotationKey = await rotationKeyOf(options);
  await context.confirm(
    ['If you lose your keystore after this, nobody can open your records any more, you neither.'],
    'Do without guardians?',
  );
  const { result, left } = await context.work('Asking the hospitals', () =>
    endGuardians(patient, rotationKey),
  );
  await context.keepReceipts([result]);
  return {
    json: { ended: true, left: [...left], ...certifiedJson(result) },
    lines: [
      'You have no guardians any more.',
      ...(left.length > 0
        ? [`Not reached, and still to erase their part: ${left.join(', ')}.`]
        : []),
      certifiedLine(result),
    ],
  };
}
