import type { SQSEvent } from 'aws-lambda';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeTimerMessage, type TimerMessage } from '../../../functions/aws/timer-message.ts';
import { MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { MemoryInboxSender } from '../../../functions/memory/senders.ts';
import { catchUp, type CatchUpDeps } from '../../../functions/validator/catch-up.ts';
import {
  handleTimer,
  type TimerDeps,
  type TimerEvent,
} from '../../../functions/validator/timer-handler.ts';
import type { BackfillOutcome } from '../../../functions/validator/backfill.ts';
import type { SnapshotOutcome } from '../../../functions/validator/snapshot-worker.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import { SetBook } from '../../../functions/validator/set-book.ts';
import { generateSigningKey } from '../../../lib/crypto/p256.ts';
import type { StoredLink } from '../../../lib/ledger/stored-link.ts';
import { type SessionBody, sessionSigningBytes } from '../../../lib/wire/session.ts';
import { type Certificate, voteSigningBytes } from '../../../lib/wire/vote.ts';
import { ApiFixture, NETWORK, type Party, type SetChange } from './fixture.ts';

const sqsEvent = (...bodies: string[]): SQSEvent =>
  ({ Records: bodies.map((body, i) => ({ body, messageId: `m${i}` })) }) as unknown as SQSEvent;
const schedule = { source: 'aws.events', detail: {} } as unknown as TimerEvent;

describe('the timer', () => {
  const setUp = (
    result: Awaited<ReturnType<typeof catchUp>> = null,
    outcome: SnapshotOutcome = 'none',
  ) => {
    const inbox = new MemoryInboxSender();
    const events: string[] = [];
    const log = ({ event }: { event: string }): number => events.push(event);
    const later: TimerMessage[] = [];
    const left: BackfillOutcome[] = [];
    const deps: TimerDeps = {
      listed: async () => [],
      inbox,
      catchUp: () => Promise.resolve(result),
      snapshot: () => Promise.resolve(outcome),
      backfill: () => Promise.resolve(left.pop() ?? 'none'),
      later: async (message) => {
        later.push(message);
      },
      log,
    };
    return { inbox, events, later, left, deps };
  };

  it('passes ticks on, and re-arms a broken chain by the schedule', async () => {
    const { deps, inbox } = setUp();
    await handleTimer(deps, schedule);
    await handleTimer(
      deps,
      sqsEvent(encodeTimerMessage({ kind: 'tick', ledger: 'case-1', due: 1_000 })),
    );
    expect(inbox.sent).toEqual([
      { kind: 'tick', ledger: 'main', due: null },
      { kind: 'tick', ledger: 'case-1', due: 1_000 },
    ]);
  });

  const request = { kind: 'catch-up', ledger: 'main', fromHeight: 1, toHeight: 9 } as const;

  it('tells the replica which blocks came, or nothing', async () => {
    const got = setUp({ ledger: 'main', fromHeight: 1, toHeight: 4 });
    await handleTimer(got.deps, sqsEvent(encodeTimerMessage(request)));
    expect(got.inbox.sent).toEqual([
      { kind: 'fetched', ledger: 'main', fromHeight: 1, toHeight: 4 },
    ]);
    const none = setUp();
    await handleTimer(none.deps, sqsEvent(encodeTimerMessage(request)));
    expect(none.inbox.sent).toEqual([]);
  });

  it.each([
    ['complete', [{ kind: 'snapshot', ledger: 'main' }], [{ kind: 'backfill', ledger: 'main' }]],
    ['again', [], [{ kind: 'snapshot', ledger: 'main' }]],
    ['busy', [], []],
  ] as const)('takes a snapshot where many blocks are lacking: %s', async (outcome, sent, next) => {
    const { deps, later, inbox } = setUp({ ledger: 'main', fromHeight: 1, toHeight: 9 }, outcome);
    await handleTimer(deps, sqsEvent(encodeTimerMessage({ ...request, toHeight: 256 })));
    expect(inbox.sent).toEqual(sent);
    expect(later).toEqual(next);
  });

  it('goes on filling in older blocks until there is nothing to do', async () => {
    const { deps, later, left } = setUp();
    left.push('none', 'again', 'again');
    await handleTimer(deps, schedule);
    const again = { kind: 'backfill', ledger: 'main' } as const;
    expect(later).toEqual([again]);
    await handleTimer(deps, sqsEvent(encodeTimerMessage(again)));
    await handleTimer(deps, sqsEvent(encodeTimerMessage(again)));
    expect(later).toEqual([again, again]);
  });

  it('fetches blocks where nobody proves a head far ahead', async () => {
    const { deps, inbox } = setUp({ ledger: 'main', fromHeight: 1, toHeight: 9 }, 'none');
    const far = encodeTimerMessage({ ...request, toHeight: 10_000 });
    await handleTimer(
      deps,
      sqsEvent(far, encodeTimerMessage({ kind: 'snapshot', ledger: 'main' })),
    );
    expect(inbox.sent).toMatchObject([{ kind: 'fetched' }]);
  });

  it('acknowledges what is malformed, returns what failed', async () => {
    const { deps, events } = setUp();
    const tick = encodeTimerMessage({ kind: 'tick', ledger: 'main', due: 1_000 });
    deps.inbox.send = () => Promise.reject(new Error('down'));
    const answer = await handleTimer(deps, sqsEvent('{}', tick));
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'm1' }] });
    expect(events).toEqual(['message dropped', 'timer failed']);
  });
});

