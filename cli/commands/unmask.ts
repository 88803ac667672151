/** `carequorum unmask`: two persons of two hospitals have a holder of a certificate named. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { SdkError } from '../../sdk/errors.ts';
import { writeTextFile } from '../../sdk/platform/node.ts';
import {
  allUnmaskings,
  approveUnmask,
  askUnmask,
  nameHolder,
  type Unmasker,
  type UnmaskReason,
  unmaskReasons,
} from '../../sdk/unmasking.ts';
import { readCertificateFile } from '../certificate-file.ts';
import type { CommandContext, Person } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { holderOf } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface AskOptions extends CommonOptions {
  readonly reason: UnmaskReason;
  readonly out: string;
}

const secretSchema = z.strictObject({
  format: z.literal('carequorum-unmask-1'),
  unmaskId: z.string(),
  serial: z.string(),
  salt: z.string(),
});

export function addUnmask(program: Command, run: Runner): void {
  const command = program
    .command('unmask')
    .summary('operators and auditors: have the holder of a one-time certificate named')
    .description(
      'Patients act by one-time certificates that nobody can trace alone. Where a court or a danger makes it ' +
        'necessary, one person asks with a reason and a second one, of another hospital, agrees; then the ' +
        'membership service answers the first. Everybody can see that it was done, by whom and why, and the ' +
        'patient is told.',
    );
  examples(command, [
    'carequorum unmask ask one-time.certificate --reason court-order --out case.secret --keystore auditor.keystore',
    'carequorum unmask approve REQUEST --receipts agreed.txt --keystore other.keystore',
    'carequorum unmask name case.secret --receipt agreed.txt --keystore auditor.keystore',
    'carequorum unmask list --keystore anna.keystore',
  ]);
  addAsk(command, run);
  addApprove(command, run);
  addName(command, run);
  addList(command, run);
}

function addAsk(unmask: Command, run: Runner): void {
  const command = unmask
    .command('ask')
    .summary('ask, as the first of two')
    .description(
      'Puts the reason and a commitment on the ledger: nobody else learns which certificate is meant. What opens ' +
        'the commitment is written to --out; keep it.',
    )
    .argument('<certificate>', 'file with the one-time certificate')
    .addOption(new Option('--reason <reason>', 'why').choices(unmaskReasons).makeOptionMandatory())
    .requiredOption('--out <file>', 'where the secret of this request is written');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum unmask ask one-time.certificate --reason court-order --out case.secret --keystore auditor.keystore',
    'carequorum unmask ask one-time.certificate --reason patient-safety --out case.secret --yes --json --keystore auditor.keystore',
  ]).action((path: string, options: AskOptions) =>
    run(options, async (context) => {
      const { serial } = parseCertificate(await readCertificateFile(path));
      const asker = unmaskerOf(await context.person());
      await context.confirm(
        [`You ask who got the certificate ${serial}: ${options.reason}. It stays on the ledger.`],
        'Ask?',
      );
      const { secret, result } = await context.work('Asking the hospitals', () =>
        askUnmask(asker, { serial, reasonCode: options.reason }),
      );
      await context.keepReceipts([result]);
      const file = { format: 'carequorum-unmask-1', ...secret, salt: toBase64url(secret.salt) };
      await writeTextFile(options.out, `${JSON.stringify(file, null, 2)}\n`, {
        isPrivate: true,
        overwrite: false,
      });
      return {
        json: { unmaskId: secret.unmaskId, secret: options.out, ...certifiedJson(result) },
        lines: [
          `Asked: ${secret.unmaskId}. What opens it is in ${options.out}.`,
          certifiedLine(result),
          'Next: somebody of another hospital runs  carequorum unmask approve REQUEST --receipts FILE …',
        ],
      };
    }),
  );
}

function addApprove(unmask: Command, run: Runner): void {
  const command = unmask
    .command('approve')
    .summary('agree, as the second of two')
    .description(
      'You agree that the membership service names somebody to the person who asked. Ask that person for the ' +
        'reason first. Give them your receipt (--receipts).',
    )
    .argument('<request>', 'id of the request, whole', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum unmask approve REQUEST --receipts agreed.txt --keystore other.keystore',
    'carequorum unmask approve REQUEST --receipts agreed.txt --yes --json --keystore other.keystore',
  ]).action((id: string, options: CommonOptions) =>
    run(options, async (context) => {
      const approver = unmaskerOf(await context.person());
      const all = await context.look('Asking the hospitals', () => allUnmaskings(approver));
      const found = all.find((one) => one.id === id);
      if (!found) throw unknownRequest(id);
      const { requested, reasonCode } = found;
      await context.confirm(
        [
          `Asked by the ${requested.role} ${requested.subject} of ${requested.hospital}: ${reasonCode}.`,
        ],
        'Do you agree?',
      );
      const result = await context.work('Asking the hospitals', () => approveUnmask(approver, id));
      await context.keepReceipts([result]);
      return {
        json: { unmaskId: id, ...certifiedJson(result) },
        lines: ['You agreed. Give the receipt to the person who asked.', certifiedLine(result)],
      };
    }),
  );
}

function addName(unmask: Command, run: Runner): void {
  const command = unmask
    .command('name')
    .summary('learn who it is, with the receipt of the second')
    .description(
      'Shows the receipt to the membership service, which answers only to you, for a day, and tells the patient.',
    )
    .argument('<secret>', 'file that `carequorum unmask ask` wrote')
    .requiredOption('--receipt <file>', 'receipt of the second person');
  examples(keystoreOptions(command), [
    'carequorum unmask name case.secret --receipt agreed.txt --keystore auditor.keystore',
    'carequorum unmask name case.secret --receipt agreed.txt --keystore auditor.keystore --json',
  ]).action((path: string, options: CommonOptions & { receipt: string }) =>
    run(options, (context) => name(context, path, options.receipt)),
  );
}

async function name(
  context: CommandContext,
  path: string,
  receiptPath: string,
): Promise<CommandResult> {
  const secret = secretSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!secret.success) {
    throw new SdkError('bad_input', `${path} is no secret of a request.`, {
      nextStep: 'Give the file that `carequorum unmask ask` wrote.',
    });
  }
  const lines = (await readFile(receiptPath, 'utf8')).trim().split('\n');
  const receipt = fromBase64url(lines.at(-1)?.trim() ?? '');
  const asker = unmaskerOf(await context.person());
  const { unmaskId, serial, salt } = secret.data;
  const found = await context.work('Asking the membership service', () =>
    nameHolder(asker, { unmaskId, serial, salt: fromBase64url(salt) }, receipt),
  );
  return {
    json: found,
    lines: [
      `${found.name}${found.birthDate === null ? '' : `, born ${found.birthDate}`}: ${found.role}, enrolled ${timeText(found.enrolledAt)}.`,
      'The patient is told that you asked, and why.',
    ],
  };
}

function addList(unmask: Command, run: Runner): void {
  const command = unmask
    .command('list')
    .summary('see every request that was ever made')
    .description(
      'Who asked, who agreed, and why. The list is proven to be complete; it names nobody.',
    );
  examples(keystoreOptions(command), [
    'carequorum unmask list --keystore anna.keystore',
    'carequorum unmask list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) =>
    run(options, async (context) => {
      const all = await allUnmaskings(holderOf(await context.person()));
      const rows = all.map(({ id, reasonCode, requested, approved }) => [
        shortId(id),
        reasonCode,
        `${requested.role} of ${requested.hospital}, ${timeText(requested.at.time)}`,
        approved ? `${approved.role} of ${approved.hospital}` : 'nobody',
      ]);
      return {
        json: { count: all.length, requests: all },
        lines:
          rows.length === 0
            ? ['Nobody ever asked.']
            : table(['id', 'reason', 'asked by', 'agreed by'], rows),
      };
    }),
  );
}

function unmaskerOf(person: Person): Unmasker {
  if (person.kind === 'operator') return person.operator;
  if (person.kind === 'clinician') return person.clinician;
  throw new SdkError('wrong_keystore', 'Patients do not ask for others’ names.', {
    nextStep: 'Give the keystore of an operator or an auditor.',
  });
}

function unknownRequest(id: string): SdkError {
  return new SdkError('not_found', `There is no request ${id}.`, {
    nextStep: 'See `carequorum unmask list`.',
  });
}
