/** The lying validator of `npm run chaos -- byzantine` makes what the ledger takes for evidence. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ValidatorRuntime } from '../../functions/validator/runtime.ts';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { generateSigningKey, verifyP256 } from '../../lib/crypto/p256.ts';
import { verifyEvidence } from '../../lib/wire/evidence.ts';
import type { Envelope } from '../../lib/wire/messages.ts';
import { type SessionBody, sessionSigningBytes } from '../../lib/wire/session.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { voteSigningBytes } from '../../lib/wire/vote.ts';
import { equivocations } from '../../local/byzantine/equivocations.ts';
import { byzantineBundle } from '../../local/chaos/byzantine-bundle.ts';

const network = 'local-test';
const genesisHash = sha256(utf8('genesis'));

async function liar() {
  const kms = await generateSigningKey();
  const signer = await generateSigningKey();
  const validators = ['a', 'b', 'c', 'd'].map((id) => ({
    id,
    kmsKey: kms.publicKey,
    incarnation: 0,
    suspended: false,
  }));
  const body: SessionBody = {
    ...{ network, validator: 'b', incarnation: 0, purpose: 'vote', key: signer.publicKey },
    ...{ fromHeight: 0, untilHeight: 1_000 },
  };
  const session = { body, signature: await kms.sign(sessionSigningBytes(body)) };
  // What the lies read of a runtime, no more.
  const runtime = {
    self: 'b',
    signer: { sign: (bytes: Uint8Array) => signer.sign(bytes), incarnation: 0 },
    warm: new Map([['main', { record: { state: { validators } } }]]),
  } as unknown as ValidatorRuntime;
  return { runtime, signer, session, validators };
}

const said = { phase: 'prepare', height: 7, view: 2, hash: sha256(utf8('block')) } as const;

describe('a validator that lies', () => {
  it('signs a second vote for the same slot, which proves its guilt', async () => {
    const { runtime, signer, session, validators } = await liar();
    const set = validatorsHash(validators);
    const bytes = voteSigningBytes({ genesisHash, ledger: 'main', validatorsHash: set }, said);
    const vote = { ...said, validator: 'b', signature: await signer.sign(bytes) };
    const envelope: Envelope = {
      ...{ genesisHash, ledger: 'main', from: 'b' },
      messages: [{ type: 'vote', vote }],
    };
    const [lie] = await equivocations(runtime, envelope);
    if (lie?.type !== 'vote') throw new Error('it did not lie');
    const evidence = {
      ledger: 'main',
      validatorsHash: set,
      session,
      first: vote,
      second: lie.vote,
    };
    const context = { genesisHash, network, validators };
    expect(await verifyEvidence(evidence, context, verifyP256)).toBeNull();
  });

  it('says nothing about votes of others', async () => {
    const { runtime } = await liar();
    const vote = { ...said, validator: 'a', signature: new Uint8Array(64) };
    const envelope: Envelope = {
      ...{ genesisHash, ledger: 'main', from: 'b' },
      messages: [{ type: 'vote', vote }],
    };
    expect(await equivocations(runtime, envelope)).toEqual([]);
  });

  it('is bundled from the production function with one module in another’s place', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cq-byzantine-'));
    try {
      const zip = await byzantineBundle(folder);
      expect(zip.subarray(0, 2).toString()).toBe('PK');
      const code = readFileSync(join(folder, 'index.mjs'), 'utf8');
      expect(code).toContain('"equivocation"');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
