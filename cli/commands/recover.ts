/** `carequorum recover`: a patient who lost the keys gets them back, and rotates. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { SdkError } from '../../sdk/errors.ts';
import { approveRecovery } from '../../sdk/guardian.ts';
import { guardiansStanding, vetoRecovery } from '../../sdk/guardians.ts';
import { createKeystore, type Keystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import { isRecovering, prepareRecovery, Recovery } from '../../sdk/recovery.ts';
import {
  approvalSchema,
  parseRecoveryFile,
  recoveryRequestSchema,
  requestCode,
} from '../../sdk/recovery-files.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import type { CommandContext } from '../context.ts';
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
import {
  rotateAsChosen,
  rotationOptions,
  rotationResult,
  type RunOptions,
} from '../rotation-run.ts';
import type { Runner } from '../runner.ts';
import { parseDay, timeText } from '../times.ts';
import { openLines, readPackage } from './guardians.ts';

interface StartOptions extends CommonOptions {
  readonly name?: string;
  readonly birthDate?: string;
  readonly letter?: string;
  readonly approval?: readonly string[];
  readonly out: string;
}
interface ApproveOptions extends CommonOptions {
  readonly package: string;
  readonly code?: string;
  readonly out: string;
}

export function addRecover(program: Command, run: Runner): void {
  const command = program
    .command('recover')
    .summary('get your keys back after a loss, with your guardians')
    .description(
      'For patients who lost the keystore or its passphrase and have guardians (`carequorum guardians`). Your ' +
        'guardians agree, then everybody waits: in that time whoever still has the keystore can object. Then the ' +
        'hospitals give their parts, the old keys come back, and you get new ones for everything.\n' +
        'If you are told of a recovery that is not yours: `carequorum recover veto`, at once.',
    );
  examples(command, [
    '# on the new computer:',
    'carequorum recover start --keystore new.keystore --out request.json',
    '# each guardian, with you on the telephone:',
    'carequorum recover approve request.json --package anna.package.json --out ben.approval.json --keystore ben.keystore',
    '# you again:',
    'carequorum recover start --keystore new.keystore --name "Anna Muster" --letter anna.letter --approval ben.approval.json --approval cara.approval.json',
    'carequorum recover status --keystore new.keystore',
    'carequorum recover finish --keystore new.keystore',
  ]);
  addStart(command, run);
  addApproveRecovery(command, run);
  addStatus(command, run);
  addVeto(command, run);
  addFinish(command, run);
}

function addStart(recover: Command, run: Runner): void {
  const command = recover
    .command('start')
    .summary('patients: ask your guardians, then start')
    .description(
      'Without --approval: makes the keys of this computer and writes the request for your guardians. With the ' +
        'approvals that they send back: starts the recovery, and the waiting begins.\n' +
        'The membership service knows you already, under the lost keys. So show your papers at a hospital: its ' +
        'operator writes a letter for the thumbprint that this command shows (`carequorum letter --role patient`).',
    )
    .option('--out <file>', 'where the request for the guardians is written', 'request.json')
    .option('--approval <file>', 'what a guardian sent back; repeat it', collect)
    .option('--name <name>', 'your full name, as you enrolled')
    .option('--birth-date <date>', 'as 1961-04-23, as you enrolled', parseDay)
    .option('--letter <file>', 'letter of an operator who saw you');
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum recover start --keystore new.keystore --out request.json',
    'carequorum recover start --keystore new.keystore --name "Anna Muster" --letter anna.letter --approval ben.approval.json --approval cara.approval.json',
  ]).action((options: StartOptions) => run(options, (context) => start(context, options)));
}

async function start(context: CommandContext, options: StartOptions): Promise<CommandResult> {
  const session = await context.session();
  const keystore = await recoveringKeystore(context);
  const recovery = await Recovery.open(session, keystore);
  const { approval: files = [] } = options;
  if (files.length === 0) return ask(recovery, options);
  const approvals = await Promise.all(
    files.map(async (path) =>
      parseRecoveryFile(approvalSchema, await readFile(path, 'utf8'), 'approval of a guardian'),
    ),
  );
  await enrolDevice(context, recovery, options);
  const result = await context.work('Starting the recovery', () => recovery.start(approvals));
  await context.keepReceipts([result]);
  const { from, until } = result.value as { from: number; until: number };
  return {
    json: { recoveryId: recovery.recoveryId, from, until, ...certifiedJson(result) },
    lines: [
      `The recovery is started. From ${timeText(from)} on, and before ${timeText(until)}, run:`,
      '  carequorum recover finish',
      certifiedLine(result),
    ],
  };
}

async function ask(recovery: Recovery, { out }: StartOptions): Promise<CommandResult> {
  const request = recovery.request();
  const code = requestCode(request);
  const { kid } = recovery.keystore;
  await writeTextFile(out, `${JSON.stringify(request, null, 2)}\n`);
  return {
    json: { request: out, code, thumbprint: kid, recoveryId: recovery.recoveryId },
    lines: [
      `1. Send ${out} to your guardians, ring each of them up, and read out this number: ${code}`,
      `2. Show your papers at a hospital; it writes a letter for this thumbprint: ${kid}`,
      '3. Run this again with --name, --letter and an --approval from each guardian.',
    ],
  };
}

async function enrolDevice(
  context: CommandContext,
  recovery: Recovery,
  { name, birthDate, letter }: StartOptions,
): Promise<void> {
  if (recovery.isEnrolled) return;
  const invitation = letter === undefined ? undefined : (await readFile(letter, 'utf8')).trim();
  const identity = name === undefined ? null : { name, birthDate };
  const status = await context.work('Enrolling this computer', () =>
    recovery.enrol(identity, invitation),
  );
  if (status === 'active') return;
  throw new SdkError('refused', 'The enrolment of this computer is still pending.', {
    nextStep: 'Run the same command again in a while.',
  });
}

/** Made at the first call; never in place of a keystore that holds something. */
async function recoveringKeystore(context: CommandContext): Promise<Keystore> {
  const path = context.keystorePath;
  if (await fileExists(path)) {
    const keystore = await context.keystore();
    if (isRecovering(keystore)) return keystore;
    throw new SdkError('keystore_exists', `${path} is no keystore of a recovery.`, {
      nextStep: 'Give a new file with --keystore: the recovered keys come into it.',
    });
  }
  const passphrase = await context.newPassphrase();
  const { workFactor } = context.environment;
  return context.work('Making the keys of this computer', async () => {
    const made = await createKeystore({
      ...{ path, passphrase, kind: 'patient', label: 'Patient' },
      ...(workFactor === undefined ? {} : { workFactor }),
    });
    await prepareRecovery(made);
    return made;
  });
}

