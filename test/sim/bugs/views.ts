/** Seeded bugs of proposals, view changes and time. */
import type { SeededBug } from './bug.ts';

export const viewBugs: readonly SeededBug[] = [
  {
    name: 'prepared-ignored',
    rule: 'L12',
    summary: 'a new view forgets what may have been committed in an earlier one',
    edits: [
      {
        file: 'lib/pbft/selection.ts',
        find: '  return { height, prepared };',
        put: '  return { height, prepared: prepared && null };',
      },
    ],
  },
  {
    name: 'prepared-of-the-lowest-view',
    rule: 'L12',
    summary: 'of several prepared certificates the oldest one binds',
    edits: [
      {
        file: 'lib/pbft/selection.ts',
        find: 'candidate.certificate.view > prepared.certificate.view',
        put: 'candidate.certificate.view < prepared.certificate.view',
      },
    ],
  },
  {
    name: 'prepared-forgotten',
    rule: 'L9',
    summary: 'a view-change leaves out what its sender has prepared',
    edits: [
      {
        file: 'lib/pbft/view-change.ts',
        find: 'prepared: state.slot.prepared };',
        put: 'prepared: null };',
      },
    ],
  },
  {
    name: 'reproposal-changed',
    rule: 'L3, byte-identical',
    summary: 'a bound block is proposed again under a new view, so with another hash',
    edits: [
      {
        file: 'lib/pbft/advance.ts',
        find: '    state.slot.proposal = { view, header: selected.header, hash: selected.hash, vote: null };',
        put: '    const header = { ...selected.header, view };\n    state.slot.proposal = { view, header, hash: headerHash(header), vote: null };',
      },
      {
        file: 'lib/pbft/proposal.ts',
        find: "return sameHash(selected.hash, proposal.hash) ? null : 'not what the view is bound to';",
        put: "return sameHash(selected.header.transactionsRoot, header.transactionsRoot) ? null : 'not what the view is bound to';",
      },
    ],
  },
  {
    name: 'clock-check-on-reproposal',
    rule: 'L4',
    summary: 'a bound block must be near the clock, so an old one is never voted for again',
    edits: [
      {
        file: 'lib/pbft/proposal.ts',
        find: '(selectedHere(state) ? null : (clockFault(draft, header) ?? lagFault(state, header)))',
        put: '(clockFault(draft, header) ?? lagFault(state, header))',
      },
    ],
  },
  {
    name: 'binding-not-checked',
    rule: 'L4, L12',
    summary: 'a leader may propose what it likes in a bound view',
    edits: [
      {
        file: 'lib/pbft/proposal.ts',
        find: "    return sameHash(selected.hash, proposal.hash) ? null : 'not what the view is bound to';",
        put: '    return null;',
      },
      {
        file: 'lib/pbft/advance.ts',
        find: '  if (selected) {',
        put: '  if (selected && state.head.header.height < 0) {',
      },
    ],
  },
  {
    name: 'votes-while-changing',
    rule: 'L9',
    summary: 'votes of a view are cast after another was asked for',
    edits: [
      {
        file: 'lib/pbft/advance.ts',
        find: '  if (draft.state.changing) return;\n',
        put: '  if (draft.state.changing) return vote(draft);\n',
      },
      {
        file: 'lib/pbft/advance.ts',
        find: '  if (!proposal || proposal.view !== state.view || slot.decided) return;',
        put: '  if (!proposal || slot.decided) return;',
      },
      {
        file: 'lib/pbft/view-change.ts',
        find: '  state.newView = null;\n  state.slot.proposal = null;\n  state.next.proposal = null;\n',
        put: '  state.newView = null;\n',
      },
      {
        file: 'lib/pbft/advance.ts',
        find: "  const wanted = { phase: 'prepare' as const, height, view: state.view, hash: proposal.hash };",
        put: "  const wanted = { phase: 'prepare' as const, height, view: proposal.view, hash: proposal.hash };",
      },
      {
        file: 'lib/pbft/own-votes.ts',
        find: "  draft.sign({ phase: 'commit', height, view: state.view, hash: proposal.hash });",
        put: "  draft.sign({ phase: 'commit', height, view: proposal.view, hash: proposal.hash });",
      },
    ],
  },
  {
    name: 'view-change-not-verified',
    rule: 'section 2, checks',
    summary: 'certificates inside view-changes are not looked at',
    edits: [
      {
        file: 'lib/pbft/verify.ts',
        find: '  if (head.header.height < fromHeight) return true;\n',
        put: '  if (head.header.height >= 0) return true;\n',
      },
    ],
  },
  {
    name: 'new-view-not-verified',
    rule: 'L13',
    summary: 'a new-view is entered without a quorum of view-changes',
    edits: [
      {
        file: 'lib/pbft/verify.ts',
        find: '  if (senders.size !== viewChanges.length || senders.size !== quorum) return false;',
        put: '  if (senders.size > quorum) return false;',
      },
      {
        file: 'lib/pbft/verify.ts',
        find: '  return checks.every(Boolean);',
        put: '  return checks.length >= 0;',
      },
    ],
  },
  {
    name: 'joins-a-single-one',
    rule: 'L10',
    summary: 'one validator that asks for a later view is followed, though it may be faulty',
    edits: [
      {
        file: 'lib/pbft/view-change.ts',
        find: 'if (later.length < faultyMax(state.validators.length) + 1) return null;',
        put: 'if (later.length < Math.min(1, faultyMax(state.validators.length))) return null;',
      },
    ],
  },
  {
    name: 'leader-stays',
    rule: 'section 1',
    summary: 'every view has the same leader',
    edits: [
      {
        file: 'lib/wire/validators.ts',
        find: 'const seat = set[(view + offset + step) % set.length];',
        put: 'const seat = set[(view * 0 + offset + step) % set.length];',
      },
    ],
  },
  {
    name: 'timer-of-any-request',
    rule: 'L1',
    summary: 'any progress resets the timer of the oldest request: one client can be left out',
    edits: [
      {
        file: 'lib/pbft/advance.ts',
        find: '  state.slot = state.next;\n',
        put: '  state.slot = state.next;\n  if (state.oldest) state.oldest = { ...state.oldest, since: draft.now, told: false };\n',
      },
    ],
  },
  {
    name: 'no-retransmission',
    rule: 'L14',
    summary: 'what was lost is never said again',
    edits: [
      {
        file: 'lib/pbft/timers.ts',
        find: '  if (!still) return;\n',
        put: '  if (draft.now > 0) return;\n',
      },
    ],
  },
  {
    name: 'ticks-not-armed-anew',
    rule: 'section 6',
    summary: 'one lost tick is the end of all ticks',
    edits: [
      {
        file: 'lib/pbft/timers.ts',
        find: 'if (due !== null && Math.abs(now - due) < tickLostMs) return;',
        put: 'if (due !== null) return;',
      },
    ],
  },
  {
    name: 'told-to-nobody',
    rule: 'L8',
    summary: 'a request is known to one replica and its leader only',
    edits: [
      {
        file: 'lib/pbft/timers.ts',
        find: "  state.oldest = { ...oldest, told: true };\n  draft.outputs.push({ type: 'forward', to: 'all' });",
        put: '  state.oldest = { ...oldest, told: true };',
      },
      {
        file: 'lib/pbft/timers.ts',
        find: "  if (state.changing && state.oldest) draft.outputs.push({ type: 'forward', to: 'all' });\n",
        put: '',
      },
    ],
  },
];
