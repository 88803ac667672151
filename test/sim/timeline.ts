/** Faults that come at a time of their own: each kind says what it does to the world. */
import { encodePeerMessage, encodeSelfMessage } from '../../functions/aws/inbox-message.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { shortName } from './describe.ts';
import { ledger, type SimNode } from './node.ts';
import { pickOne, type SeededRandom } from './random.ts';
import { genesisJournal, type JournalEntry } from './tables.ts';
import type { Moment, World } from './world.ts';

export type TimelineKind =
  | 'cut'
  | 'isolate'
  | 'split'
  | 'strand'
  | 'ambush'
  | 'mend'
  | 'crash'
  | 'stall'
  | 'outage'
  | 'gone'
  | 'skew'
  | 'garbage'
  | 'restore'
  | 'wipe'
  | 'clone'
  | 'twins'
  | 'regroup';

/** How long an ambush keeps anybody alone at most. */
const aloneMsMax = 30_000;

type Apply = (world: World, random: SeededRandom, id: string) => void | Promise<void>;

/** Puts the scheduled faults of the profile on the agenda. */
export function scheduleTimeline(world: World): void {
  const { profile, plan, agenda } = world;
  const begin = agenda.now;
  for (const [kind, expected] of Object.entries(profile.timeline) as [TimelineKind, number][]) {
    const extra = plan.random(`count ${kind}`).chance(expected % 1) ? 1 : 0;
    const count = Math.floor(expected) + extra;
    for (let index = 0; index < count; index += 1) {
      const random = plan.random(`${kind}:${index}`);
      const at = begin + random.below(lastStart(kind, profile.troubleMs));
      agenda.add(at, async () => {
        if (!plan.certain(kind, String(index))) return;
        await faults[kind](world, random, `${kind}:${index}`);
      });
    }
  }
}

/** Before which a fault begins: what lasts, or comes in several steps, begins early. */
function lastStart(kind: TimelineKind, troubleMs: number): number {
  if (kind === 'twins') return 1;
  return kind === 'ambush' ? Math.floor(troubleMs / 8) : troubleMs;
}