function addApproveRecovery(recover: Command, run: Runner): void {
  const command = recover
    .command('approve')
    .summary('guardians: agree that this is the person whom you know')
    .description(
      'Signs for the new computer of the patient, and hands your part over to it. Do it only while you talk to ' +
        'the patient, by voice that you know or face to face, and only if the number that the patient reads to you ' +
        'is the one that you see. A message or a mail is no proof: it is what a thief would send.',
    )
    .argument('<request>', 'file that the patient sent')
    .requiredOption('--package <file>', 'the package that you got when you became a guardian')
    .option('--code <number>', 'the number that the patient reads to you (else you are asked)')
    .requiredOption('--out <file>', 'where your approval is written');
  examples(keystoreOptions(command), [
    'carequorum recover approve request.json --package anna.package.json --out ben.approval.json --keystore ben.keystore',
    'carequorum recover approve request.json --package anna.package.json --code "1234 5678 9012 3456" --out ben.approval.json --keystore ben.keystore',
  ]).action((path: string, options: ApproveOptions) =>
    run(options, (context) => approve(context, path, options)),
  );
}

async function approve(
  context: CommandContext,
  path: string,
  options: ApproveOptions,
): Promise<CommandResult> {
  const text = await readFile(path, 'utf8');
  const request = parseRecoveryFile(recoveryRequestSchema, text, 'request for a recovery');
  const box = await readPackage(options.package);
  await requireCode(context, requestCode(request), options.code, box.patient);
  const keystore = await context.keystore();
  const approval = await approveRecovery(keystore, box, request);
  await writeTextFile(options.out, `${JSON.stringify(approval, null, 2)}\n`, { isPrivate: true });
  return {
    json: { approval: options.out, patient: box.patient, recoveryId: request.recoveryId },
    lines: [
      `Your approval is in ${options.out}. Send it to ${box.patient}; nobody else can use it.`,
    ],
  };
}

