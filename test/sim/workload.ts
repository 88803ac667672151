/** What clients do: operators' probes, each held by one validator until it is committed. */
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { encodeRequest, jwsTypes } from '../../lib/wire/transaction.ts';
import { ledger, type SimNode } from './node.ts';
import { pickOne, type SeededRandom } from './random.ts';
import type { World } from './world.ts';

export interface Submitted {
  /** Position in the workload. */
  index: number;
  compact: string;
  /** Validator whose operator signed it. */
  hospital: string;
  /** The node that holds it. */
  at: SimNode;
}

/** A client asks again elsewhere when the validator that took its transaction lost it. */
const resubmitMs = 5_000;
const validMs = 890_000;
const laterMs = 6_000;

export function scheduleWorkload(world: World): void {
  const { profile, plan, agenda } = world;
  const begin = agenda.now;
  for (let index = 0; index < profile.transactions; index += 1) {
    const random = plan.random(`workload ${index}`);
    // Some come together, so that blocks hold several.
    const slot = random.chance(0.3) ? 0 : random.below(profile.troubleMs);
    agenda.add(begin + slot, () => submitProbe(world, random, index));
  }
  agenda.add(begin + resubmitMs, () => watch(world));
  for (let index = 0; index < profile.laterTransactions; index += 1) {
    agenda.add(begin + profile.troubleMs + laterMs * (index + 1), async () => {
      if (world.isLive()) return;
      await submitProbe(world, plan.random(`later ${index}`), profile.transactions + index);
    });
  }
}

async function submitProbe(world: World, random: SeededRandom, index: number): Promise<void> {
  if (!world.plan.certain('submit', String(index))) return;
  const hospital = pickOne(random, world.ids);
  const compact = await probeOf(world, hospital, index);
  const at = target(world, random.below(world.ids.length));
  world.submitted.set(compact, { index, compact, hospital, at });
  at.trace(`a client submits p${index}`);
  await at.submit(compact);
}

/** The first node from a position on that serves clients. */
function target(world: World, from: number): SimNode {
  const nodes = world.ids.map((_, step) => {
    const id = world.ids[(from + step) % world.ids.length] ?? '';
    return world.instances(id)[0];
  });
  const serving = nodes.filter((one) => one !== undefined && one.up && one.reachable);
  const chosen = serving.find((one) => one?.honest) ?? world.all().find((one) => one.honest);
  if (!chosen) throw new RangeError('no honest replica');
  return chosen;
}

/** A transaction is moved to another validator where the one that took it lost it or turned bad. */
async function watch(world: World): Promise<void> {
  for (const one of world.submitted.values()) {
    const { at, compact } = one;
    if (at.honest && !at.lostMempool) continue;
    if (world.committedAnywhere(compact)) continue;
    one.at = target(world, one.index);
    one.at.trace(`the client submits p${one.index} again, here`);
    await one.at.submit(compact);
  }
  world.agenda.add(world.agenda.now + resubmitMs, () => watch(world));
}

async function probeOf(world: World, hospital: string, index: number): Promise<string> {
  const operator = world.network.validators.find((one) => one.id === hospital)?.operator;
  if (!operator) throw new RangeError(hospital);
  const { now } = world.agenda;
  const payload = encodeRequest({
    network: world.network.name,
    ledger,
    fn: 'governance.probe',
    args: { label: `p${index}` },
    nonce: toBase64url(taggedHash('simulated-nonce', utf8(String(index))).subarray(0, 16)),
    issuedAt: now,
    expiresAt: now + validMs,
  });
  const kid = thumbprint(operator.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, payload, operator);
}