const faults: Readonly<Record<TimelineKind, Apply>> = {
  cut(world, random, id) {
    const [from, to] = twoOf(world, random);
    cutFor(world, id, random, [[from, to]]);
  },
  isolate(world, random, id) {
    const alone = pickOne(random, world.all());
    const others = world.all().filter((one) => one !== alone);
    const way = random.below(3);
    const out = others.map((one): Pair => [alone, one]);
    const back = others.map((one): Pair => [one, alone]);
    cutFor(world, id, random, way === 0 ? out : way === 1 ? back : [...out, ...back]);
  },
  split(world, random, id) {
    const sides = world.all().map((one) => ({ one, left: random.chance(0.5) }));
    const pairs = sides.flatMap((a) =>
      sides.filter((b) => a.left !== b.left).map((b): Pair => [a.one, b.one]),
    );
    cutFor(world, id, random, pairs);
  },
  /** The next replica that decides something is cut off before anybody hears of it. */
  strand(world, random, id) {
    const watch = (node: SimNode, { method }: JournalEntry): void => {
      if (method !== 'putCertified') return;
      world.watchers.delete(watch);
      const others = world.all().filter((one) => one !== node);
      const pairs = others.flatMap((one): Pair[] => [
        [node, one],
        [one, node],
      ]);
      cutFor(
        world,
        id,
        random,
        random.chance(0.5) ? pairs : pairs.filter(([from]) => from === node),
      );
    };
    world.watchers.add(watch);
  },
  ambush(world, random, id) {
    ambush(world, random, id, 2 + random.below(4), random.chance(0.5) ? 'prepared' : 'decided');
  },
  mend(world) {
    world.trace.line(world.agenda.now, '·', 'every cut is mended');
    world.links.cuts.clear();
  },
  crash(world, random, id) {
    arm(world, random, id, 'crash');
  },
  stall(world, random, id) {
    arm(world, random, id, 'stall');
  },
  outage(world, random, id) {
    const node = pickOne(random, world.all());
    away(world, node, id, 500 + random.below(9_000), false);
  },
  gone(world, random, id) {
    const node = pickOne(random, world.all());
    away(world, node, id, 500 + random.below(9_000), true);
  },
  skew(world, random, id) {
    const node = pickOne(random, world.all());
    node.skewMs = random.below(9_001) - 4_500;
    node.trace(`${id}: clock is off by ${node.skewMs} ms`);
  },
  garbage(world, random, id) {
    const node = pickOne(random, world.all());
    const [body, group, sender] = garbage(world, random, node);
    node.trace(`${id}: gets garbage`);
    node.deliver({ body, group, deduplicationId: `garbage ${id}`, sender });
  },
  async restore(world, random, id) {
    const node = pickOne(random, world.all());
    if (!world.makeFaulty(node.id)) return;
    const kept = 2 + random.below(Math.max(1, node.journal.length - 2));
    // A table restored in place keeps its identity, and so the key; any other loses it.
    const inPlace = random.chance(0.5);
    const key = inPlace ? 'its key stays' : 'its key does not count';
    node.trace(`${id}: tables go back to write ${kept} of ${node.journal.length}; ${key}`);
    world.emit(node, { type: 'fault', id });
    if (inPlace) world.forget(node);
    else node.keyring.lose();
    await node.install(node.journal.slice(0, kept));
    if (!inPlace) world.follows.add(node);
    node.poke();
  },
  async wipe(world, random, id) {
    const node = pickOne(random, world.all());
    if (!world.makeFaulty(node.id)) return;
    node.trace(`${id}: tables are emptied; the key is gone with them`);
    world.emit(node, { type: 'fault', id });
    node.keyring.lose();
    await node.install(genesisJournal(world.network, node.id, null));
    if (random.chance(0.5)) node.inbox.purge();
    world.follows.add(node);
    await node.scheduled();
  },
  async clone(world, random, id) {
    const node = pickOne(random, world.all());
    if (world.instances(node.id).length > 1 || !world.makeFaulty(node.id)) return;
    node.trace(`${id}: a copy of the tables starts to run as well`);
    world.emit(node, { type: 'fault', id });
    const copy = await world.addInstance(node.id, `${node.id}'`);
    await copy.install(node.journal);
    await copy.scheduled();
    regroup(world, random);
  },
  async twins(world, random, id) {
    const node = pickOne(random, world.all());
    for (let count = 0; count < world.f; count += 1) {
      const index = (world.ids.indexOf(node.id) + count) % world.ids.length;
      const validator = world.ids[index] ?? '';
      if (!world.makeFaulty(validator)) return;
      world.trace.line(world.agenda.now, '·', `${id}: ${shortName(validator)} runs twice`);
      const twin = await world.addInstance(validator, `${validator}'`);
      await twin.install(genesisJournal(world.network, validator, 0));
    }
    regroup(world, random);
  },
  regroup(world, random) {
    regroup(world, random);
  },
};

type Pair = readonly [SimNode, SimNode];

/**
 * Once somebody has prepared or decided something, all that is on its way is lost, and it is alone
 * until the others have asked for some views; often they do not hear each other either, until one of
 * them asks. Then the next ambush waits for its moment.
 */
function ambush(
  world: World,
  random: SeededRandom,
  id: string,
  left: number,
  moment: 'prepared' | 'decided',
): void {
  const other = moment === 'prepared' ? 'decided' : 'prepared';
  const watch = (node: SimNode, { kind, view }: Moment): void => {
    if (kind !== moment) return;
    world.moments.delete(watch);
    node.trace(`${id}: has ${kind}: what is on its way is lost`);
    world.links.loseAll();
    const others = world.all().filter((one) => one !== node);
    const around = others.flatMap((one): Pair[] => [
      [node, one],
      [one, node],
    ]);
    cutUntilAsked(world, id, around, view + pickOne(random, [1, 2, 2, 3]), node);
    if (random.chance(moment === 'prepared' ? 0.8 : 0.4))
      cutUntilAsked(world, id, pairsOf(others), view + 1);
    if (left > 1) ambush(world, random, id, left - 1, random.chance(0.7) ? other : moment);
  };
  world.moments.add(watch);
}

function pairsOf(nodes: readonly SimNode[]): Pair[] {
  return nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to): Pair => [from, to]));
}

