/** `carequorum insurer`: what was asked, and answers by a tariff. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { z } from 'zod';
import { policiesSchema, tariffSchema } from '../../lib/connected/tariff.ts';
import { SdkError } from '../../sdk/errors.ts';
import { answerClaim, isOpen, receivedClaims } from '../../sdk/insurer.ts';
import { writeTextFile } from '../../sdk/platform/node.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { byId } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { amountsText } from './claim.ts';
import { moneyText } from './connected-options.ts';

interface AnswerOptions extends CommonOptions {
  readonly tariff: string;
  readonly policies: string;
}

export function addInsurer(program: Command, run: Runner): void {
  const command = program
    .command('insurer')
    .summary('insurers: see what you are asked, and answer by your tariff')
    .description(
      'An insurer sees a policy number, codes and amounts, and who asks where that is a clinician or a pharmacy. ' +
        'It answers once, by a tariff and a book of policies that are files of its own.',
    );
  examples(command, [
    'carequorum insurer list --keystore mutual.keystore',
    'carequorum insurer answer CLAIM --tariff tariff.json --policies policies.json --keystore mutual.keystore',
  ]);
  const list = command
    .command('list')
    .summary('see what you are asked')
    .description(
      'Shows estimates and claims that wait for you, with their codes; --json shows all.',
    );
  examples(keystoreOptions(list), [
    'carequorum insurer list --keystore mutual.keystore',
    'carequorum insurer list --json --keystore mutual.keystore',
  ]).action((options: CommonOptions) => run(options, listAll));
  const answer = command
    .command('answer')
    .summary('answer one by the tariff')
    .description(
      'Settles the codes by the tariff and the policy, signs the answer and seals it to who asked. A claim that ' +
        'is paid is entered into the book of policies.',
    )
    .argument('<claim>', 'its id, or the start', parseId)
    .requiredOption('--tariff <file>', 'plans and prices; see config/tariff.example.json')
    .requiredOption('--policies <file>', 'the book of policies; see config/policies.example.json');
  examples(receiptsOption(keystoreOptions(answer)), [
    'carequorum insurer answer CLAIM --tariff tariff.json --policies policies.json --keystore mutual.keystore',
    'carequorum insurer answer CLAIM --tariff tariff.json --policies policies.json --json --keystore mutual.keystore',
  ]).action((id: string, options: AnswerOptions) =>
    run(options, (context) => answerOne(context, id, options)),
  );
}

async function listAll(context: CommandContext): Promise<CommandResult> {
  const insurer = await context.clinician();
  const all = await context.look('Asking', () => receivedClaims(insurer));
  const open = all.filter(({ claim }) => isOpen(claim, context.now()));
  const rows = open.map(({ claim, request, problem }) => [
    shortId(claim.id),
    claim.kind,
    claim.asker.role,
    request?.policy ?? '',
    problem ??
      (request?.lines ?? [])
        .map(({ system, code, units, charge }) => {
          const amount = charge === null ? '' : ` ${moneyText(charge, request?.currency ?? '')}`;
          return `${system}:${code}*${units}${amount}`;
        })
        .join(', '),
    timeText(claim.until),
  ]);
  const heads = ['id', 'what', 'asked by', 'policy', 'codes', 'answer before'];
  return {
    json: {
      claims: all.map(({ claim, request, problem }) => ({
        ...{ claim, problem, request: request && { ...request, replyKey: undefined } },
      })),
    },
    lines: rows.length === 0 ? ['Nothing waits for you.'] : table(heads, rows),
  };
}

async function answerOne(
  context: CommandContext,
  wanted: string,
  options: AnswerOptions,
): Promise<CommandResult> {
  const tariff = await readAs(options.tariff, tariffSchema);
  const policies = await readAs(options.policies, policiesSchema);
  const insurer = await context.clinician();
  const all = await context.look('Asking', () => receivedClaims(insurer));
  const received = byId(
    all.map((one) => ({ ...one, id: one.claim.id })),
    wanted,
    { what: 'claim', listedBy: 'carequorum insurer list' },
  );
  const done = await context.work('Answering', () =>
    answerClaim(insurer, received, { tariff, policies }),
  );
  if (done.policies !== policies) {
    await writeTextFile(options.policies, `${JSON.stringify(done.policies, null, 2)}\n`, {
      isPrivate: true,
    });
  }
  await context.keepReceipts([done.result]);
  const { answer, result } = done;
  return {
    json: { claimId: answer.claimId, answer, ...certifiedJson(result) },
    lines: [
      `${answer.decision}: ${amountsText(answer)}.`,
      ...(done.policies === policies ? [] : [`${options.policies} has it.`]),
      certifiedLine(result),
    ],
  };
}

async function readAs<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8');
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SdkError(
    'bad_input',
    `${path}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    {
      nextStep: 'See the examples in `config/` for the form.',
    },
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
