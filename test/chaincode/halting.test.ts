/** Whatever somebody signs is taken or refused: nothing makes execution, and so all validators, stop. */
import { beforeAll, describe, expect, it } from 'vitest';
import { cells } from '../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import * as fields from '../../lib/chaincode/fields.ts';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import {
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  registerArgs,
  text32,
  valueOf,
  World,
} from './world.ts';

type Args = SignedRequest['args'];

let base: World;
let alice: PatientKeys;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
});

describe('65 bytes that are no uncompressed point', () => {
  const noPoint = 'A'.repeat(87);
  const signature = 'A'.repeat(86);
  const approval = { publicKey: noPoint, salt: id16('salt'), signature };
  const receiving = { recoveryId: id16('recovery'), receivingKey: noPoint };
  const successor = (): Args => ({
    ...registerArgs({ ...alice, pseudonym: text32('next') }),
    ...{ ownerKey: noPoint, ownerSignature: signature, sealingKeyDigest: text32('sealing') },
  });
  it.each<[string, () => Args]>([
    ['patient.rotate-begin', successor],
    ['patient.guard-rotation', () => ({ rotationKey: noPoint, signature })],
    ['recovery.release', () => receiving],
    ['recovery.rotate', () => ({ ...successor(), ...receiving })],
    [
      'recovery.start',
      () => ({
        ...receiving,
        ...{ pseudonym: alice.pseudonym, setupId: id16('setup') },
        encryptionKeyDigest: text32('encryption'),
        approvals: [
          { index: 0, ...approval },
          { index: 1, ...approval },
        ],
      }),
    ],
  ])('are refused by %s', async (fn, args) => {
    expect(outcome(await base.fork().submit(alice, fn, args()))).toBe('bad_arguments');
  });
});

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

it.each([
  ['digestField', 43, fields.digestField],
  ['idField', 22, fields.idField],
  ['publicKeyText', 87, fields.publicKeyText],
  ['shareKeyText', 1_622, fields.shareKeyText],
  ['signatureText', 86, fields.signatureText],
] as const)('%s takes what can be decoded, and nothing else', (_name, length, field) => {
  const taken = [...ALPHABET].map((last) => {
    const text = `BA${'A'.repeat(length - 3)}${last}`;
    const isTaken = field.safeParse(text).success;
    if (isTaken) expect(toBase64url(fromBase64url(text))).toBe(text);
    else expect(() => fromBase64url(text)).toThrow('canonical');
    return isTaken;
  });
  expect(taken).toContain(true);
});

describe('as much as is allowed', () => {
  it('of permissions with all different categories, in one request for copies', async () => {
    const world = base.fork();
    const { categoriesMax, copyPermissionsMax, holdingsMax } = chaincodeBounds;
    const permissionIds: string[] = [];
    while (permissionIds.length < copyPermissionsMax) {
      const reader = await world.registered('doctor', { hospital: 1 });
      for (let at = 0; at < holdingsMax; at += 1) {
        const permissionId = id16(`permission ${permissionIds.length}`);
        const categories = Array.from({ length: categoriesMax }, (_, tag) =>
          text32(`tag ${permissionIds.length} ${tag}`),
        );
        const grant = grantArgs(world, reader, { permissionId, categories });
        valueOf(await world.submit(alice, 'permission.grant', grant));
        permissionIds.push(permissionId);
      }
    }
    const asked = { pseudonym: alice.pseudonym, permissionIds };
    const value = valueOf(await world.submit(world.hospital(1), 'copy.request', asked));
    expect(value['scopes']).toHaveLength(categoriesMax * copyPermissionsMax);
  });

  it.each(['E', 'I', '0', '8'])('of an X-Wing key, and not a bit more: …%s', async (last) => {
    const world = base.fork();
    const teamId = id16('team');
    const lead = await world.registered('doctor');
    const made = { teamId, name: 'W', members: [lead.subject] };
    valueOf(await world.submit(world.operator(), 'team.create', made));
    const seals = [{ subject: lead.subject, digest: text32('seal') }];
    const publicKey = `${'A'.repeat(1621)}${last}`;
    const args = { teamId, version: 1, epoch: 1, publicKey, seals };
    expect(outcome(await world.submit(lead, 'team.publish-key', args))).toBe('bad_arguments');
  });

  it('of keys of a care team: whoever is in it can still be let out', async () => {
    const world = base.fork();
    const teamId = id16('team');
    const lead = await world.registered('doctor');
    const nurse = await world.registered('nurse');
    const members = [lead.subject, nurse.subject];
    valueOf(await world.submit(world.operator(), 'team.create', { teamId, name: 'W', members }));
    const team = (await readerOf(world).get(cells.team(teamId)))!;
    const made = { time: world.time, height: world.height };
    const key = {
      publicKey: new Uint8Array(chaincodeBounds.shareKeyBytes),
      maker: lead.subject,
      made,
    };
    const epoch = chaincodeBounds.teamEpochMax - 1;
    world.state.set(cells.team(teamId).key, encodeCbor({ ...team, epoch, key }));
    const seals = [{ subject: lead.subject, digest: text32('seal') }];
    const next = { teamId, version: 1, epoch: epoch + 1, publicKey: 'A'.repeat(1622), seals };
    await world.submit(lead, 'team.publish-key', next);
    const revoke = { kid: nurse.kid, reason: 'left-hospital' };
    expect(outcome(await world.submit(world.operator(), 'identity.revoke', revoke))).toBe(
      'COMMITTED',
    );
  });
});
