/** `carequorum export`: everything that the ledger says of a patient, with proofs for offline use. */
import type { Command } from 'commander';
import { toBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Transport } from '../../sdk/http.ts';
import type { Session } from '../../sdk/session.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import { Proofs } from '../../sdk/proofs.ts';
import { openListed } from '../../sdk/read.ts';
import { patientReader } from '../../sdk/patient-reader.ts';
import type { CommandContext } from '../context.ts';
import { type Export, type ExportedProof, exportedLists } from '../export-format.ts';
import { type CommonOptions, examples, keystoreOptions } from '../options.ts';
import { type CommandResult, plural, ProgressBar } from '../output.ts';
import { identitiesOf, personText } from '../people.ts';
import type { Runner } from '../runner.ts';

interface ExportOptions extends CommonOptions {
  readonly out: string;
}

const RECEIPTS_IN_FLIGHT = 4;

export function addExport(program: Command, run: Runner): void {
  const command = program
    .command('export')
    .summary('patients: save all that the ledger says of you, with proofs')
    .description(
      'Writes your whole history, all permissions and the list of your records into one private file, with ' +
        'receipts and proofs: anybody to whom you give it can check with `carequorum verify` and the ' +
        'genesis document alone, offline, that all of it is true and that nothing was left out. ' +
        'The documents themselves are fetched with `carequorum read --all`.',
    )
    .requiredOption('--out <file>', 'where it is written; readable by you alone');
  examples(keystoreOptions(command), [
    'carequorum export --keystore anna.keystore --out anna-2026-11.json',
    'carequorum verify anna-2026-11.json --genesis network.json',
  ]).action((options: ExportOptions) => run(options, (context) => exportAll(context, options.out)));
}

async function exportAll(context: CommandContext, out: string): Promise<CommandResult> {
  if (await fileExists(out)) {
    throw new SdkError('bad_input', `${out} is there already.`, {
      nextStep: 'Give another --out: nothing is overwritten.',
    });
  }
  const recorder = new AnswerRecorder();
  const patient = await context.patient((transport) => recorder.wrap(transport));
  const { session } = patient;
  const lists = await context.look('Asking the hospitals', async (signal) => ({
    // The records first: their names are an access, which the history then holds.
    records: await patient.records({ signal }),
    permissions: await patient.permissions({ signal }),
  }));
  const names = await namesOf(context, patient, lists);
  const history = await context.look('Asking the hospitals', (signal) =>
    patient.history({ signal }),
  );
  const people = await namesOfPeople(context, patient, [
    ...history.flatMap(({ actor }) => (actor.subject === null ? [] : [actor.subject])),
    ...lists.permissions.map((one) => one.grantee),
  ]);
  const proofs = await recorder.proofs(session, context.now());
  const receipts = await receiptsOf(
    context,
    patient,
    history.map((one) => one.transaction),
  );
  const file: Export = {
    format: 'carequorum-export-1',
    network: session.client.name,
    genesisHash: toHex(session.network.genesis.hash),
    exportedAt: context.now(),
    pseudonym: patient.pseudonym,
    history,
    ...lists,
    names: { ...names, people },
    proofs,
    receipts,
  };
  await writeTextFile(out, `${JSON.stringify(file, null, 1)}\n`, {
    isPrivate: true,
    overwrite: false,
  });
  const counts = {
    history: history.length,
    permissions: lists.permissions.length,
    records: lists.records.length,
    receipts: receipts.length,
    proofs: proofs.length,
  };
  return {
    json: { out, ...counts },
    lines: [
      `Written: ${out}`,
      `  ${plural(counts.history, 'entry', 'entries')} of history, ${plural(counts.permissions, 'permission')}, ${plural(counts.records, 'record')}`,
      `  ${plural(counts.receipts, 'receipt')}, ${plural(counts.proofs, 'proof')} that the lists are complete`,
      `Next: carequorum verify ${out} --genesis ${context.networkPath}`,
    ],
  };
}

async function namesOf(
  context: CommandContext,
  patient: Patient,
  { records }: Pick<Export, 'records'>,
): Promise<Pick<Export['names'], 'categories' | 'records'>> {
  const categories = Object.fromEntries(patient.categoryNames());
  if (records.length === 0) return { categories, records: {} };
  const { listed } = await context.work('Opening the names', () =>
    openListed(patientReader(patient, context.files), patient.pseudonym, records),
  );
  const known = listed.flatMap(({ record, metadata }) =>
    metadata ? [[record.id, metadata.path] as const] : [],
  );
  return { categories, records: Object.fromEntries(known) };
}

async function namesOfPeople(
  context: CommandContext,
  { session, signer }: Patient,
  subjects: readonly string[],
): Promise<Record<string, string>> {
  const people = await context.look('Looking for the people', () =>
    identitiesOf(session, signer, subjects),
  );
  return Object.fromEntries([...people].map(([subject, one]) => [subject, personText(one)]));
}

async function receiptsOf(
  context: CommandContext,
  { session }: Patient,
  transactions: readonly string[],
): Promise<string[]> {
  const ids = [...new Set(transactions)];
  const receipts: string[] = [];
  const bar = new ProgressBar(context.environment, 'receipts');
  const { signal } = context.environment.interrupt;
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < ids.length; index = next) {
      next += 1;
      const { receipt } = await session.client.certified(ids[index] as string, { signal });
      receipts[index] = toBase64url(receipt);
      done += 1;
      bar.update(done, ids.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: RECEIPTS_IN_FLIGHT }, worker));
  } finally {
    bar.clear();
  }
  return receipts;
}

/** Keeps what validators answered to queries, as it came over the line. */
class AnswerRecorder {
  readonly #answers = new Map<string, { url: string; answer: string }[]>();

  wrap(transport: Transport): Transport {
    return async (url, init) => {
      const response = await transport(url, init);
      if (url.endsWith('/v1/queries') && response.status === 200) {
        const text = await response.clone().text();
        this.#keep(url, init.body, text);
      }
      return response;
    };
  }

  /** For each page of the lists, the answer of the newest head that verifies. */
  async proofs({ client, network }: Session, now: number): Promise<ExportedProof[]> {
    const wanted: ReadonlySet<string> = new Set(Object.values(exportedLists));
    const proofs: ExportedProof[] = [];
    const known = [...client.validators, ...network.validators];
    for (const [query, answers] of this.#answers) {
      const transaction = parseTransaction(query);
      if (!wanted.has(transaction.fn)) continue;
      let best: ExportedProof | null = null;
      let highest = 0;
      for (const { url, answer } of answers) {
        const validator = known.find((one) => url.startsWith(`${one.url}/`))?.id ?? '';
        const proven = await new Proofs(network.genesis)
          .answer(answer, transaction, { validator, now })
          .catch(() => null);
        if (!proven || proven.height < highest) continue;
        highest = proven.height;
        best = { fn: transaction.fn, validator, query, answer };
      }
      if (best) proofs.push(best);
    }
    return proofs;
  }

  #keep(url: string, body: unknown, text: string): void {
    try {
      const { query } = JSON.parse(String(body)) as { query: string };
      const { answer } = JSON.parse(text) as { answer: string };
      this.#answers.set(query, [...(this.#answers.get(query) ?? []), { url, answer }]);
    } catch {
      // What is not of the form of an answer proves nothing, and the client says so.
    }
  }
}
