/** What clients do: operators' probes, each held by one validator until it is committed. */
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import { scheduleChanges } from './governance.ts';
import { ledger, type SimNode } from './node.ts';
import { pickOne, type SeededRandom } from './random.ts';
import type { World } from './world.ts';

export interface Submitted {
  label: string;
  /** Position of the first validator that is asked. */
  first: number;
  compact: string;
  fn: string;
  /** Validator whose operator signed it. */
  hospital: string;
  /** The node that holds it. */
  at: SimNode;
}

/** A client asks again elsewhere when the validator that took its transaction lost it. */
const resubmitMs = 5_000;
const validMs = 890_000;

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
  scheduleChanges(world);
  for (let index = 0; index < profile.laterTransactions; index += 1) {
    agenda.add(begin + profile.troubleMs + profile.laterMs * (index + 1), async () => {
      if (world.isLive()) return;
      await submitProbe(world, plan.random(`later ${index}`), profile.transactions + index);
    });
  }
}

async function submitProbe(world: World, random: SeededRandom, index: number): Promise<void> {
  if (!world.plan.certain('submit', String(index))) return;
  const label = `p${index}`;
  const by = pickOne(random, world.members());
  await submit(world, { label, by, fn: 'governance.probe', args: { label } }, random);
}

export interface Request {
  /** Names the request in traces, and gives it its nonce. */
  label: string;
  /** The hospital whose operator signs. */
  by: string;
  fn: string;
  args: Record<string, unknown>;
  /** @default the main ledger */
  ledger?: string;
}

/** An operator's client hands a request to some validator that serves. */
export async function submit(
  world: World,
  request: Request,
  random: SeededRandom,
): Promise<Submitted> {
  const compact = await signed(world, request);
  const first = random.below(world.ids.length);
  const at = target(world, first, request.ledger);
  const { label, by, fn } = request;
  const submitted = { label, first, compact, hospital: by, fn, at };
  world.submitted.set(compact, submitted);
  at.trace(`a client submits ${label}`);
  await at.submit(compact);
  return submitted;
}

/** The first node from a position on that serves clients. */
function target(world: World, from: number, of: string = ledger): SimNode {
  const nodes = world.ids.map((_, step) => {
    const id = world.ids[(from + step) % world.ids.length] ?? '';
    return world.instances(id)[0];
  });
  const members = world.members();
  const serving = nodes.filter(
    (one) => one !== undefined && one.up && one.reachable && members.includes(one.id),
  );
  const knowing = serving.find((one) => one?.honest && world.cases.isKnown(one, of));
  if (knowing) return knowing;
  const chosen = serving.find((one) => one?.honest) ?? world.judged().find((one) => one.honest);
  if (!chosen) throw new RangeError('no honest replica');
  return chosen;
}

/** A transaction is moved to another validator where the one that took it lost it or turned bad. */
async function watch(world: World): Promise<void> {
  for (const one of world.submitted.values()) {
    const { at, compact } = one;
    if (at.honest && !at.lostMempool) continue;
    if (world.committedAnywhere(compact)) continue;
    one.at = target(world, one.first, parseTransaction(compact).ledger);
    one.at.trace(`the client submits ${one.label} again, here`);
    await one.at.submit(compact);
  }
  world.agenda.add(world.agenda.now + resubmitMs, () => watch(world));
}

/** In the name of the operator, by the key that is given: only with the operator's own it is signed. */
export async function signed(
  world: World,
  { label, by, fn, args, ledger: of = ledger }: Request,
  key?: SigningKey,
): Promise<string> {
  const operator = world.network.validators.find((one) => one.id === by)?.operator;
  if (!operator) throw new RangeError(by);
  const { now } = world.agenda;
  const payload = encodeRequest({
    network: world.network.name,
    ledger: of,
    fn,
    args: args as Parameters<typeof encodeRequest>[0]['args'],
    nonce: toBase64url(taggedHash('simulated-nonce', utf8(label)).subarray(0, 16)),
    issuedAt: now,
    expiresAt: now + validMs,
  });
  const kid = thumbprint(operator.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, payload, key ?? operator);
}
