// A validator that says different things to different peers: it is blamed, and the others go on.
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { decodeReceipt } from '../../lib/ledger/receipt.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { genesisText } from '../lib/network-facts.ts';
import { LocalError } from '../lib/errors.ts';
import { accountLayout } from '../lib/layout.ts';
import { ACTIVATION_DELAY } from '../../lib/wire/governed.ts';
import { verifyInOwnProcess } from '../verify-offline.ts';
import { byzantineBundle } from './byzantine-bundle.ts';
import { lendCode } from './deployed-code.ts';
import { awaitBundle, decideTogether } from './govern.ts';
import { awaitBlock, awaitTransaction, seatNow } from './seats.ts';
import { type Stage, type Undo, until } from './stage.ts';
import { awaitReturn } from './wipe.ts';

const ALARM = 'contradicting_votes';
const ALARM_MS = 60_000;
const LOG_POLL_MS = 500;

/** What `byzantine` found out, for the report. */
export interface Blame {
  /** Height that holds the accusation. */
  readonly accusedAt: number;
  /** First height whose validator set has it suspended. */
  readonly actsAt: number;
}

/** Lets the validator lie until it is suspended; then gives it its honest bundle back. */
export async function byzantine(stage: Stage): Promise<Blame> {
  const { victim } = stage;
  const witness = stage.reader(stage.others[0]?.id ?? '');
  const { height: start } = await witness.health();
  const logs = logEnds(stage);
  const restore = await installLiar(stage);
  stage.load.takeGapMs();
  await awaitAlarm(stage, logs);
  const blame = await stage.phase(
    'Accused on the ledger, suspended two heights later',
    async (step) => {
      const wanted = { fn: 'validator.accuse', fromHeight: start + 1 };
      const { height: accusedAt } = await awaitTransaction(stage, witness, wanted);
      const actsAt = accusedAt + ACTIVATION_DELAY;
      const acting = await awaitBlock(stage, witness, actsAt);
      const before = await awaitBlock(stage, witness, actsAt - 1);
      const seat = await seatNow(stage, victim.id);
      if (
        !seat.suspended ||
        equalBytes(acting.header.validatorsHash, before.header.validatorsHash)
      ) {
        throw new LocalError(
          'not_proven',
          `${victim.id} was accused at ${accusedAt}, and still votes.`,
        );
      }
      step.result(`validator.accuse in block ${accusedAt}; the set of block ${actsAt} is another`);
      return { accusedAt, actsAt };
    },
  );
  await showThatOthersGoOn(stage, blame);
  await verifyEarlierReceipts(stage, blame);
  await stage.phase('Honest bundle back', restore);
  return blame;
}

/** Deploys the lying bundle to this one account; the answer takes it back. */
async function installLiar(stage: Stage): Promise<Undo> {
  return stage.phase(`${stage.victim.id} runs a bundle that equivocates`, async (step) => {
    return lendCode(stage, 'inbox', async (folder) => {
      const zip = await byzantineBundle(folder);
      step.result(`${Math.round(zip.length / 1024)} KiB, this account alone`);
      return zip;
    });
  });
}

type LogEnds = ReadonlyMap<string, number>;

/** How long each of the others' logs is now. */
function logEnds({ layout, others }: Stage): LogEnds {
  return new Map(others.map(({ id }) => [id, statSync(accountLayout(layout, id).log).size]));
}

/** Once it is honest again: the operators of the others end its suspension, with new sessions. */
export async function reinstate(stage: Stage): Promise<void> {
  const { victim, others } = stage;
  const before = await seatNow(stage, victim.id);
  const keys = await awaitBundle(stage, before, false);
  // While it is suspended its hospital decides nothing.
  const hospitals = others.map(({ id }) => id);
  const title = 'Its suspension ended by governance';
  await decideTogether(stage, { kind: 'reinstate', keys }, { hospitals, title });
  await awaitReturn(stage, before);
}

async function awaitAlarm(stage: Stage, ends: LogEnds): Promise<void> {
  await stage.phase(`Alarm ${ALARM} at its peers`, async (step) => {
    const wait = { withinMs: ALARM_MS, everyMs: LOG_POLL_MS, what: `No alarm ${ALARM}` };
    const raised = await until(stage, wait, async () => {
      const found = [...ends].filter(([id, end]) => hasAlarm(stage, id, end)).map(([id]) => id);
      return found.length > 0 ? found : null;
    });
    step.result(`raised by ${raised.join(' and ')}`);
  });
}

function hasAlarm({ layout, victim }: Stage, id: string, end: number): boolean {
  const fresh = readFileSync(accountLayout(layout, id).log).subarray(end).toString('utf8');
  return fresh.split('\n').some((line) => line.includes(ALARM) && line.includes(victim.id));
}

/** Blocks are certified without it from the height on at which the suspension acts. */
async function showThatOthersGoOn(stage: Stage, { actsAt }: Blame): Promise<void> {
  const { load, victim } = stage;
  const witness = stage.reader(stage.others[0]?.id ?? '');
  await stage.phase('Load goes on without its votes', async (step) => {
    const before = load.committed.length;
    await sleep(1_000);
    if (!(await load.advance(10, ALARM_MS, stage.signal))) {
      throw new LocalError('no_recovery', 'Nothing is committed any more.');
    }
    const { height } = await witness.health();
    let signed = 0;
    for (let at = actsAt; at <= height; at += 1) {
      const votes = (await witness.block(at))?.certificate?.votes ?? [];
      if (votes.some((vote) => vote.validator === victim.id)) signed += 1;
    }
    if (signed > 0) {
      throw new LocalError('not_proven', `${signed} certificates hold votes of ${victim.id}.`);
    }
    const gap = (load.takeGapMs() / 1000).toFixed(1);
    step.result(
      `${load.committed.length - before} committed; longest gap since it lied ${gap} s; ` +
        `none of blocks ${actsAt}–${height} holds its vote`,
    );
  });
}

/** What it signed before it was suspended still proves what it proved. */
async function verifyEarlierReceipts(stage: Stage, { actsAt }: Blame): Promise<void> {
  const { victim, load, layout } = stage;
  await stage.phase('Receipts of before verify offline, with its votes', async (step) => {
    const earlier = load.committed.filter(({ height }) => height < actsAt);
    const named = earlier.filter((result) => isSignedBy(result, victim.id));
    const { failures, transactions } = await verifyInOwnProcess(
      await genesisText(layout.networkFile),
      earlier.map(({ receipt }) => receipt),
    );
    if (failures.length > 0 || transactions !== earlier.length) {
      throw new LocalError('not_proven', failures[0]?.reason ?? 'Some receipts are missing.');
    }
    step.result(`${transactions} verified, ${named.length} of them with a vote of ${victim.id}`);
  });
}

function isSignedBy({ receipt }: CertifiedResult, id: string): boolean {
  return decodeReceipt(receipt).certificate.votes.some(({ validator }) => validator === id);
}
