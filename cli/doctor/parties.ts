/** Asks every party of a network how it is, and compares what they say with each other. */
import { z } from 'zod';
import { toHex } from '../../lib/crypto/bytes.ts';
import { quorumSize } from '../../lib/wire/validators.ts';
import type { Network } from '../../sdk/network-file.ts';
import { spanText } from '../times.ts';
import { type Answer, ask, type PartiesCheck } from './ask.ts';
import { checkAuthority } from './authority.ts';
import { type Finding, findings } from './finding.ts';

/** Blocks behind the highest: a few are the ordinary way of things under load. */
const LAG_FEW = 5;
/** From then on a snapshot is taken instead of blocks. */
const LAG_MANY = 256;
/** `Date` has whole seconds, and an answer takes a while. */
const SKEW_NOTED_MS = 3_000;

const healthSchema = z.object({
  network: z.string().max(64).optional(),
  code: z.string().max(64).optional(),
  height: z.int().min(0).optional(),
  learner: z.boolean().optional(),
  halted: z.string().max(2_000).optional(),
  initialised: z.boolean().optional(),
});
type Health = z.infer<typeof healthSchema>;

interface Asked {
  readonly id: string;
  readonly kind: 'validator' | 'service';
  readonly url: string;
  readonly answer: Answer | string;
  readonly health: Health | null;
  /** Hexadecimal, of validators that say it. */
  readonly genesisHash: string | null;
}

/** Never throws for what is wrong with a party. */
export async function checkParties(check: PartiesCheck): Promise<Finding[]> {
  const { network } = check.session;
  const asked = await Promise.all([
    ...check.session.client.validators.map(({ id, url }) => askValidator(check, id, url)),
    askService(check, 'membership', network.membershipUrl),
    askService(check, 'records', network.recordsUrl),
  ]);
  return [
    ...asked.flatMap((one) => checkParty(one, network)),
    ...checkHeights(asked),
    checkQuorum(asked, network),
    ...checkClocks(asked, network),
    ...(await checkAuthority(check)),
  ];
}

async function askValidator(check: PartiesCheck, id: string, url: string): Promise<Asked> {
  const answer = await ask(check, `${url}/v1/health`);
  const about = typeof answer === 'string' ? null : await ask(check, `${url}/v1/network`);
  const said = z.object({ genesisHash: z.string().regex(/^[0-9a-f]{64}$/) });
  const parsed = about === null || typeof about === 'string' ? null : said.safeParse(about.json);
  const genesisHash = parsed?.data?.genesisHash ?? null;
  return { id, kind: 'validator', url, answer, health: healthOf(answer), genesisHash };
}

async function askService(check: PartiesCheck, id: string, url: string): Promise<Asked> {
  const answer = await ask(check, `${url}/v1/health`);
  return { id, kind: 'service', url, answer, health: healthOf(answer), genesisHash: null };
}

function healthOf(answer: Answer | string): Health | null {
  if (typeof answer === 'string') return null;
  return healthSchema.safeParse(answer.json).data ?? null;
}

function checkParty(one: Asked, network: Network): Finding[] {
  const { id, url, answer, health, genesisHash } = one;
  const reach = findings('reach', id);
  if (typeof answer === 'string') {
    const step = `Check its address and this machine's way out; its operator looks at its alarms.`;
    return [reach.wrong(`${url} cannot be reached: ${answer}`, step)];
  }
  if (health?.code === 'not_initialised' || health?.initialised === false) {
    const step = 'Install the document: `carequorum genesis install`.';
    return [findings('genesis', id).wrong('has no genesis document yet', step)];
  }
  if (answer.status !== 200 || health === null) {
    const code = health?.code === undefined ? '' : ` (${health.code})`;
    const step = `Its operator looks at its alarms: docs/runbook/api-server-errors.md.`;
    return [reach.wrong(`answers HTTP ${answer.status}${code}`, step)];
  }
  const own = network.genesis.document.network;
  if (health.network !== undefined && health.network !== own) {
    const step = 'Correct its address in the network file.';
    return [findings('genesis', id).wrong(`belongs to the network ${health.network}`, step)];
  }
  return [
    reach.ok('answers'),
    ...(one.kind === 'validator' ? checkValidator(one, health, genesisHash, network) : []),
  ];
}

