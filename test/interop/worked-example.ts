/** The worked example of docs/receipts.md, computed from the first golden receipt. */
import { fromBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { merkleLeafHash } from '../../lib/ledger/merkle.ts';
import { decodeReceipt } from '../../lib/ledger/receipt.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { parseGenesis } from '../../lib/wire/genesis.ts';
import { headerHash } from '../../lib/wire/header.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { voteSigningBytes } from '../../lib/wire/vote.ts';

const [START, END] = ['<!-- example -->', '<!-- /example -->'];
const LINE_CHARS = 88;

/** The page with this example in its place. */
export function withExample(page: string, example: string): string {
  const [from, to] = [page.indexOf(START), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error('the page has no place for the example');
  return `${page.slice(0, from)}${START}\n\n${example}\n${page.slice(to)}`;
}

export function workedExample(genesisText: string, receiptText: string): string {
  const genesis = parseGenesis(genesisText);
  const receipt = decodeReceipt(fromBase64url(receiptText));
  const { header, certificate, result } = receipt;
  const { phase, height, view, hash, votes } = certificate;
  const context = {
    genesisHash: genesis.hash,
    ledger: header.ledger,
    validatorsHash: validatorsHash(genesis.validators),
  };
  const [vote] = votes;
  const voter = genesis.sessions.find(({ body }) => {
    return body.validator === vote?.validator && body.purpose === 'vote';
  });
  if (!vote || !voter) throw new Error('a receipt without votes');
  const parts: [string, string | Uint8Array][] = [
    ['genesis hash, T("genesis", genesis.json)', genesis.hash],
    ['hash of the first set', context.validatorsHash],
    [`session of ${vote.validator}: CBOR of its body`, encodeCbor(voter.body)],
    ['what its KMS key signs, T("session-certificate", that)', sessionSigningBytes(voter.body)],
    ['CBOR of the header', encodeCbor(header)],
    ['hash of the header', headerHash(header)],
    ['CBOR of what a vote states', encodeCbor({ phase, ...context, height, view, hash })],
    ['what a vote signs, T("vote", that)', voteSigningBytes(context, certificate)],
    [`signature of ${vote.validator}, by the session's key`, vote.signature],
    ['the result, CBOR', result],
    ['its leaf, SHA-256(00 ‖ result)', merkleLeafHash(result)],
    ...receipt.proof.map((one, at): [string, Uint8Array] => [`sibling ${at + 1} from below`, one]),
    [`root of ${receipt.size} results, leaf at ${receipt.index}`, header.resultsRoot],
  ];
  const lines = parts.flatMap(([name, value]) => [name, ...wrapped(value)]);
  return ['```text', ...lines, '```', ''].join('\n');
}

function wrapped(value: string | Uint8Array): string[] {
  const hex = value instanceof Uint8Array ? toHex(value) : value;
  return (hex.match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? []).map((line) => `  ${line}`);
}