/** The guardian types what the patient reads out: so both have the same request. */
async function requireCode(
  context: CommandContext,
  wanted: string,
  given: string | undefined,
  patient: string,
): Promise<void> {
  const typed = given ?? (await context.ask(`The number that ${patient} reads to you: `));
  if (typed.replaceAll(/\D/g, '') === wanted.replaceAll(' ', '')) return;
  throw new SdkError(
    'mismatch',
    'That is not the number of this request: it is of somebody else.',
    {
      nextStep: 'Do not approve. Ask the patient, by telephone, to send the request again.',
    },
  );
}

function addStatus(recover: Command, run: Runner): void {
  const command = recover
    .command('status')
    .summary('patients: see how far a recovery is')
    .description(
      'With the keystore of the new computer: how far your recovery is. With the one that you have always had: ' +
        'whether somebody is recovering your keys.',
    );
  examples(keystoreOptions(command), [
    'carequorum recover status --keystore new.keystore',
    'carequorum recover status --keystore anna.keystore',
  ]).action((options: CommonOptions) => run(options, status));
}

async function status(context: CommandContext): Promise<CommandResult> {
  const session = await context.session();
  const keystore = await context.keystore();
  if (!isRecovering(keystore)) {
    const patient = await Patient.open(session, keystore);
    if (patient.data.recovered) return rotateNext();
    const standing = await guardiansStanding(patient);
    const lines = openLines(standing);
    const { isOpen, recovery } = standing;
    return {
      json: { isOpen, recovery },
      lines: lines.length > 0 ? lines : ['Nobody is recovering your keys.'],
    };
  }
  const device = await Recovery.open(session, keystore);
  if (!device.isApproved) {
    return {
      json: { isOpen: false, recovery: null },
      lines: [
        'Not started: your guardians have to approve first.',
        'Next: carequorum recover start',
      ],
    };
  }
  const { recovery, isOpen } = await device.standing();
  const isMine = recovery?.id === device.recoveryId;
  return {
    json: { isOpen: isOpen && isMine, recovery: isMine ? recovery : null },
    lines: isMine && recovery ? [statusText(recovery, context.now())] : ['It is not started yet.'],
  };
}

function rotateNext(): CommandResult {
  return {
    json: { isOpen: true, recovery: null },
    lines: ['Your keys are back and have to be renewed.', 'Next: carequorum recover finish'],
  };
}

function statusText(
  { status: state, from, until }: { status: string; from: number; until: number },
  now: number,
): string {
  if (state === 'vetoed') return 'Whoever has the old keystore objected: this recovery is over.';
  if (state === 'done') return 'It is finished.';
  if (now >= until) return 'It was not finished in time: start a new one.';
  if (now < from) return `Waiting until ${timeText(from)}; then: carequorum recover finish`;
  return `The waiting is over. Until ${timeText(until)}: carequorum recover finish`;
}

function addVeto(recover: Command, run: Runner): void {
  const command = recover
    .command('veto')
    .summary('patients: stop a recovery that is not yours')
    .description(
      'Ends the open recovery of your keys, with the keystore that you have. Nothing was given out if the waiting ' +
        'was not over. Then name your guardians anew: some of them signed, and may have handed over their parts.\n' +
        'If you have a rotation key, give it: without it the keystore alone, which a thief may have, only makes ' +
        'the waiting twice as long, once, so that you can fetch the rotation key.',
    )
    .option('--rotation-key <file>', 'your rotation key, if you made one');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum recover veto --keystore anna.keystore',
    'carequorum recover veto --rotation-key anna.rotation-key --keystore anna.keystore',
  ]).action((options: CommonOptions & RotationKeyOptions) =>
    run(options, (context) => veto(context, options)),
  );
}

