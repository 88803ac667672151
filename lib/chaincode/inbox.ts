/** The inbox of a person or party: notices in a list that is complete. */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { listCells } from './cells.ts';
import { defineQuery } from './functions.ts';
import { pageArgs } from './history.ts';
import { everybody } from './roles.ts';

export const inboxList = defineQuery({
  name: 'inbox.list',
  summary: 'A page of the signer’s own notices.',
  roles: everybody,
  schema: z.strictObject(pageArgs),
  isForSuspended: true,
  async run(args, { actor, reader }) {
    const list =
      actor.kind === 'patient'
        ? listCells.patientInbox(patientOf(actor).pseudonym)
        : listCells.subjectInbox(identityOf(actor).identity.subject);
    return reader.page(list, args);
  },
});
