/** Seeded bugs of votes and certificates: what is signed, what counts, what is remembered. */
import type { SeededBug } from './bug.ts';

export const votingBugs: readonly SeededBug[] = [
  {
    name: 'quorum-one-short',
    rule: 'section 1',
    summary: 'a certificate needs one vote too few',
    edits: [
      {
        file: 'lib/wire/validators.ts',
        find: 'return Math.ceil((n + faultyMax(n) + 1) / 2);',
        put: 'return Math.ceil((n + faultyMax(n) + 1) / 2) - 1;',
      },
    ],
  },
  {
    name: 'phase-not-signed',
    rule: 'section 2',
    summary: 'a prepare passes for a commit: the phase is not among the signed bytes',
    edits: [
      {
        file: 'lib/wire/vote.ts',
        find: 'encodeCbor({ phase, genesisHash, ledger, validatorsHash, height, view, hash })',
        put: "encodeCbor({ phase: phase === 'commit' ? 'prepare' : phase, genesisHash, ledger, validatorsHash, height, view, hash })",
      },
    ],
  },
  {
    name: 'view-not-signed',
    rule: 'section 2',
    summary: 'a vote of one view passes for one of another',
    edits: [
      {
        file: 'lib/wire/vote.ts',
        find: 'encodeCbor({ phase, genesisHash, ledger, validatorsHash, height, view, hash })',
        put: 'encodeCbor({ phase, genesisHash, ledger, validatorsHash, height, hash, view: view * 0 })',
      },
    ],
  },
  {
    name: 'votes-not-verified',
    rule: 'section 2, checks',
    summary: 'signatures of votes are not looked at',
    edits: [
      {
        file: 'lib/wire/verify-certificate.ts',
        find: 'if (await verify(session.body.key, bytes, vote.signature)) return true;',
        put: 'if (bytes.length > 0) return true;',
      },
    ],
  },
  {
    name: 'certificate-of-keys',
    rule: 'section 1, distinct validators',
    summary: 'one validator twice counts as two votes of a certificate',
    edits: [
      {
        file: 'lib/wire/verify-certificate.ts',
        find: 'if (distinct.size !== certificate.votes.length) return false;',
        put: '',
      },
      {
        file: 'lib/wire/verify-certificate.ts',
        find: 'if (distinct.size < quorumSize(set.length)) return false;',
        put: 'if (certificate.votes.length < quorumSize(set.length)) return false;',
      },
    ],
  },
  {
    name: 'mixed-views',
    rule: 'L7, one view',
    summary: 'votes of several views and headers make one certificate',
    edits: [
      {
        file: 'lib/wire/vote.ts',
        find: 'if (vote.view !== wanted.view || !equalBytes(vote.hash, wanted.hash)) continue;',
        put: '',
      },
    ],
  },
  {
    name: 'own-vote-not-stored',
    rule: 'persist, then send',
    summary: 'the stored record does not say what was voted',
    edits: [
      {
        file: 'functions/validator/replica/send.ts',
        find: 'const encoded = encodeRecord(record);',
        put: 'const encoded = encodeRecord({ ...record, state: { ...state, slot: { ...state.slot, myPrepare: null, myCommit: null, prepared: null } } });',
      },
    ],
  },
  {
    name: 'sent-before-stored',
    rule: 'persist, then send',
    summary: 'votes go out before the state that records them is saved',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: 'const signature = await signer.sign(',
        put: "const envelope = { genesisHash: run.runtime.genesis.hash, ledger: run.ledger, from: run.state.self, messages: [{ type: 'vote' as const, vote: { ...vote, signature: await signer.sign(voteSigningBytes(contextOf(run.state, vote.height), vote)) } }] };\n  const { encodePeerMessage } = await import('../../aws/inbox-message.ts');\n  for (const to of peersOf(run.state)) await run.runtime.ports.peers.send(to, encodePeerMessage(envelope), { group: run.ledger, deduplicationId: run.runtime.freshId() }).catch(() => undefined);\n  const signature = await signer.sign(",
      },
    ],
  },
  {
    name: 'votes-twice-in-a-view',
    rule: 'L19',
    summary: 'the last proposal of a view is voted for, not the first alone',
    edits: [
      {
        file: 'lib/pbft/record.ts',
        find: 'if (state.changing || vote.view !== state.view || slot.proposal?.view === vote.view) return;',
        put: 'if (state.changing || vote.view !== state.view) return;',
      },
      {
        file: 'lib/pbft/own-votes.ts',
        find: 'if (mine && mine.view >= state.view) return contradiction(draft, mine, proposal);\n  state.slot.myPrepare',
        put: 'if (mine && mine.view >= state.view && sameHash(mine.hash, proposal.hash)) return;\n  state.slot.myPrepare',
      },
    ],
  },
  {
    name: 'commit-without-prepared',
    rule: 'L6',
    summary: 'a proposal is committed to as soon as it is executed',
    edits: [
      {
        file: 'lib/pbft/advance.ts',
        find: '  if (!certificate) return;\n  slot.prepared = { header: proposal.header, certificate };',
        put: '  if (certificate) slot.prepared = { header: proposal.header, certificate };',
      },
    ],
  },
  {
    name: 'executes-without-comparing',
    rule: 'L5',
    summary: 'what comes out of execution is not compared with the header',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: 'if (!block || !equalBytes(block.hash, hash)) {',
        put: 'if (!block) {',
      },
    ],
  },
  {
    name: 'decided-not-verified',
    rule: 'L16',
    summary: 'whoever says that a block is decided is believed',
    edits: [
      {
        file: 'lib/pbft/verify.ts',
        find: "      return certifies(state, message.header, message.certificate, 'commit', verify);",
        put: '      return message.certificate.height === message.header.height;',
      },
    ],
  },
  {
    name: 'suspended-votes-counted',
    rule: 'L21',
    summary: 'votes of a suspended validator count',
    edits: [
      {
        file: 'lib/wire/verify-certificate.ts',
        find: 'if (!seat || seat.suspended) return false;',
        put: 'if (!seat) return false;',
      },
      {
        file: 'lib/wire/vote.ts',
        find: 'if (seat && !seat.suspended) chosen.set',
        put: 'if (seat) chosen.set',
      },
      {
        file: 'lib/pbft/seats.ts',
        find: 'if (!seat || seat.suspended || session === null) return false;',
        put: 'if (!seat || session === null) return false;',
      },
    ],
  },
  {
    name: 'frames-over-views',
    rule: 'L21, no framing',
    summary: 'votes of two views count as a contradiction',
    edits: [
      {
        file: 'lib/pbft/contradiction.ts',
        find: '    first.view === second.view &&\n',
        put: '',
      },
      {
        file: 'lib/wire/evidence.ts',
        find: "  if (second.view !== first.view) return 'other_slot';\n",
        put: '',
      },
      {
        file: 'lib/pbft/contradiction.ts',
        find: 'const first = held.find((one) => contradict(one, vote));',
        put: 'const first = held.find((one) => one.validator === vote.validator && !sameHash(one.hash, vote.hash));',
      },
      {
        file: 'lib/pbft/verify.ts',
        find: 'if (same && same.view >= vote.view) return false;',
        put: 'if (same && same.view > vote.view) return false;',
      },
    ],
  },
];
