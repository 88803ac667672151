/** Probe ledgers: case ledgers of operators alone, to see that the network keeps them. */
import { z } from 'zod';
import { fromHex } from '../crypto/bytes.ts';
import { heightField, transactionIdField } from '../wire/fields.ts';
import { identityOf } from './actor.ts';
import { caseLedger, endCaseLedger, startCaseLedger } from './case-ledger.ts';
import { cells } from './cells.ts';
import { readerOf } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { labelField } from './fields.ts';
import { defineTransaction } from './functions.ts';
import { keys } from './keys.ts';

export const governanceOpenProbe = defineTransaction({
  name: 'governance.open-probe',
  summary: 'Opens a case ledger without a patient, on which operators commit labels.',
  roles: ['operator'],
  schema: z.strictObject({}),
  async run(_args, { draft, transactionId, context }) {
    return { ledger: startCaseLedger(draft, transactionId, context, 'probe') };
  },
});

export const governanceCloseProbe = defineTransaction({
  name: 'governance.close-probe',
  summary: 'Closes a probe ledger at a head of it.',
  roles: ['operator'],
  schema: z.strictObject({
    ledger: transactionIdField,
    height: heightField,
    /** Of the header, hexadecimal. */
    hash: transactionIdField,
  }),
  hints: ({ ledger }) => [keys.caseLedger(ledger)],
  async run({ ledger, height, hash }, { draft, transactionId, context }) {
    if ((await caseLedger(draft.reader, ledger))?.kind !== 'probe') {
      throw new ChaincodeError('unknown_case');
    }
    const anchor = { height, hash: fromHex(hash) };
    await endCaseLedger(draft, { ledger, transaction: transactionId, anchor }, context);
    return { ledger, height, hash };
  },
});

export const caseProbe = defineTransaction({
  name: 'case.probe',
  summary: 'Commits a label of an operator to a probe ledger.',
  ledger: 'case',
  roles: ['operator'],
  schema: z.strictObject({ label: labelField }),
  async run({ label }, { actor, draft, context }) {
    const { ledger, main, time, height } = context;
    const found = main && (await caseLedger(readerOf(main), ledger));
    if (found?.kind !== 'probe') throw new ChaincodeError('unknown_case');
    const { hospital } = identityOf(actor).identity;
    if (hospital === null) throw new ChaincodeError('role_denied');
    const cell = cells.probe(hospital);
    const count = ((await draft.get(cell))?.count ?? 0) + 1;
    draft.put(cell, { label, count, time, height });
    return { hospital, label, count };
  },
});