async function veto(context: CommandContext, options: RotationKeyOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const rotationKey = await rotationKeyOf(options);
  const standing = await guardiansStanding(patient);
  const { recovery, isOpen, known } = standing;
  if (!isOpen || !recovery) {
    throw new SdkError('not_found', 'Nobody is recovering your keys.', {
      nextStep: 'Nothing is to do. `carequorum guardians list` shows your guardians.',
    });
  }
  await context.confirm(openLines(standing), 'Stop this recovery?');
  const { result, isEnded, from } = await context.work('Objecting', () =>
    vetoRecovery(patient, recovery.id, rotationKey),
  );
  await context.keepReceipts([result]);
  if (!isEnded) return objected(result, from);
  const names = recovery.approvedBy.map((at) => known?.guardians[at]?.name ?? `number ${at + 1}`);
  const isOut = recovery.status === 'released';
  return {
    json: {
      recoveryId: recovery.id,
      signedBy: names,
      wasReleased: isOut,
      ...certifiedJson(result),
    },
    lines: [
      'The recovery is stopped.',
      `These guardians signed for it: ${names.join(', ')}. Ask them why.`,
      isOut
        ? 'Your keys may have been given out already. Next: carequorum rotate'
        : 'Next: name your guardians anew, carequorum guardians set',
      certifiedLine(result),
    ],
  };
}

/** The owner key alone, where the patient has a rotation key: nothing is stopped yet. */
function objected(result: CertifiedResult, from: number): CommandResult {
  return {
    json: { isEnded: false, from, ...certifiedJson(result) },
    lines: [
      `The recovery is NOT stopped: it waits until ${timeText(from)} now, and no longer.`,
      'To stop it: carequorum recover veto --rotation-key FILE',
      certifiedLine(result),
    ],
  };
}

function addFinish(recover: Command, run: Runner): void {
  const command = recover
    .command('finish')
    .summary('patients: get your keys, and new ones for everything')
    .description(
      'After the waiting: asks the hospitals for their parts and opens your keys, which can do nothing any more ' +
        'but get new ones. Then it shows every permission, as whoever found the lost keystore may have given some, ' +
        'and asks; after a yes it goes on as `carequorum rotate` does. --since DATE marks those that were given or ' +
        'extended from then on, and --leave-out ends those that you name. Ctrl-C stops it between two records; run ' +
        'it again and it goes on.',
    );
  examples(yesOption(receiptsOption(keystoreOptions(rotationOptions(command)))), [
    'carequorum recover finish --keystore new.keystore',
    'carequorum recover finish --keystore new.keystore --since 2026-11-02 --leave-out recent',
    'carequorum recover finish --keystore new.keystore --leave-behind --yes --json',
  ]).action((options: CommonOptions & RunOptions) =>
    run(options, (context) => finish(context, options)),
  );
}

async function finish(
  context: CommandContext,
  options: CommonOptions & RunOptions,
): Promise<CommandResult> {
  const session = await context.session();
  const keystore = await context.keystore();
  const patient = isRecovering(keystore)
    ? await openKeys(context, await Recovery.open(session, keystore))
    : await Patient.open(session, keystore);
  if (!patient.data.recovered && !patient.data.rotation) {
    throw new SdkError('not_found', 'Nothing is to be finished: this keystore is in order.', {
      nextStep: 'See `carequorum guardians list`.',
    });
  }
  const done = await rotateAsChosen(context, patient, options, { asked: askedToFinish });
  const { json, lines } = rotationResult(done);
  return {
    json,
    lines: [...lines, 'You are back. Name your guardians anew: carequorum guardians set'],
  };
}

const askedToFinish = {
  opening: [
    'Your keys are back. Whoever has the lost keystore may know them, so you get new ones for everything:',
    '  · the keys of before are dead from that moment on, whoever holds them;',
    '  · your records are encrypted again, which may take minutes; you can stop and go on;',
    '  · those whom you leave in below may read or write on, under the same terms.',
  ],
  refused: 'You did not say yes: your keys are back, and of no use until you get new ones.',
};

async function openKeys(context: CommandContext, recovery: Recovery): Promise<Patient> {
  return context.work('Asking the hospitals for their parts', () => recovery.openKeys());
}
