/** What everybody may see of governance: proposals, members, and the parameters that come. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { transactionIdField } from '../wire/fields.ts';
import { ACTIVATION_DELAY } from '../wire/governed.ts';
import { parametersHash } from '../wire/parameters.ts';
import { faultyMax, quorumSize, type Validator } from '../wire/validators.ts';
import { authorityOf, formerOf } from './authority.ts';
import { cells, listCells } from './cells.ts';
import { baseOf, parametersOf } from './changes.ts';
import type { Change } from './change-schema.ts';
import type { Reader } from './draft.ts';
import { defineQuery, type PlainValue } from './functions.ts';
import { pageArgs } from './history.ts';
import { keys, lists } from './keys.ts';
import { countedApprovals, governanceOf, proposalOf } from './proposals.ts';
import { everybody } from './roles.ts';
import { entryOf, membersHash, setOf } from './seats.ts';
import type { Proposal } from './values.ts';

export const governanceList = defineQuery({
  name: 'governance.list',
  summary: 'A page of all proposals that were ever made, in short.',
  roles: everybody,
  schema: z.strictObject(pageArgs),
  hints: () => [lists.proposals().count],
  async run(args, { reader, context }) {
    const { count, from, items } = await reader.page(listCells.proposals(), args);
    const proposals: PlainValue[] = [];
    for (const { proposalId } of items) {
      proposals.push(summaryOf(await proposalOf(reader, proposalId), context.time));
    }
    return { count, from, items: proposals };
  },
});

export const governanceGet = defineQuery({
  name: 'governance.get',
  summary: 'A proposal with its change, and which approvals count now.',
  roles: everybody,
  schema: z.strictObject({ proposalId: transactionIdField }),
  hints: ({ proposalId }) => [keys.proposal(proposalId), keys.validators],
  async run({ proposalId }, { reader, context }) {
    const proposal = await proposalOf(reader, proposalId);
    const set = await setOf(reader);
    const { base, change } = proposal;
    return {
      ...summaryOf(proposal, context.time),
      base,
      change: change as PlainValue,
      counted: await countedApprovals(reader, set, proposal),
      quorum: quorumSize(set.length),
      isStale: base !== (await baseOf(reader, change)),
    };
  },
});

export const networkValidators = defineQuery({
  name: 'network.validators',
  summary: 'The members with their keys, addresses and standing, and the parameters that come.',
  roles: [...everybody, 'representative'],
  schema: z.strictObject({}),
  hints: () => [
    keys.validators,
    keys.parameters,
    keys.governance,
    keys.authority,
    keys.formerAuthorities,
  ],
  async run(_args, { reader, context }) {
    const set = await setOf(reader);
    const parameters = await parametersOf(reader);
    const { parametersChange, setChangedAt, open, scheduled } = await governanceOf(reader);
    const validators: PlainValue[] = [];
    for (const seat of set) validators.push(await memberOf(reader, seat));
    // What changed in the head itself does not act in the next block yet.
    const isComing = parametersChange?.height === context.height;
    return {
      height: context.height,
      /** The height that this set governs at the latest. */
      governs: context.height + ACTIVATION_DELAY,
      ...{ n: set.length, faulty: faultyMax(set.length), quorum: quorumSize(set.length) },
      validators,
      setActsAt: setChangedAt === null ? 0 : setChangedAt + ACTIVATION_DELAY,
      parameters: isComing ? parametersChange.before : parameters,
      upcoming: isComing ? parameters : null,
      bases: {
        members: toBase64url(await membersHash(reader, set)),
        parameters: toBase64url(parametersHash(parameters)),
        authority: (await authorityOf(reader)).kid,
      },
      formerAuthorities: (await formerOf(reader)).map(({ kid, ended, countsUntil }) => ({
        ...{ kid, ended, countsUntil },
      })),
      proposals: { open: open.map((one) => one.proposalId), scheduled },
    };
  },
});

async function memberOf(
  reader: Reader,
  { id, kmsKey, incarnation, suspended }: Validator,
): Promise<PlainValue> {
  const { name, apiUrl, operatorKey, shareKey } = await entryOf(reader, id);
  const blame = await reader.get(cells.blame(id, incarnation));
  return {
    ...{ id, name, apiUrl, incarnation, suspended },
    kmsKey: toBase64url(kmsKey),
    operatorKey: toBase64url(operatorKey),
    shareKey: toBase64url(shareKey),
    blame: blame && {
      ...{ ledger: blame.ledger, phase: blame.phase, height: blame.height, view: blame.view },
      transaction: blame.transaction,
    },
  };
}

function summaryOf(proposal: Proposal, time: number) {
  const { id, change, proposer, made, expiresAt, approvals, decided, code } = proposal;
  const isOver = proposal.status === 'open' && expiresAt <= time;
  return {
    ...{ proposalId: id, kind: change.kind, about: aboutOf(change), proposer, made, expiresAt },
    status: isOver ? 'expired' : proposal.status,
    approvals: approvals.map((one) => one.hospital),
    ...{ activateAt: proposal.activateAt, decided, actsAt: proposal.actsAt, code },
  };
}

/** Whom or what a change is about, in a word. */
function aboutOf(change: Change): string {
  switch (change.kind) {
    case 'add':
      return change.newcomer.validator;
    case 'replace':
      return `${change.validator} by ${change.newcomer.validator}`;
    case 'remove':
    case 'replace-operator':
      return change.validator;
    case 'replace-key':
    case 'reinstate':
      return change.keys.validator;
    case 'parameters':
      return Object.entries(change.set)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ');
    case 'chaincode':
      return `version ${change.version}`;
    case 'authority':
      return change.compromised ? 'membership, old key compromised' : 'membership';
    case 'drop-authority':
      return change.kid;
  }
}