function checkValidator(
  { id }: Asked,
  { halted, learner }: Health,
  genesisHash: string | null,
  network: Network,
): Finding[] {
  const genesis = findings('genesis', id);
  const hash = toHex(network.genesis.hash);
  const same =
    genesisHash === null
      ? genesis.warning('does not say which genesis document it has', 'Ask its operator.')
      : genesisHash === hash
        ? genesis.ok('has the genesis document of the network file')
        : genesis.wrong(
            `has another genesis document: ${genesisHash}`,
            `Compare the hash ${hash} with the operators over a second way: one of the files is wrong.`,
          );
  const replica = findings('replica', id);
  if (halted !== undefined && halted !== '') {
    return [same, replica.wrong(`has stopped itself: ${halted}`, 'docs/runbook/replica-halted.md')];
  }
  if (learner === true) {
    const says = 'follows and does not vote';
    return [same, replica.warning(says, 'docs/runbook/replica-not-voting.md')];
  }
  return [same, replica.ok('works')];
}

function heightsOf(asked: readonly Asked[]): { id: string; height: number }[] {
  return asked.flatMap(({ id, health }) =>
    health?.height === undefined ? [] : [{ id, height: health.height }],
  );
}

function checkHeights(asked: readonly Asked[]): Finding[] {
  const heights = heightsOf(asked);
  const highest = Math.max(0, ...heights.map(({ height }) => height));
  return heights.map(({ id, height }) => {
    const ledger = findings('height', id);
    const lag = highest - height;
    if (lag <= LAG_FEW) return ledger.ok(`is at block ${height}`);
    const says = `is at block ${height}, ${lag} behind`;
    const step = 'Look again in a minute: it catches up by itself. Then docs/runbook/inbox-age.md.';
    return lag < LAG_MANY ? ledger.warning(says, step) : ledger.wrong(says, step);
  });
}

/** Validators that vote, as far as they say. */
function checkQuorum(asked: readonly Asked[], network: Network): Finding {
  const whole = findings('quorum', network.genesis.document.network);
  const validators = asked.filter(({ kind }) => kind === 'validator');
  const working = validators.filter(
    ({ answer, health }) =>
      typeof answer !== 'string' &&
      answer.status === 200 &&
      health !== null &&
      health.learner !== true &&
      (health.halted ?? '') === '',
  ).length;
  const n = validators.length;
  const quorum = quorumSize(n);
  const says = `${working} of ${n} vote, ${quorum} decide`;
  if (working === n) return whole.ok(says);
  if (working > quorum) return whole.warning(says, 'Bring back who is away.');
  return working === quorum
    ? whole.warning(`${says}: no further one may fail`, 'Bring back who is away, now.')
    : whole.wrong(`${says}: NOTHING can be decided`, 'Bring back who is away, now.');
}

/** Who differs from most: a party, or this machine if all of them differ from it. */
function checkClocks(asked: readonly Asked[], network: Network): Finding[] {
  const known = asked.flatMap(({ id, answer }) =>
    typeof answer === 'string' || answer.aheadMs === null ? [] : [{ id, ahead: answer.aheadMs }],
  );
  const own = findings('clock', 'this machine');
  if (known.length === 0) return [own.skipped('no party said what time it is')];
  const { clockSkewMsMax } = network.genesis.document.parameters;
  const sorted = known.map(({ ahead }) => ahead).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const off = (ms: number): string => spanText(Math.abs(ms));
  const step = 'Set its clock, by NTP: transactions of a wrong clock are refused.';
  const mine =
    Math.abs(median) <= SKEW_NOTED_MS
      ? own.ok('its clock is that of the network')
      : own[Math.abs(median) > clockSkewMsMax ? 'wrong' : 'warning'](
          `its clock is ${off(median)} ${median > 0 ? 'behind' : 'ahead'}`,
          step,
        );
  const others = known
    .filter(({ ahead }) => Math.abs(ahead - median) > SKEW_NOTED_MS)
    .map(({ id, ahead }) => {
      const by = ahead - median;
      const says = `its clock is ${off(by)} ${by > 0 ? 'ahead' : 'behind'}`;
      const verdict = Math.abs(by) > clockSkewMsMax ? 'wrong' : 'warning';
      return findings('clock', id)[verdict](says, 'Its operator sets it, by NTP.');
    });
  return [mine, ...others];
}
