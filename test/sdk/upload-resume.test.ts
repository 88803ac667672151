/** An upload that is killed at any moment goes on with the same record; no part is sent twice. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Clinician } from '../../sdk/clinician.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import { fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { planUpload } from '../../lib/records/upload-plan.ts';
import type { TicketStore } from '../../sdk/upload-ticket.ts';
import { type Cast, expectAllReadable, makeCast, PASSPHRASE } from './rotation-cast.ts';
import { problem } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let cast: Cast;
let arrived: string[];

beforeAll(async () => {
  world = await makeWorld();
  cast = await makeCast(world);
  const { objects } = world;
  const set = objects.set.bind(objects);
  objects.set = (path, bytes) => {
    if (path.split('/').length === 4) arrived.push(path);
    return set(path, bytes);
  };
});
afterAll(() => world.close());
beforeEach(() => (arrived = []));

interface Kept extends TicketStore {
  bytes: Uint8Array | null;
}

function ticketStore(): Kept {
  const kept: Kept = {
    bytes: null,
    load: async () => kept.bytes,
    save: (sealed) => world.power.write(async () => void (kept.bytes = sealed)),
    clear: async () => void (kept.bytes = null),
  };
  return kept;
}

/** The writer again, as a new program. */
async function writer(): Promise<Clinician> {
  const keystore = await openKeystore(cast.writer.keystore.path, PASSPHRASE);
  return new Clinician(world.session(), keystore, nodeFiles);
}

async function document(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(world.folder, name);
  await writeFile(path, bytes);
  cast.documents.set(name, bytes);
  return path;
}

async function upload(path: string, name: string, tickets: TicketStore) {
  const { pseudonym } = cast.patient;
  const target = { pseudonym, category: 'laboratory', mediaType: 'application/pdf' };
  return (await writer()).upload(await fileSource(path, name), target, { tickets });
}

describe('an upload that is killed', () => {
  it('goes on where it was, at every moment of it', async () => {
    const name = 'killed.bin';
    const path = await document(name, new Uint8Array(randomBytes(24_000_000)));
    const tickets = ticketStore();
    const before = (await cast.patient.records()).length;
    let done: Awaited<ReturnType<typeof upload>> | null = null;
    let runs = 0;
    for (; done === null && runs < 40; runs += 1) {
      world.power.restore();
      // One write further in each run: no moment is passed over.
      world.power.failAfter(3 + runs);
      try {
        done = await upload(path, name, tickets);
      } catch {
        // The power went out.
      }
    }
    world.power.restore();
    expect(runs).toBeGreaterThan(5);
    expect(done).not.toBeNull();
    const records = await cast.patient.records();
    expect(records).toHaveLength(before + 1);
    const record = records.at(-1)!;
    expect(record.stored).not.toBeNull();
    // What has arrived once is not sent again.
    expect(arrived).toHaveLength(planUpload(record.ciphertextLength).length);
    expect(new Set(arrived).size).toBe(arrived.length);
    expect(tickets.bytes).toBeNull();
    await expectAllReadable(cast, cast.patient);
  });

  it('begins anew where the document changed meanwhile, under another key', async () => {
    const name = 'changed.txt';
    const path = await document(name, Buffer.from('as it was at first'));
    const tickets = ticketStore();
    const cut = async (sealed: Uint8Array): Promise<void> => {
      tickets.bytes = sealed;
      throw new Error('killed');
    };
    await expect(upload(path, name, { ...tickets, save: cut })).rejects.toThrow('killed');
    expect(tickets.bytes).not.toBeNull();
    const first = tickets.bytes!;
    await document(name, Buffer.from('as it is by now'));
    await upload(path, name, tickets);
    await expectAllReadable(cast, cast.patient);
    expect(Buffer.from(first).includes('laboratory')).toBe(false);
  });

  it('does not mind a ticket of somebody else, or one that is cut off', async () => {
    const name = 'other.txt';
    const path = await document(name, Buffer.from('small'));
    const tickets = ticketStore();
    for (const bytes of [randomBytes(300), Buffer.alloc(0), await readFile(path)]) {
      tickets.bytes = new Uint8Array(bytes);
      await upload(path, name, tickets);
    }
    expect(tickets.bytes).toBeNull();
  });

  it('so long that who certified it was replaced becomes another record', async () => {
    const path = await document('late.txt', Buffer.from('late'));
    const tickets = ticketStore();
    const origin = 'http://records.test';
    const api = world.handlers[origin]!;
    const before = (await cast.patient.records()).length;
    try {
      world.handlers[origin] = (request) =>
        request.url.pathname === '/v1/uploads' ? problem(403, 'cut_here') : api(request);
      await expect(upload(path, 'late.txt', tickets)).rejects.toMatchObject({ code: 'problem' });
      expect(tickets.bytes).not.toBeNull();
      const { height } = world.ledger;
      world.handlers[origin] = async (request) => {
        const { receipt } = (request.body ?? {}) as { receipt?: string };
        const bytes = receipt === undefined ? null : fromBase64url(receipt);
        const isOld = bytes && (await verifyReceipt(bytes, world.net.genesis)).height <= height;
        return isOld ? problem(403, 'receipt_stale_set') : api(request);
      };
      const done = await upload(path, 'late.txt', tickets);
      const added = (await cast.patient.records()).slice(before);
      expect(added.map(({ stored }) => stored !== null)).toEqual([false, true]);
      expect(added[1]?.id).toBe(done.recordId);
      expect(tickets.bytes).toBeNull();
    } finally {
      world.handlers[origin] = api;
    }
  });
});
