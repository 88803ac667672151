/** The first record of a case ledger: all of it follows from the main ledger. */
import { caseGenesisHeader } from '../../../lib/ledger/case-genesis.ts';
import { appendToFrontier } from '../../../lib/ledger/merkle.ts';
import { initialState } from '../../../lib/pbft/state.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { leaderOffset } from '../../../lib/wire/ledger.ts';
import type { ValidatorRuntime } from '../runtime.ts';
import { governsAt, isMissing, type MainHead, mainHeader } from './main-state.ts';
import { encodeRecord } from './record.ts';

/** Makes it unless there is one; true where this call did. */
export async function startCase(
  runtime: ValidatorRuntime,
  ledger: string,
  main: MainHead,
): Promise<boolean> {
  const { ports } = runtime;
  if (runtime.warm.has(ledger) || (await ports.replicas.version(ledger)) !== null) return false;
  try {
    return await start(runtime, ledger, main);
  } catch (error) {
    if (!isMissing(error)) throw error;
    // What the main ledger was then is fetched first; until then the case is not known here.
    await ports.self.catchUp(ledger, { fromHeight: 1, toHeight: 1 });
    return false;
  }
}

async function start(
  runtime: ValidatorRuntime,
  ledger: string,
  { found }: MainHead,
): Promise<boolean> {
  const { genesis, self, ports, signer } = runtime;
  const opening = await mainHeader(runtime, found.height);
  const header = caseGenesisHeader(genesis, ledger, opening);
  const hash = headerHash(header);
  const { validators, sessions, parameters } = await governsAt(runtime, found.height);
  const state = initialState({
    ...{ self, ledger, genesisHash: genesis.hash, genesisHeaderHash: hash },
    ...{ validators, parameters, leaderOffset: leaderOffset(ledger) },
    sessions: sessions.filter(({ body }) => body.purpose === 'vote'),
    session: signer?.incarnation ?? null,
    head: { header, hash, certificate: null },
    frontier: appendToFrontier([], 0, hash),
  });
  const record = encodeRecord({ state, outbox: [], tick: null });
  const head = { height: 0, headerHash: hash, header, certificate: null, votedHeight: 0 };
  return ports.replicas.save(ledger, null, record, head);
}