/** Until somebody else asks for this view or a later one, and no longer than half a minute. */
function cutUntilAsked(
  world: World,
  id: string,
  pairs: readonly Pair[],
  view: number,
  but: SimNode | null = null,
): void {
  const mendLinks = cut(world, id, pairs);
  const mend = (): void => {
    world.moments.delete(watch);
    mendLinks();
  };
  const watch = (node: SimNode, moment: Moment): void => {
    if (moment.kind === 'asked' && moment.view >= view && node !== but) mend();
  };
  world.moments.add(watch);
  world.agenda.add(world.agenda.now + aloneMsMax, mend);
}

/** Answers what mends it. */
function cut(world: World, id: string, pairs: readonly Pair[]): () => void {
  const links = new Set(pairs.map(([from, to]) => `${from.name}>${to.name}`));
  world.links.cuts.add(links);
  const shown = pairs.map(([from, to]) => `${from.short}→${to.short}`).join(' ');
  world.trace.line(world.agenda.now, '·', `${id}: cut ${shown}`);
  return () => {
    world.links.cuts.delete(links);
  };
}

function cutFor(world: World, id: string, random: SeededRandom, pairs: readonly Pair[]): void {
  world.agenda.add(world.agenda.now + 500 + random.below(12_000), cut(world, id, pairs));
}

function arm(world: World, random: SeededRandom, id: string, kind: 'crash' | 'stall'): void {
  const node = pickOne(random, world.all());
  const remaining = 1 + random.below(30);
  const after = random.chance(0.5);
  const forMs = 50 + random.below(random.chance(0.5) ? 1_000 : 24_000);
  const soon = random.chance(0.5);
  const visibleInMs = soon ? 10 + random.below(500) : random.below(20_000);
  node.armed.push({ id, kind, remaining, after, forMs, visibleInMs });
}

function away(world: World, node: SimNode, id: string, ms: number, gone: boolean): void {
  node.trace(`${id}: ${gone ? 'the account is gone' : 'no function runs'} for ${ms} ms`);
  node.stop();
  if (gone) node.reachable = false;
  world.agenda.add(world.agenda.now + ms, () => {
    node.reachable = true;
    node.start();
  });
}

/** Each instance of a validator that runs twice is heard, and hears, by some of the others. */
function regroup(world: World, random: SeededRandom): void {
  world.links.groups.clear();
  for (const id of world.ids) {
    const [one, other] = world.instances(id);
    if (!one || !other) continue;
    for (const peer of world.all()) {
      if (peer.id === id) continue;
      const side = random.below(5);
      const deaf = side < 2 ? one : side < 4 ? other : null;
      if (!deaf) continue;
      world.links.groups.add(`${deaf.name}>${peer.name}`).add(`${peer.name}>${deaf.name}`);
    }
  }
}

/** Bodies that nobody can take, and some that only look like notes or envelopes. */
function garbage(
  world: World,
  random: SeededRandom,
  node: SimNode,
): readonly [body: string, group: string, sender: string] {
  const peer = pickOne(random, world.all());
  const stranger = 'AROA-stranger-inbox:session';
  const bytes = Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  const envelope = { genesisHash: world.network.genesis.hash, ledger, from: peer.id, messages: [] };
  const good = encodePeerMessage(envelope);
  const bodies: readonly (readonly [string, string, string])[] = [
    [`peer:${toBase64url(bytes)}`, ledger, stranger],
    [`peer:${good.slice(5, 5 + random.below(good.length))}`, ledger, stranger],
    [good.replace(/.$/, '!'), ledger, stranger],
    [String.fromCharCode(...bytes), ledger, stranger],
    [`peer:${'oWFh'.repeat(2_000)}`, ledger, stranger],
    [`peer:${toBase64url(new Uint8Array(3_000).fill(0x81))}`, ledger, stranger],
    [good, 'another', stranger],
    [encodePeerMessage({ ...envelope, ledger: 'elsewhere' }), 'elsewhere', stranger],
    [encodePeerMessage({ ...envelope, genesisHash: new Uint8Array(32) }), ledger, stranger],
    [encodeSelfMessage({ kind: 'wake', ledger }), ledger, stranger],
    [encodeSelfMessage({ kind: 'tick', ledger, due: null }), ledger, stranger],
    [`self:${toBase64url(bytes)}`, ledger, node.sender('api')],
    ['', ledger, stranger],
  ];
  return pickOne(random, bodies);
}

function twoOf(world: World, random: SeededRandom): Pair {
  const from = pickOne(random, world.all());
  const to = pickOne(
    random,
    world.all().filter((one) => one !== from),
  );
  return [from, to];
}
