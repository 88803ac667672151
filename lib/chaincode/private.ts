/** A patient's private data: the ledger holds commitments, the custodian what is sealed (design §7). */
import { z } from 'zod';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { present } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, pseudonymField } from './fields.ts';
import { defineQuery, defineTransaction } from './functions.ts';
import { ownOrEarlier, pageArgs, remember } from './history.ts';

export const patientPrivate = defineTransaction({
  name: 'patient.private',
  summary:
    'Commits to private data of the patient, new or in the place of what was there. Nobody else ' +
    'can be given it.',
  roles: ['patient'],
  schema: z.strictObject({
    privateId: idField,
    /** One above what is there; 1 at first. */
    version: z.int().min(1).max(chaincodeBounds.privateVersionMax),
    /** Salted commitment to the plaintext. */
    commitment: digestField,
    /** Digest of what is sealed and kept by the custodian. */
    sealedDigest: digestField,
  }),
  async run({ privateId, version, commitment, sealedDigest }, call) {
    const { draft, context, actor } = call;
    const { pseudonym } = patientOf(actor);
    const cell = cells.privateData(pseudonym, privateId);
    const before = await draft.get(cell);
    if (version !== (before?.version ?? 0) + 1) throw new ChaincodeError('version_not_next_one');
    const list = listCells.privateData(pseudonym);
    if (!before) {
      if ((await draft.reader.count(list)) >= chaincodeBounds.privateMax) {
        throw new ChaincodeError('too_much_private');
      }
      await draft.append(list, { privateId });
    }
    const at = { time: context.time, height: context.height };
    draft.put(cell, { privateId, version, commitment, sealedDigest, at });
    await remember(call, pseudonym, {});
    return { pseudonym, ownerKid: actor.kid, privateId, version, sealedDigest };
  },
});

export const patientPrivateList = defineQuery({
  name: 'patient.private-list',
  summary: 'A page of the commitments to the patient’s private data.',
  roles: ['patient'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const pseudonym = await ownOrEarlier(reader, patientOf(actor).pseudonym, named);
    const page = await reader.page(listCells.privateData(pseudonym), args);
    const data = page.items.map(({ privateId }) => cells.privateData(pseudonym, privateId));
    return { ...page, items: await present(reader, data) };
  },
});
