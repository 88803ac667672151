/** Installing the genesis document: only one that every operator signed and that holds our keys. */

import { equalBytes, fromBase64url, toBase64url, toHex } from '../../../lib/crypto/bytes.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { limits } from '../../../lib/limits.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import {
  type Genesis,
  type SignedGenesis,
  signedGenesisSchema,
  verifyGenesis,
} from '../../../lib/wire/genesis.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { HttpError } from '../../aws/problems.ts';
import { computeGenesisBlock, type GenesisBlock } from '../genesis-block.ts';
import { acceptGenesis, initialiseReplica } from '../install-genesis.ts';
import { parseRequestBody } from './request.ts';
import type { ApiRuntime } from './runtime.ts';

/** The document as JSON text inside JSON, and its signatures. */
const BODY_CHARS_MAX = 2 * limits.genesisBytesMax + limits.validatorsMax * 4_200;

export function postGenesis(runtime: ApiRuntime): Operation {
  return {
    bodyCharsMax: BODY_CHARS_MAX,
    async run({ body }): Promise<HttpAnswer> {
      const signed = parseRequestBody(signedGenesisSchema, body);
      const genesis = await verifyGenesis(signed);
      await checkOwn(runtime, genesis);
      const block = await firstBlock(genesis);
      await accept(runtime, signed);
      const self = runtime.deps.validator;
      await initialiseReplica(runtime.deps.ports, { genesis, block, self, hasForgotten: false });
      const { network } = genesis.document;
      return { status: 200, body: { network, genesisHash: toHex(genesis.hash) } };
    },
  };
}

/** Step: of our network, our operator has signed, our own keys are in it. */
async function checkOwn(runtime: ApiRuntime, { document, sessions }: Genesis): Promise<void> {
  const { network, validator, operatorKey, keyring } = runtime.deps;
  if (document.network !== network) {
    throw new WireError('wrong_network', `this validator is of ${network}`);
  }
  const own = document.validators.find((one) => one.id === validator);
  if (!own) throw mismatch(`${validator} is not among its validators`);
  if (thumbprint(fromBase64url(own.operatorKey)) !== operatorKey) {
    throw new HttpError('wrong_operator', `The operator of ${validator} is another`);
  }
  const [kmsKey, bundle] = await Promise.all([runtime.deps.kmsKey(), keyring.bundle()]);
  if (!equalBytes(fromBase64url(own.kmsKey), kmsKey)) throw mismatch('kmsKey');
  if (bundle === null) throw mismatch('this validator has no keys yet: see /v1/bootstrap');
  const wanted = [bundle.session.certificate, bundle.read.certificate];
  const named = sessions
    .filter((session) => session.body.validator === validator)
    .map((session) => toBase64url(encodeCbor(session)));
  if (!wanted.every((certificate) => named.includes(certificate))) throw mismatch('sessions');
  if (own.shareKey !== bundle.shareKey) throw mismatch('shareKey');
}

/** Step: it is the first, or the same again. */
async function accept(runtime: ApiRuntime, signed: SignedGenesis): Promise<void> {
  const installed = await acceptGenesis(runtime.deps.ports, signed);
  if (installed.document !== signed.document) {
    throw new HttpError('already_initialised', 'A network has one genesis');
  }
}

/** Step: it makes a state, which is known before it is accepted for good. */
async function firstBlock(genesis: Genesis): Promise<GenesisBlock> {
  try {
    return await computeGenesisBlock(genesis);
  } catch (cause) {
    throw new WireError('malformed', 'no state follows from the document', { cause });
  }
}

function mismatch(what: string): HttpError {
  return new HttpError('genesis_mismatch', what);
}
