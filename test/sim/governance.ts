/** What operators do: one proposes a change, the others approve it, each by its own client. */
import { baseOf } from '../../lib/chaincode/changes.ts';
import type { Change } from '../../lib/chaincode/change-schema.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { TreeView } from '../../lib/ledger/state-view.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { shortName } from './describe.ts';
import { ledger, type SimNode } from './node.ts';
import { pickOne, type SeededRandom } from './random.ts';
import { submit } from './workload.ts';
import type { World } from './world.ts';

export type ChangeKind = 'parameters' | 'reinstate' | 'remove' | 'replace-key';

/** Other operators look at open proposals so often, and give up after so many looks. */
const lookMs = 1_500;
const looksMax = 60;
/** A change that did not act by then is proposed once more, so often at most. */
const againMs = 30_000;
const againMax = 4;

export function scheduleChanges(world: World): void {
  const { profile, plan, agenda } = world;
  const begin = agenda.now;
  for (const [index, kind] of profile.changes.entries()) {
    const random = plan.random(`change ${index}`);
    // A seat is given back after there was time to lose it.
    const late = kind === 'reinstate' ? profile.troubleMs / 2 : 0;
    agenda.add(begin + late + random.below(profile.troubleMs), async () => {
      if (!plan.certain('change', String(index))) return;
      const wanted = await changeOf(world, random, kind);
      if (wanted) await propose(world, random, `change${index}`, wanted);
    });
  }
}

/** A change, and whether it has still to be asked for: another may have made it stale. */
interface Wanted {
  change: Change;
  isOpen: () => boolean;
}

async function propose(
  world: World,
  random: SeededRandom,
  label: string,
  wanted: Wanted,
): Promise<void> {
  const { change } = wanted;
  const at = furthest(world);
  const head = await at.tables.replicas.head(ledger);
  if (!head) return;
  const pages = (ids: readonly string[]) => at.tables.pages.getPages(ledger, ids);
  const view = new TreeView({ height: head.height, root: head.header.stateRoot }, { pages });
  const base = await baseOf(readerOf(view), change);
  const by = pickOne(random, world.members());
  at.trace(`${shortName(by)}'s operator proposes ${label}: ${change.kind}`);
  const request = { label, by, fn: 'governance.propose', args: { change, base } };
  const { compact } = await submit(world, request, random);
  const approvers = world.members().filter((one) => one !== by);
  world.agenda.add(world.agenda.now + lookMs, () => look(0));
  world.agenda.add(world.agenda.now + againMs, async () => {
    const isOver = label.length > 'change0'.length + againMax;
    if (!isOver && wanted.isOpen()) await propose(world, random, `${label}+`, wanted);
  });

  /** Approves once the proposal is committed: before, nobody could know its id. */
  async function look(looks: number): Promise<void> {
    const { agenda } = world;
    if (!world.committedAnywhere(compact)) {
      if (looks < looksMax) agenda.add(agenda.now + lookMs, () => look(looks + 1));
      return;
    }
    const proposalId = parseTransaction(compact).id;
    for (const approver of approvers) {
      agenda.add(agenda.now + random.below(4_000), async () => {
        const named = `${label} approved by ${shortName(approver)}`;
        const args = { proposalId };
        await submit(world, { label: named, by: approver, fn: 'governance.approve', args }, random);
      });
    }
  }
}

async function changeOf(
  world: World,
  random: SeededRandom,
  kind: ChangeKind,
): Promise<Wanted | null> {
  switch (kind) {
    case 'parameters':
      return { change: { kind, set: pickOne(random, parameters) }, isOpen: () => false };
    case 'remove':
      return removal(world, random);
    case 'reinstate':
      return reinstatement(world);
    case 'replace-key':
      return replacement(world, random);
  }
}

const parameters = [
  { blockTransactionsMax: 2 },
  { requestTimeoutMs: 3_000 },
  { blockIntervalMs: 500 },
  { viewTimeoutMsMax: 20_000, requestTimeoutMs: 2_500 },
] as const;

/** A network keeps four members; nobody leaves where that would make f smaller than the faulty. */
function removal(world: World, random: SeededRandom): Wanted | null {
  const members = world.members();
  if (members.length <= 4) return null;
  const validator = pickOne(random, members);
  return { change: { kind: 'remove', validator }, isOpen: () => false };
}

/** A suspended validator comes back under new keys, which it shows to its operators. */
function reinstatement(world: World): Wanted | null {
  const suspended = [...furthest(world).observed.suspended];
  const node = world.all().find((one) => suspended.includes(one.id) && !one.adversary);
  const bundle = node?.keyring.keys?.bundle;
  if (!node || !bundle) return null;
  const isOpen = (): boolean => furthest(world).observed.suspended.has(node.id);
  return { change: { kind: 'reinstate', keys: bundle }, isOpen };
}

/** A validator's KMS key is lost, and its other keys with it: it shows new ones. */
async function replacement(world: World, random: SeededRandom): Promise<Wanted | null> {
  const id = pickOne(random, world.members());
  const [node, twin] = world.instances(id);
  if (!node || twin || !world.makeFaulty(id)) return null;
  const incarnation = (node.keyring.keys?.incarnation ?? 0) + 1;
  node.trace('its KMS key is lost and replaced');
  node.keyring.replaceKms();
  await node.keyring.renew(incarnation);
  node.dropWarm();
  world.follows.add(node);
  const bundle = node.keyring.keys?.bundle;
  if (!bundle) return null;
  const isOpen = (): boolean => world.follows.has(node) && world.members().includes(id);
  return { change: { kind: 'replace-key', keys: bundle }, isOpen };
}

function furthest(world: World): SimNode {
  return world
    .honest()
    .reduce((best, one) => (one.observed.height > best.observed.height ? one : best));
}
