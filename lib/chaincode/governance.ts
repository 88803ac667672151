/** The network itself: its head for everybody, and a probe for operators. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { identityOf } from './actor.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { labelField } from './fields.ts';
import { defineQuery, defineTransaction } from './functions.ts';
import { keys } from './keys.ts';
import { everybody } from './roles.ts';

export const governanceProbe = defineTransaction({
  name: 'governance.probe',
  summary: 'Commits a label of an operator: shows that the network orders and executes.',
  roles: ['operator'],
  schema: z.strictObject({ label: labelField }),
  async run({ label }, { actor, draft, context }) {
    const { hospital } = identityOf(actor).identity;
    if (hospital === null) throw new ChaincodeError('role_denied');
    const cell = cells.probe(hospital);
    const count = ((await draft.get(cell))?.count ?? 0) + 1;
    const { time, height } = context;
    draft.put(cell, { label, count, time, height });
    return { hospital, label, count };
  },
});

export const networkHead = defineQuery({
  name: 'network.head',
  summary: 'Height and time of the head, validators and parameters as the state has them.',
  roles: [...everybody, 'representative'],
  schema: z.strictObject({}),
  hints: () => [keys.validators, keys.parameters],
  async run(_args, { reader, context }) {
    const validators = await reader.get(cells.validators);
    const parameters = await reader.get(cells.parameters);
    if (!validators || !parameters) throw new Error('the network is missing of state');
    return {
      network: context.network,
      ledger: context.ledger,
      height: context.height,
      time: context.time,
      validators: validators.map((one) => ({ ...one, kmsKey: toBase64url(one.kmsKey) })),
      parameters,
    };
  },
});
