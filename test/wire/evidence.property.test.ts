/** Evidence proves equivocation, and no mixture of messages frames an honest validator. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import {
  decodeEvidence,
  encodeEvidence,
  type Evidence,
  EVIDENCE_BYTES_MAX,
  type EvidenceFault,
  verifyEvidence,
} from '../../lib/wire/evidence.ts';
import {
  type SessionBody,
  type SessionCertificate,
  sessionSigningBytes,
} from '../../lib/wire/session.ts';
import type { ValidatorSet } from '../../lib/wire/validators.ts';
import { type Phase, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';

/** Signatures that only `sign` can make: enough here, where everybody's keys are in one process. */
function sign(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const half = sha256(concatBytes(utf8('secret'), key, bytes));
  return concatBytes(half, half);
}
const verify = async (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) =>
  equalBytes(sign(key, bytes), signature);

const keyOf = (name: string) => {
  const digest = sha256(utf8(name));
  return concatBytes(Uint8Array.of(4), digest, digest);
};
const hashOf = (name: string) => sha256(utf8(name));
const network = 'local-test';
const genesisHash = hashOf('genesis');
const ids = ['honest', 'faulty', 'third', 'fourth'];
const validators: ValidatorSet = ids.map((id) => ({
  id,
  kmsKey: keyOf(`kms ${id}`),
  incarnation: id === 'honest' ? 1 : 0,
  suspended: false,
}));

function certify(body: Partial<SessionBody> & { validator: string }, by = body.validator) {
  const { incarnation = 0, purpose = 'vote' } = body;
  const key = keyOf(`${purpose} ${body.validator} ${incarnation}`);
  const whole: SessionBody = {
    ...{ network, incarnation, purpose, key, fromHeight: 0, untilHeight: 1_000 },
    ...body,
  };
  return { body: whole, signature: sign(keyOf(`kms ${by}`), sessionSigningBytes(whole)) };
}

type Slot = { phase: Phase; ledger: string; height: number; view: number; set: string };

function vote(validator: string, slot: Slot, said: string, key: Uint8Array): Vote {
  const { phase, height, view, ledger } = slot;
  const statement = { phase, height, view, hash: hashOf(said) };
  const context = { genesisHash, ledger, validatorsHash: hashOf(slot.set) };
  return { ...statement, validator, signature: sign(key, voteSigningBytes(context, statement)) };
}

const context = { genesisHash, network, validators };
const slot: Slot = { phase: 'prepare', ledger: 'main', height: 7, view: 2, set: 'set' };
const faultyKey = keyOf('vote faulty 0');
const proof: Evidence = {
  ledger: 'main',
  validatorsHash: hashOf('set'),
  session: certify({ validator: 'faulty' }),
  first: vote('faulty', slot, 'a', faultyKey),
  second: vote('faulty', slot, 'b', faultyKey),
};

describe('evidence', () => {
  it.each(['prepare', 'commit', 'view-change', 'new-view'] as const)(
    'proves two statements of phase %s',
    async (phase) => {
      const first = vote('faulty', { ...slot, phase }, 'a', faultyKey);
      const second = vote('faulty', { ...slot, phase }, 'b', faultyKey);
      expect(await verifyEvidence({ ...proof, first, second }, context, verify)).toBeNull();
    },
  );

  it('survives its encoding, within its bound', () => {
    const bytes = encodeEvidence(proof);
    expect(bytes.length).toBeLessThan(EVIDENCE_BYTES_MAX);
    expect(decodeEvidence(bytes)).toEqual(proof);
  });

  const other = (change: Partial<Slot>, said = 'b') =>
    vote('faulty', { ...slot, ...change }, said, faultyKey);
  const copied = { ...certify({ validator: 'faulty' }), signature: new Uint8Array(64) };
  it.each<[EvidenceFault, Partial<Evidence>]>([
    ['unknown_validator', { first: { ...proof.first, validator: 'nobody' } }],
    ['other_validator', { second: { ...proof.second, validator: 'third' } }],
    ['other_slot', { second: other({ phase: 'commit' }) }],
    ['other_slot', { second: other({ height: 8 }) }],
    ['other_slot', { second: other({ view: 3 }) }],
    ['same_statement', { second: proof.first }],
    ['other_network', { session: certify({ validator: 'faulty', network: 'local-other' }) }],
    ['not_a_vote_session', { session: certify({ validator: 'third' }) }],
    ['not_a_vote_session', { session: certify({ validator: 'faulty', purpose: 'read' }) }],
    ['not_a_vote_session', { session: certify({ validator: 'faulty', incarnation: 1 }) }],
    ['not_a_vote_session', { session: certify({ validator: 'faulty', untilHeight: 6 }) }],
    ['bad_session', { session: copied }],
    ['bad_session', { session: certify({ validator: 'faulty' }, 'honest') }],
    ['bad_first_vote', { validatorsHash: hashOf('another set') }],
    ['bad_first_vote', { ledger: 'case' }],
    ['bad_first_vote', { first: vote('faulty', slot, 'a', keyOf('vote honest 1')) }],
    ['bad_second_vote', { second: other({ set: 'another set' }) }],
    ['bad_second_vote', { second: other({ ledger: 'case' }) }],
  ])('%s', async (fault, change) => {
    expect(await verifyEvidence({ ...proof, ...change }, context, verify)).toBe(fault);
  });
});

