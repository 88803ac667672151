/** What a validator says of itself and of its network: bootstrap, health, network, events. */

import { cells } from '../../../lib/chaincode/cells.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { governedOf } from '../../../lib/chaincode/governed.ts';
import { toBase64url, toHex } from '../../../lib/crypto/bytes.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import type { StateView } from '../../../lib/ledger/state-view.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import type { Validator } from '../../../lib/wire/validators.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { mapParallel } from '../../aws/parallel.ts';
import { HttpError } from '../../aws/problems.ts';
import { parseParameter } from '../../aws/request.ts';
import { eventsQuerySchema } from '../routes.ts';
import { committedBlock } from './committed.ts';
import type { ApiRuntime } from './runtime.ts';

/** Blocks of one answer: callers ask again from the height that it names. */
const EVENT_BLOCKS_MAX = 64;
const EVENTS_PARALLEL_MAX = 8;
/** One note to make keys in this time, milliseconds, whoever asks how often. */
const BOOTSTRAP_EVERY_MS = 5_000;

export function getBootstrap(runtime: ApiRuntime): Operation {
  return {
    async run(): Promise<HttpAnswer> {
      const { keyring, ports, clock, apiUrl } = runtime.deps;
      const bundle = await keyring.bundle();
      if (bundle !== null) return { status: 200, body: { ...bundle, apiUrl } };
      if (clock() - runtime.bootstrapAskedAt >= BOOTSTRAP_EVERY_MS) {
        await ports.inbox.send({ kind: 'bootstrap', ledger: MAIN_LEDGER });
        runtime.bootstrapAskedAt = clock();
      }
      throw new HttpError('preparing', 'Ask again', { retryAfterSeconds: 1 });
    },
  };
}

export function getHealth(runtime: ApiRuntime): Operation {
  return {
    async run(): Promise<HttpAnswer> {
      const { genesis, head } = await runtime.network();
      const { height, view, leader, changingView, learner, halted, pending } =
        (await runtime.replica()) ?? {};
      const body = {
        status: 'ok',
        validator: runtime.deps.validator,
        network: genesis.document.network,
        height: height ?? head.height,
        /** Of the newest committed block. */
        time: head.header.time,
        view,
        leader,
        changingView,
        learner,
        halted,
        pending,
      };
      return { status: 200, body };
    },
  };
}

export function getNetwork(runtime: ApiRuntime): Operation {
  return {
    async run(): Promise<HttpAnswer> {
      const { genesis, signed, head } = await runtime.network();
      const view = runtime.view(head);
      const { validators, parameters } = await governedOf(view);
      const body = {
        network: genesis.document.network,
        genesisHash: toHex(genesis.hash),
        genesis: signed,
        validators: await Promise.all(validators.map((seat) => describeSeat(view, seat))),
        parameters,
      };
      return { status: 200, body };
    },
  };
}

/** A seat as the ledger has it, with where its institution is found. */
async function describeSeat(view: StateView, seat: Validator): Promise<object> {
  const { id, kmsKey, incarnation, suspended } = seat;
  const entry = await readerOf(view).get(cells.directory(id));
  const { name = '', apiUrl = '' } = entry ?? {};
  return { id, name, kmsKey: toBase64url(kmsKey), incarnation, suspended, apiUrl };
}

export function getEvents(runtime: ApiRuntime): Operation {
  return {
    async run({ query }): Promise<HttpAnswer> {
      const { after, limit } = parseParameter(eventsQuerySchema, query, 'query');
      const network = await runtime.network();
      const upTo = Math.min(network.head.height, after + Math.min(limit, EVENT_BLOCKS_MAX));
      const heights = Array.from({ length: Math.max(0, upTo - after) }, (_, i) => after + 1 + i);
      const events = await mapParallel(heights, EVENTS_PARALLEL_MAX, async (height) => {
        const { header } = await committedBlock(runtime, network, height);
        const found = await runtime.deps.ports.blocks.events(MAIN_LEDGER, headerHash(header));
        return found.map((event) => ({ height, ...event }));
      });
      return { status: 200, body: { height: Math.max(after, upTo), events: events.flat() } };
    },
  };
}
