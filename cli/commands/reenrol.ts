/** `carequorum reenrol`: a clinician who lost the keys, two operators, and the old key. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { type Role, roleRow, roleSchema } from '../../lib/membership/roles.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { createKeystore, type Keystore, requireKind } from '../../sdk/keystore.ts';
import type { Operator } from '../../sdk/operator.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import {
  approveReenrolment,
  askReenrolment,
  endReenrolment,
  enrolAgain,
  finishReenrolment,
  lossReasons,
  type LossReason,
  reenrolmentOf,
  type ReenrolmentState,
} from '../../sdk/reenrolment.ts';
import { pem, readCertificateFile } from '../certificate-file.ts';
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
import type { CommandResult } from '../output.ts';
import { holderOf } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface EnrolOptions extends CommonOptions {
  readonly role: Role;
  readonly name?: string;
  readonly letter?: string;
  readonly certificateOut?: string;
}

export function addReenrol(program: Command, run: Runner): void {
  const command = program
    .command('reenrol')
    .summary('clinicians who lost their keys: new ones for the same person')
    .description(
      'Who lost device or passphrase gets new keys and stays the same person: all that patients granted stays. ' +
        'Nobody can do it alone: your operator asks, an operator of another hospital approves, and until the ' +
        'delay of the network is over the old key can object. From the moment your operator asks, the old key ' +
        'can do nothing else. If the old key objects although it is in wrong hands: your operator ends it ' +
        '(`carequorum approve --revoke THUMBPRINT --reason key-compromised`) and asks again; then a quorum of hospitals decides, whatever it says.',
    );
  examples(command, [
    'carequorum reenrol enrol --role doctor --name "Ada Okonjo" --keystore new.keystore',
    '# your operator sees you and your papers: carequorum letter THUMBPRINT --for 1000000012 --out ada.letter …',
    'carequorum reenrol enrol --role doctor --letter ada.letter --keystore new.keystore',
    'carequorum reenrol ask new.certificate --reason device-lost --keystore hospital-a.keystore',
    'carequorum reenrol approve SUBJECT --keystore hospital-b.keystore',
    'carequorum reenrol finish SUBJECT --keystore hospital-a.keystore',
    'carequorum reenrol object --keystore old.keystore      # if nothing was lost',
  ]);
  addEnrol(command, run);
  addAsk(command, run);
  const steps = [
    ['approve', 'operators: of another hospital, you know the person too', approveReenrolment],
    ['finish', 'operators: once the delay is over, the new key counts', finishReenrolment],
    ['withdraw', 'operators: who asked, call it off', endReenrolment],
  ] as const;
  for (const [name, summary, act] of steps) addStep(command, run, { name, summary, act });
  addObject(command, run);
  addShow(command, run);
}

function addEnrol(reenrol: Command, run: Runner): void {
  const roles = roleSchema.options.filter((role) => roleRow(role).way === 'cosigned');
  const command = reenrol
    .command('enrol')
    .summary('clinicians: make new keys, then have them certified by a letter')
    .description(
      'Without --letter it makes a keystore and prints the thumbprint of its key: read it to your operator. ' +
        'With the letter that the operator wrote, it has the key certified under your old identity.',
    )
    .addOption(new Option('--role <role>', 'as before').choices(roles).makeOptionMandatory())
    .option('--name <name>', 'what the new keystore is called')
    .option('--letter <file>', 'letter of your operator')
    .option('--certificate-out <file>', 'where the certificate is written');
  examples(keystoreOptions(command), [
    'carequorum reenrol enrol --role doctor --name "Ada Okonjo" --keystore new.keystore',
    'carequorum reenrol enrol --role doctor --letter ada.letter --keystore new.keystore',
  ]).action((options: EnrolOptions) => run(options, (context) => enrol(context, options)));
}

async function enrol(context: CommandContext, options: EnrolOptions): Promise<CommandResult> {
  const keystore = (await fileExists(context.keystorePath))
    ? await context.keystore()
    : await fresh(context, options.name ?? options.role);
  requireKind(keystore, 'clinician');
  if (options.letter === undefined) {
    return {
      json: { keystore: keystore.path, thumbprint: keystore.kid },
      lines: [
        `Thumbprint of your new key: ${keystore.kid}`,
        'Next: read it to the operator of your hospital, who writes you a letter; then run this again with --letter.',
      ],
    };
  }
  const letter = (await readFile(options.letter, 'utf8')).trim();
  const clinician = new Clinician(await context.session(), keystore, context.files);
  const enrolment = await context.work('Having your new key certified', () =>
    enrolAgain(clinician, options.role, letter),
  );
  const certificate = enrolment?.certificate;
  if (certificate === undefined) {
    throw new SdkError('refused', 'The register of clinicians does not answer.', {
      nextStep: 'Run the same command again later.',
      details: { reason: 'pending' },
    });
  }
  const path = options.certificateOut ?? `${keystore.path.replace(/\.keystore$/, '')}.certificate`;
  await writeTextFile(path, pem(fromBase64url(certificate)));
  const { subject } = enrolment ?? {};
  return {
    json: { keystore: keystore.path, thumbprint: keystore.kid, certificate: path, subject },
    lines: [
      `Your new key is certified: ${path}. It counts when two hospitals agreed and the delay is over.`,
      `Next: your operator runs  carequorum reenrol ask ${path} --reason device-lost …`,
    ],
  };
}

async function fresh(context: CommandContext, label: string): Promise<Keystore> {
  const passphrase = await context.newPassphrase();
  const { workFactor } = context.environment;
  const made = { path: context.keystorePath, passphrase, kind: 'clinician', label } as const;
  return context.work('Making your keys', () =>
    createKeystore({ ...made, ...(workFactor === undefined ? {} : { workFactor }) }),
  );
}

function addAsk(reenrol: Command, run: Runner): void {
  const command = reenrol
    .command('ask')
    .summary('operators: ask that the new key take over')
    .description(
      'Asks the network that the key of this certificate take the place of a lost one, of your own hospital. ' +
        'From this block on the old key can only object.',
    )
    .argument('<certificate>', 'file that `carequorum reenrol enrol` wrote')
    .addOption(
      new Option('--reason <reason>', 'what was lost').choices(lossReasons).makeOptionMandatory(),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum reenrol ask new.certificate --reason device-stolen --keystore hospital-a.keystore',
    'carequorum reenrol ask new.certificate --reason device-lost --yes --json --keystore hospital-a.keystore',
  ]).action((path: string, options: CommonOptions & { reason: LossReason }) =>
    run(options, async (context) => {
      const der = await readCertificateFile(path);
      const operator = await context.operator();
      const { claims, kid } = await operator.inspect(der);
      await context.confirm(
        [
          `${claims.name ?? ''}, ${claims.role ?? ''} of ${claims.hospital ?? ''}, gets the key ${kid}.`,
          'The old key stops working at once.',
        ],
        'Did you see the person and the papers, and is the thumbprint the one that you were read?',
      );
      const result = await context.work('Asking the hospitals', () =>
        askReenrolment(operator, der, options.reason),
      );
      await context.keepReceipts([result]);
      const { subject, from } = result.value as { subject: string; from: number };
      return {
        json: { subject, from, ...certifiedJson(result) },
        lines: [
          `Asked for. It can be finished from ${timeText(from)} on, unless the old key objects.`,
          certifiedLine(result),
          `Next: an operator of another hospital runs  carequorum reenrol approve ${subject} …`,
        ],
      };
    }),
  );
}

interface Step {
  readonly name: string;
  readonly summary: string;
  readonly act: (operator: Operator, subject: string) => Promise<CertifiedResult>;
}

function addStep(reenrol: Command, run: Runner, { name, summary, act }: Step): void {
  const command = reenrol
    .command(name)
    .summary(summary)
    .description(
      `${summary.charAt(0).toUpperCase()}${summary.slice(1)}. It shows who is meant, and asks.`,
    )
    .argument('<subject>', 'name of the person on the ledger, as `reenrol ask` prints it', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    `carequorum reenrol ${name} SUBJECT --keystore hospital-b.keystore`,
    `carequorum reenrol ${name} SUBJECT --yes --json --keystore hospital-b.keystore`,
  ]).action((subject: string, options: CommonOptions) =>
    run(options, async (context) => {
      const operator = await context.operator();
      const state = await context.look('Asking the hospitals', () =>
        reenrolmentOf(operator, subject),
      );
      await context.confirm(stateLines(state), `Do you ${name} this?`);
      const result = await context.work('Asking the hospitals', () => act(operator, subject));
      await context.keepReceipts([result]);
      return {
        json: { subject, step: name, ...certifiedJson(result) },
        lines: [`Done: ${name}.`, certifiedLine(result)],
      };
    }),
  );
}

function addObject(reenrol: Command, run: Runner): void {
  const command = reenrol
    .command('object')
    .summary('clinicians: nothing was lost, your old key goes on')
    .description(
      'If you did not lose your keys, somebody wants to become you. This ends it: your key works again, and ' +
        'the operators are told. You can object once: after that a quorum of hospitals has to agree before ' +
        'anything happens to your key. Speak to the operator of your hospital.',
    );
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum reenrol object --keystore ada.keystore',
    'carequorum reenrol object --keystore ada.keystore --receipts receipts.txt',
  ]).action((options: CommonOptions) =>
    run(options, async (context) => {
      const clinician = await context.clinician();
      const subject = ownSubject(clinician);
      const result = await context.work('Objecting', () => endReenrolment(clinician, subject));
      await context.keepReceipts([result]);
      return {
        json: { subject, ...certifiedJson(result) },
        lines: ['You objected: nobody takes over your identity.', certifiedLine(result)],
      };
    }),
  );
}

function addShow(reenrol: Command, run: Runner): void {
  const command = reenrol
    .command('show')
    .summary('see how far it is')
    .description('Shows who asked, who approved, and from when on it can be finished.')
    .argument('[subject]', 'clinicians: your own, if you name none', parseId);
  examples(keystoreOptions(command), [
    'carequorum reenrol show SUBJECT --keystore hospital-b.keystore',
    'carequorum reenrol show --keystore ada.keystore --json',
  ]).action((named: string | undefined, options: CommonOptions) =>
    run(options, async (context) => {
      const person = await context.person();
      if (named === undefined && person.kind !== 'clinician') {
        throw new UsageError('Say whose.', 'Give the subject that `reenrol ask` printed.');
      }
      const subject = named ?? ownSubject(person.kind === 'clinician' ? person.clinician : null);
      const state = await reenrolmentOf(holderOf(person), subject);
      return { json: state, lines: stateLines(state) };
    }),
  );
}

function ownSubject(clinician: Clinician | null): string {
  const subject = clinician?.data.enrolment?.subject;
  if (subject !== undefined) return subject;
  throw new SdkError('wrong_keystore', 'This keystore is not enrolled.', {
    nextStep: 'Give the keystore whose key is to be replaced.',
  });
}

function stateLines(state: ReenrolmentState): string[] {
  const { name, role, hospital, subject, kid, reason, requested, approvals } = state;
  const { counted, needed, contested } = state;
  return [
    `${name}, ${role} of ${hospital ?? ''} (${subject})`,
    `  new key      ${kid}`,
    `  reason       ${reason}`,
    `  asked by     ${requested.hospital}, ${timeText(requested.at.time)}`,
    ...approvals.map((one) => `  approved by  ${one.hospital}, ${timeText(one.at.time)}`),
    `  counting now ${counted.join(', ') || 'nobody'}: ${counted.length} of ${needed} hospitals that it takes`,
    ...(contested ? ['  The old key objected before: see the person before you approve.'] : []),
    `  status       ${state.status}`,
    `  finish from  ${timeText(state.from)} until ${timeText(state.until)}`,
  ];
}
