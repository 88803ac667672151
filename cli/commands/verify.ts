/** `carequorum verify`: receipts, exports and genesis documents, offline, by the genesis alone. */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { z } from 'zod';
import { fromBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { decodeReceipt } from '../../lib/ledger/receipt.ts';
import { type VerifiedReceipt, verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { type Genesis, signedGenesisSchema, verifyGenesis } from '../../lib/wire/genesis.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { caseExportSchema } from '../../sdk/case-export.ts';
import { verifyCase } from '../../sdk/case-verify.ts';
import { SdkError } from '../../sdk/errors.ts';
import { fileExists } from '../../sdk/platform/node.ts';
import { Proofs } from '../../sdk/proofs.ts';
import type { CommandContext } from '../context.ts';
import { type Export, exportedLists, exportSchema } from '../export-format.ts';
import { findGenesis, foldersOf } from '../find-genesis.ts';
import { type CommonOptions, examples, jsonOption } from '../options.ts';
import { type CommandResult, plural } from '../output.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { readDocument } from './genesis.ts';

interface VerifyOptions extends CommonOptions {
  readonly genesis?: string;
  readonly expect?: string;
}

export function addVerify(program: Command, run: Runner): void {
  const command = program
    .command('verify')
    .summary('check receipts, an export or a genesis document, offline')
    .description(
      'Checks offline, with the genesis document alone, that a quorum of hospitals certified what a file ' +
        'says. It asks no server and needs no keystore. It takes\n' +
        '  receipts     files of --receipts: one receipt a line\n' +
        '  an export    of `carequorum export`: every entry, and that no entry was left out\n' +
        '  a case       of `carequorum case export`: its whole ledger, up to the anchor\n' +
        '  a network    file or genesis: that every operator signed it\n' +
        'Compare the genesis hash with an operator, or give it with --expect.',
    )
    .argument('<file>', 'what is checked')
    .option(
      '--genesis <file>',
      'genesis document or network file (default: the one that the file names, beside it or in this ' +
        'folder; else CAREQUORUM_NETWORK or .local/network.json)',
    )
    .option('--expect <hash>', 'genesis hash that an operator told you');
  examples(jsonOption(command), [
    'carequorum verify anna-2026-11.json --genesis network.json',
    'carequorum verify receipts.txt --genesis genesis.json --expect HASH',
    'carequorum verify network.json',
  ]).action((file: string, options: VerifyOptions) =>
    run(options, (context) => verify(context, file, options)),
  );
}

async function verify(
  context: CommandContext,
  path: string,
  options: VerifyOptions,
): Promise<CommandResult> {
  const content = await readFile(path, 'utf8');
  const parsed = parseJson(content);
  const signed = signedIn(parsed);
  if (signed) return verifySigned(signed, options.expect);
  const given = options.genesis === undefined ? null : await readDocument(options.genesis);
  const isExport = exportHead.safeParse(parsed);
  const receipts = isExport.success ? [] : receiptsIn(content, parsed);
  const isCase = isExport.success && isExport.data.format === 'carequorum-case-export-1';
  const named = isExport.success ? isExport.data.genesisHash : genesisHashOf(receipts[0]);
  const genesis = given?.genesis ?? (await genesisFor(context, path, named));
  requireHash(genesis, options.expect);
  const result = isCase
    ? await verifyCaseExport(parsed, genesis)
    : isExport.success
      ? await verifyExport(parsed, genesis)
      : await verifyReceipts(receipts, genesis);
  return { ...result, lines: [...result.lines, ...compareLine(options.expect)] };
}

const exportHead = z.looseObject({
  format: z.enum(['carequorum-export-1', 'carequorum-case-export-1']),
  genesisHash: z.string(),
});

async function verifyCaseExport(parsed: unknown, genesis: Genesis): Promise<CommandResult> {
  const checked = caseExportSchema.safeParse(parsed);
  if (!checked.success) throw bad('The export is not of its format.', checked.error);
  requireSameGenesis(checked.data, genesis);
  const { network, genesisHash } = checked.data;
  const found = await verifyCase(checked.data, genesis);
  const { caseId, anchor, notes, questions, entries } = found;
  const isQuestion = ({ fn }: { fn: string }): boolean => fn === 'case.question';
  const written = notes.filter((one) => !isQuestion(one));
  const opened = written.filter(({ said }) => said !== null).length;
  return {
    json: { verified: 'case', genesisHash, caseId, anchor, notes, questions, entries },
    lines: [
      `Good: case ${caseId}, from its opening to the anchor in the main ledger:`,
      `  ${plural(anchor.height, 'block')}, ${plural(written.length, 'note')} (${opened} opened), ` +
        `${plural(questions.length, 'question')} settled, ${plural(entries, 'other entry', 'other entries')};`,
      `  complete, and each certified by a quorum of ${network}.`,
      `Genesis: ${genesisHash}`,
    ],
  };
}

function requireSameGenesis({ genesisHash }: { genesisHash: string }, genesis: Genesis): void {
  if (genesisHash === toHex(genesis.hash)) return;
  throw new SdkError('mismatch', 'The export is of another network than the genesis document.', {
    nextStep: 'Give the genesis document of that network with --genesis.',
  });
}

/** The genesis document that the file names, where it lies near; else that of the network in use. */
async function genesisFor(
  context: CommandContext,
  path: string,
  named: string | null,
): Promise<Genesis> {
  const found = named === null ? null : await findGenesis(named, foldersOf(path));
  if (found) {
    context.note(`Genesis document: ${found.path}`);
    return found.genesis;
  }
  if (await fileExists(context.networkPath)) {
    return (await readDocument(context.networkPath)).genesis;
  }
  throw new SdkError('not_found', 'The genesis document that this file names is not here.', {
    nextStep: 'Give it with --genesis FILE, or put it beside the file; an operator has it.',
    details: { genesisHash: named },
  });
}

/** Which genesis a receipt says it is of, or null where it cannot be read. */
function genesisHashOf(receipt: string | undefined): string | null {
  try {
    return toHex(decodeReceipt(fromBase64url(receipt ?? '')).genesisHash);
  } catch {
    return null;
  }
}

async function verifySigned(
  signed: z.infer<typeof signedGenesisSchema>,
  expect: string | undefined,
): Promise<CommandResult> {
  const genesis = await verifyGenesis(signed).catch((cause: unknown) => {
    throw bad(
      `The genesis document is not signed by all its operators: ${messageOf(cause)}`,
      cause,
    );
  });
  requireHash(genesis, expect);
  const { network, validators } = genesis.document;
  const genesisHash = toHex(genesis.hash);
  return {
    json: { verified: 'genesis', network, genesisHash, operators: validators.length },
    lines: [
      `Good: all ${validators.length} operators of ${network} signed this genesis document.`,
      `Hash: ${genesisHash}`,
      ...compareLine(expect),
    ],
  };
}

async function verifyReceipts(
  receipts: readonly string[],
  genesis: Genesis,
): Promise<CommandResult> {
  const verified: VerifiedReceipt[] = [];
  for (const [index, text] of receipts.entries()) {
    verified.push(await receiptOf(text, genesis, `Receipt ${index + 1}`));
  }
  return {
    json: {
      verified: 'receipts',
      genesisHash: toHex(genesis.hash),
      receipts: verified.map(({ result, height, time }) => ({ ...result, height, time })),
    },
    lines: [
      ...verified.map(({ result, height, time }) => {
        const { fn } = fnOf.parse(result.value ?? {});
        const outcome = result.status === 'COMMITTED' ? (fn ?? '') : `refused: ${result.code}`;
        return `${timeText(time)}  block ${height}  ${result.id}  ${outcome}`;
      }),
      `Good: ${plural(verified.length, 'receipt')} certified by a quorum of ${genesis.document.network}.`,
      `Genesis: ${toHex(genesis.hash)}`,
    ],
  };
}

const fnOf = z.looseObject({ fn: z.string().optional() });

/** Every list is the proven one, without a gap; every entry of the history has its receipt. */
async function verifyExport(parsed: unknown, genesis: Genesis): Promise<CommandResult> {
  const checked = exportSchema.safeParse(parsed);
  if (!checked.success) throw bad('The export is not of its format.', checked.error);
  const file = checked.data;
  requireSameGenesis(file, genesis);
  const pages = await provenPages(file, genesis);
  for (const [name, fn] of Object.entries(exportedLists)) {
    requireList(name, pages.get(fn) ?? [], file[name as keyof typeof exportedLists]);
  }
  const own = [...file.records, ...file.permissions];
  if (own.some(({ pseudonym }) => pseudonym !== file.pseudonym)) {
    throw bad('An entry is of another patient.', null);
  }
  await requireReceipts(file, genesis);
  const heights = [...pages.values()].flat().map((page) => page.height);
  const { history, permissions, records, receipts } = file;
  return {
    json: {
      verified: 'export',
      genesisHash: file.genesisHash,
      pseudonym: file.pseudonym,
      height: Math.min(...heights),
      history: history.length,
      permissions: permissions.length,
      records: records.length,
      receipts: receipts.length,
    },
    lines: [
      `Good: ${plural(history.length, 'entry', 'entries')} of history, ${plural(permissions.length, 'permission')} and ${plural(records.length, 'record')},`,
      `complete as of block ${Math.min(...heights)}; ${plural(receipts.length, 'receipt')} certified by a quorum of ${file.network}.`,
      `Genesis: ${file.genesisHash}`,
    ],
  };
}

interface ProvenPage {
  readonly height: number;
  readonly count: number;
  readonly from: number;
  readonly items: readonly unknown[];
}

const pageSchema = z.object({ count: z.int(), from: z.int(), items: z.array(z.unknown()) });

/** Each answer is verified and its query run again over what it proves; all are of one owner. */
async function provenPages(
  file: Export,
  genesis: Genesis,
): Promise<ReadonlyMap<string, readonly ProvenPage[]>> {
  const pages = new Map<string, ProvenPage[]>();
  const owners = new Set<string>();
  for (const { validator, query, answer } of file.proofs) {
    try {
      const transaction = parseTransaction(query);
      const { signer, fn } = transaction;
      if (signer.kind === 'key') throw new Error('a query of no patient');
      owners.add(signer.ownerKid);
      const by = { validator, now: file.exportedAt };
      const proven = await new Proofs(genesis).answer(answer, transaction, by);
      const page = { height: proven.height, ...pageSchema.parse(await proven.value()) };
      pages.set(fn, [...(pages.get(fn) ?? []), page]);
    } catch (cause) {
      throw bad(`A proof of the export does not hold: ${messageOf(cause)}`, cause);
    }
  }
  if (owners.size !== 1) throw bad('The proofs are not of one patient.', null);
  return pages;
}

function requireList(name: string, pages: readonly ProvenPage[], listed: readonly unknown[]): void {
  const ordered = [...pages].sort((a, b) => a.from - b.from);
  const newest = [...pages].sort((a, b) => b.height - a.height)[0];
  const proven = new Map<number, unknown>();
  for (const { from, items } of ordered) {
    items.forEach((item, index) => proven.set(from + index, item));
  }
  if (!newest || newest.count !== listed.length || proven.size !== listed.length) {
    throw bad(`The list of ${name} is not complete.`, null);
  }
  listed.forEach((entry, index) => {
    if (!isDeepStrictEqual(plain(entry), plain(proven.get(index)))) {
      throw bad(`Entry ${index + 1} of the list of ${name} is not what the ledger says.`, null);
    }
  });
}

/** A receipt for each entry, which says the same. */
async function requireReceipts(file: Export, genesis: Genesis): Promise<void> {
  const byId = new Map<string, VerifiedReceipt>();
  for (const [index, text] of file.receipts.entries()) {
    const verified = await receiptOf(text, genesis, `Receipt ${index + 1}`);
    byId.set(verified.result.id, verified);
  }
  for (const [index, entry] of file.history.entries()) {
    const receipt = byId.get(entry.transaction);
    const value = decisionOf.safeParse(receipt?.result.value);
    const isSame =
      receipt?.result.status === 'COMMITTED' &&
      receipt.height === entry.height &&
      receipt.time === entry.time &&
      value.success &&
      value.data.fn === entry.fn &&
      (value.data.decision ?? 'done') === entry.decision;
    if (!isSame) throw bad(`Entry ${index + 1} of the history has no receipt that says it.`, null);
  }
}

const decisionOf = z.looseObject({ fn: z.string(), decision: z.string().optional() });

async function receiptOf(text: string, genesis: Genesis, what: string): Promise<VerifiedReceipt> {
  try {
    return await verifyReceipt(fromBase64url(text), genesis);
  } catch (cause) {
    throw bad(`${what} does not hold: ${messageOf(cause)}`, cause);
  }
}

/** A signed genesis document, alone or in a network file. */
function signedIn(parsed: unknown): z.infer<typeof signedGenesisSchema> | null {
  const inFile = z.looseObject({ genesis: signedGenesisSchema }).safeParse(parsed);
  if (inFile.success) return inFile.data.genesis;
  const alone = signedGenesisSchema.safeParse(parsed);
  return alone.success ? alone.data : null;
}

/** Lines of text, or every `receipt` of a document that a command printed with --json. */
function receiptsIn(content: string, parsed: unknown): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'receipt' && typeof inner === 'string') found.push(inner);
      else visit(inner);
    }
  };
  if (parsed === null)
    found.push(
      ...content
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean),
    );
  else visit(parsed);
  if (found.length > 0) return found;
  throw new SdkError('bad_input', 'The file holds nothing that can be checked.', {
    nextStep: 'Give receipts, an export, a network file or a genesis document.',
  });
}

function requireHash(genesis: Genesis, expect: string | undefined): void {
  if (expect === undefined || expect.toLowerCase() === toHex(genesis.hash)) return;
  throw new SdkError(
    'mismatch',
    `The genesis hash is ${toHex(genesis.hash)}, not the expected one.`,
    {
      nextStep: 'Trust nothing of it; get the network file from an operator whom you know.',
    },
  );
}

function compareLine(expect: string | undefined): string[] {
  return expect === undefined ? ['Compare this hash with an operator whom you know.'] : [];
}

function bad(message: string, cause: unknown): SdkError {
  return new SdkError('not_proven', message, {
    nextStep: 'Do not rely on this file: it was altered, damaged, or is of another network.',
    ...(cause === null ? {} : { cause }),
  });
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content) as unknown;
  } catch {
    return null;
  }
}

/** As JSON would have it. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null)) as unknown;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'malformed';
}