describe('catching up', () => {
  let api: ApiFixture;
  let fetched: MemoryFetchedStore;
  let reasons: string[];
  /** What a peer answers, by id; true answers from the API of the fixture otherwise. */
  let peers: Record<string, (url: string, init?: RequestInit) => Promise<Response>>;

  const honest = async (url: string, init?: RequestInit): Promise<Response> => {
    const { pathname, search } = new URL(url);
    const answer = await api.get(pathname + search, init?.headers as Record<string, string>);
    return new Response(JSON.stringify(answer.body), { status: answer.status });
  };

  const depsOf = async (): Promise<CatchUpDeps> => {
    const west = api.parties[3];
    const readKey = await west?.keyring.openReadKey();
    if (!readKey) throw new Error('no key');
    return {
      genesis: api.genesis,
      network: NETWORK,
      peers: api.genesis.document.validators.filter(({ id }) => id !== 'west'),
      sets: await SetBook.open({ genesis: api.genesis, links: [] }),
      readKey,
      fetched,
      fetch: (input, init) => {
        const url = input as string;
        return (peers[new URL(url).hostname.split('.')[0] ?? ''] ?? honest)(url, init);
      },
      clock: () => api.now,
      log: ({ reason }) => reasons.push(reason),
    };
  };

  beforeEach(async () => {
    api = await ApiFixture.started();
    fetched = new MemoryFetchedStore();
    reasons = [];
    peers = {};
    for (let i = 0; i < 4; i += 1) await api.commit([await api.sign(), await api.sign()]);
  });

  const wanted = { ledger: 'main', fromHeight: 2, toHeight: 9 };

  it('fetches certified blocks up to what peers have', async () => {
    const range = await catchUp(await depsOf(), wanted, api.now + 5_000);
    expect(range).toEqual({ ledger: 'main', fromHeight: 2, toHeight: 4 });
    const block = await fetched.get('main', 4);
    expect(block?.transactions).toHaveLength(2);
    expect(block?.header.height).toBe(4);
    expect(await fetched.get('main', 1)).toBeNull();
  });

  /** An honest answer with one part of it replaced. */
  const altered =
    (change: (body: Record<string, string>) => object | Promise<object>) =>
    async (url: string, init?: RequestInit): Promise<Response> => {
      const body = (await (await honest(url, init)).json()) as Record<string, string>;
      return new Response(JSON.stringify({ ...body, ...(await change(body)) }));
    };
  const part = (text: string): Record<string, unknown> =>
    decodeCbor(fromBase64url(text), 100_000) as Record<string, unknown>;
  const again = (value: unknown): string => toBase64url(encodeCbor(value));

  /** What a liar can make of the commit votes that it has heard: every one of them is true. */
  const certifiedByAll = async (header = '', certificate = ''): Promise<string> => {
    const whole = part(certificate) as unknown as Certificate;
    const { hash, phase, height, view, votes } = whole;
    const { validatorsHash } = part(header) as { validatorsHash: Uint8Array };
    const context = { genesisHash: api.genesis.hash, ledger: 'main', validatorsHash };
    const bytes = voteSigningBytes(context, { phase, height, view, hash });
    const key = await api.parties[3]?.keyring.openSessionKey();
    const signature = (await key?.sign(bytes)) as Uint8Array;
    return again({ ...whole, votes: [...votes, { validator: 'west', signature }] });
  };

  it.each([
    ['a body of its own', altered(() => ({ body: again(['a.b.c']) })), 'another body'],
    [
      'another header',
      altered(({ header }) => ({ header: again({ ...part(header as string), time: 1 }) })),
      'a certificate of something else',
    ],
    [
      'too few votes',
      altered(({ certificate }) => {
        const whole = part(certificate as string);
        const votes = (whole['votes'] as unknown[]).slice(1);
        return { certificate: again({ ...whole, votes }) };
      }),
      'not a quorum of votes',
    ],
    [
      'votes for another view',
      altered(({ certificate }) => ({
        certificate: again({ ...part(certificate as string), view: 1 }),
      })),
      'not certified',
    ],
    [
      'more votes than replicas take',
      altered(async ({ header, certificate }) => ({
        certificate: await certifiedByAll(header, certificate),
      })),
      'not a quorum of votes',
    ],
    [
      'another block',
      (url: string, init?: RequestInit) =>
        honest(url, init).then(async (response) => {
          const body = (await response.json()) as Record<string, string>;
          const header = part(body['header'] as string);
          return new Response(JSON.stringify({ ...body, header: again({ ...header, height: 1 }) }));
        }),
      'another block',
    ],
    ['an endless answer', () => Promise.resolve(new Response('x'.repeat(4_000_000))), 'too large'],
    ['no JSON', () => Promise.resolve(new Response('<html>')), 'SyntaxError'],
    ['an error', () => Promise.resolve(new Response('', { status: 500 })), 'status 500'],
    ['nothing', () => Promise.reject(new TypeError('refused')), 'TypeError'],
  ] as const)('passes over a peer that gives %s', async (_, liar, reason) => {
    peers = { north: liar };
    const range = await catchUp(await depsOf(), { ...wanted, toHeight: 3 }, api.now + 5_000);
    expect(range).toEqual({ ledger: 'main', fromHeight: 2, toHeight: 3 });
    expect(reasons.some((one) => one.includes(reason))).toBe(true);
  });

  it('begins with another peer where it is told to', async () => {
    const asked: string[] = [];
    const deps = await depsOf();
    const fetchFrom: typeof fetch = (url, init) => {
      asked.push(new URL(url as string).hostname.split('.')[0] ?? '');
      return deps.fetch(url, init);
    };
    for (const at of [0, 1, 2]) {
      const one = { ...deps, fetch: fetchFrom, firstPeer: () => at };
      await catchUp(one, { ...wanted, toHeight: 2 }, api.now + 5_000);
    }
    expect(asked).toEqual(['north', 'east', 'south']);
  });

  it('answers null when nobody has anything, and when time is up', async () => {
    const above = { ...wanted, fromHeight: 5 };
    expect(await catchUp(await depsOf(), above, api.now + 5_000)).toBeNull();
    expect(await catchUp(await depsOf(), wanted, api.now)).toBeNull();
  });

  describe('through changes of the validator set', () => {
    /** West comes back under another incarnation: from the next height on, another set votes. */
    const rejoin = async (incarnation: number): Promise<SetChange> => {
      const west = api.parties[3] as Party;
      const key = await generateSigningKey();
      const body: SessionBody = {
        network: NETWORK,
        validator: 'west',
        incarnation,
        purpose: 'vote',
        key: key.publicKey,
        fromHeight: 0,
        untilHeight: 1_000,
      };
      const signature = await west.kms.sign(sessionSigningBytes(body));
      const validators = api.set.map((one) => (one.id === 'west' ? { ...one, incarnation } : one));
      return { validators, sessions: [{ body, signature }] };
    };

    beforeEach(async () => {
      await api.commit([await api.sign()], await rejoin(1));
      await api.commit([await api.sign()]);
      await api.commit([await api.sign()], await rejoin(2));
      await api.commit([await api.sign()]);
    });

    it('learns the sets from whoever shows the blocks', async () => {
      const deps = await depsOf();
      const range = await catchUp(deps, wanted, api.now + 5_000);
      expect(range).toEqual({ ledger: 'main', fromHeight: 2, toHeight: 8 });
      expect(deps.sets.links.map(({ fromHeight }) => fromHeight)).toEqual([6, 8]);
    });

    it('goes on from the sets that are kept here', async () => {
      const links = (await api.blocks.links('main')).slice(0, 1);
      const sets = await SetBook.open({ genesis: api.genesis, links });
      const range = await catchUp({ ...(await depsOf()), sets }, wanted, api.now + 5_000);
      expect(range).toMatchObject({ toHeight: 8 });
    });

    it.each([
      ['another set', (link: StoredLink) => ({ ...link.link, validators: [...api.set] })],
      [
        'a change that the set before it has not certified',
        (link: StoredLink) => {
          const { certificate } = link.link;
          const votes = certificate.votes.slice(1);
          return { ...link.link, certificate: { ...certificate, votes } };
        },
      ],
    ] as const)('passes over a peer that shows %s', async (_, forge) => {
      const [first, ...rest] = await api.blocks.links('main');
      if (!first) throw new Error('no set change');
      const sets = again([{ ...first, link: forge(first) }, ...rest]);
      peers = {
        north: async (url, init) =>
          url.includes('/v1/sets') ? new Response(JSON.stringify({ sets })) : honest(url, init),
      };
      const range = await catchUp(await depsOf(), wanted, api.now + 5_000);
      expect(range).toMatchObject({ toHeight: 8 });
      expect(reasons).toContain('ReceiptError');
    });

    /** West voted with keys that a set change brought: without them its votes count for nothing. */
    it.each([
      ['no session of the newcomer', () => []],
      [
        'another session of the newcomer as well',
        async (sessions: StoredLink['sessions']) => [...sessions, ...(await rejoin(1)).sessions],
      ],
    ] as const)('learns no set of a peer that shows %s', async (_, change) => {
      const [first, ...rest] = await api.blocks.links('main');
      if (!first) throw new Error('no set change');
      const forged = { ...first, sessions: await change(first.sessions) };
      const sets = again([forged, ...rest]);
      peers = {
        north: async (url, init) =>
          url.includes('/v1/sets') ? new Response(JSON.stringify({ sets })) : honest(url, init),
      };
      const deps = await depsOf();
      expect(await catchUp(deps, wanted, api.now + 5_000)).toMatchObject({ toHeight: 8 });
      expect(reasons).toContain('ReceiptError');
      const links = (await api.blocks.links('main')).map(({ sessions }) => sessions);
      expect(deps.sets.links.map(({ sessions }) => sessions)).toEqual(links);
    });

    it('shows no set change above its head, whose certificate may hold an unsaved vote', async () => {
      const shown = async (): Promise<unknown[]> => {
        const { body } = await api.get('/v1/sets?after=0');
        return decodeCbor(fromBase64url((body as { sets: string }).sets), 100_000) as unknown[];
      };
      expect(await shown()).toHaveLength(2);
      const [first] = await api.blocks.links('main');
      if (!first) throw new Error('no set change');
      const { height } = await api.head();
      const header = { ...first.link.header, height: height + 1 };
      const link = { ...first.link, header };
      await api.blocks.putLink('main', { ...first, link, fromHeight: height + 2 });
      expect(await shown()).toHaveLength(2);
      await api.commit([await api.sign()]);
      expect(await shown()).toHaveLength(3);
    });

    it('passes over a peer that shows none', async () => {
      const none = new Map(['north', 'east', 'south'].map((id) => [id, again([])]));
      const without = (id: string) => async (url: string, init?: RequestInit) =>
        url.includes('/v1/sets')
          ? new Response(JSON.stringify({ sets: none.get(id) }))
          : honest(url, init);
      peers = { north: without('north'), east: without('east'), south: without('south') };
      const range = await catchUp(await depsOf(), { ...wanted, toHeight: 9 }, api.now + 5_000);
      expect(range).toMatchObject({ fromHeight: 2, toHeight: 5 });
      expect(reasons).toContain('another set');
    });
  });
});