/** An honest validator that came back once: one statement for a slot in each incarnation. */
const slots: Slot[] = (['prepare', 'commit', 'view-change', 'new-view'] as const).flatMap((phase) =>
  ['main', 'case'].flatMap((ledger) =>
    [7, 8].flatMap((height) =>
      [0, 1].map((view) => ({ phase, ledger, height, view, set: `set ${height}` })),
    ),
  ),
);
const said = ({ phase, ledger, height, view }: Slot, incarnation: number): string =>
  `${phase} ${ledger} ${height} ${view} ${incarnation}`;
const honestVotes = slots.flatMap((one) =>
  [0, 1].map((incarnation) =>
    vote('honest', one, said(one, incarnation), keyOf(`vote honest ${incarnation}`)),
  ),
);
const honestSessions = [0, 1].flatMap((incarnation) =>
  (['vote', 'read'] as const).map((purpose) =>
    certify({ validator: 'honest', incarnation, purpose }),
  ),
);
/** What the faulty one can certify: its own key, or the honest one's, under either name. */
const faultySessions = ['honest', 'faulty'].flatMap((validator) =>
  [0, 1].flatMap((incarnation) =>
    [faultyKey, keyOf('vote honest 1')].map((key) =>
      certify({ validator, incarnation, key }, 'faulty'),
    ),
  ),
);
const faultyVotes = slots.flatMap((one) =>
  ['honest', 'faulty'].flatMap((name) =>
    ['a', 'b', said(one, 1)].map((text) => vote(name, one, text, faultyKey)),
  ),
);

const anySession: fc.Arbitrary<SessionCertificate> = fc.oneof(
  fc.constantFrom(...honestSessions, ...faultySessions),
  // A body of one with the signature of another.
  fc
    .tuple(
      fc.constantFrom(...honestSessions, ...faultySessions),
      fc.constantFrom(...honestSessions, ...faultySessions),
    )
    .map(([one, two]) => ({ ...one, signature: two.signature })),
);
const pool = [...honestVotes, ...faultyVotes];
const anyVote: fc.Arbitrary<Vote> = fc
  .record({
    base: fc.constantFrom(...pool),
    other: fc.constantFrom(...pool),
    taken: fc.subarray(['phase', 'height', 'view', 'hash', 'signature'] as const),
    name: fc.constantFrom('honest', 'honest', 'honest', 'faulty', 'third'),
  })
  .map(({ base, other, taken, name }) => {
    const mixed = Object.fromEntries(taken.map((field) => [field, other[field]]));
    return { ...base, ...mixed, validator: name };
  });
/** Votes that share a slot are rare among free ones: here the second takes it from the first. */
const anyPair = fc.tuple(anyVote, anyVote, fc.boolean()).map(([first, second, isSameSlot]) => {
  const { phase, height, view } = first;
  return isSameSlot ? { first, second: { ...second, phase, height, view } } : { first, second };
});

it('never frames an honest validator, whatever is mixed', async () => {
  const anyEvidence = fc.record({
    pair: anyPair,
    session: anySession,
    ledger: fc.constantFrom('main', 'case'),
    set: fc.constantFrom('set 7', 'set 8', 'set'),
    incarnation: fc.constantFrom(0, 1),
  });
  await fc.assert(
    fc.asyncProperty(anyEvidence, async ({ pair, session, ledger, set, incarnation }) => {
      const evidence = { ...pair, session, ledger, validatorsHash: hashOf(set) };
      const seats = validators.map((one) => (one.id === 'honest' ? { ...one, incarnation } : one));
      const judged = { ...context, validators: seats };
      const fault = await verifyEvidence(evidence, judged, verify);
      if (evidence.first.validator === 'honest') expect(fault).not.toBeNull();
    }),
    { numRuns: 4_000 },
  );
  // Exhaustively for whole votes: every pair of real ones under every session.
  for (const first of honestVotes) {
    for (const second of honestVotes) {
      if (first.height !== second.height || first.phase !== second.phase) continue;
      for (const session of [...honestSessions, ...faultySessions]) {
        const validatorsHash = hashOf(`set ${first.height}`);
        const evidence = { ledger: 'main', validatorsHash, session, first, second };
        expect(await verifyEvidence(evidence, context, verify)).not.toBeNull();
      }
    }
  }
});
