/** The environment of the functions of a validator, checked at start. */

import { z } from 'zod';
import { networkField, thumbprintField, validatorIdField } from '../../lib/wire/fields.ts';

const common = {
  NETWORK: networkField,
  VALIDATOR_ID: validatorIdField,
  LEDGER_TABLE: z.string().min(1),
  SESSION_TABLE: z.string().min(1),
  WRAP_KEY_ID: z.string().min(1),
  INBOX_URL: z.url(),
};

export const apiEnvironmentSchema = z.object({
  ...common,
  API_URL: z.url(),
  OPERATOR_KEY: thumbprintField,
  SIGN_KEY_ID: z.string().min(1),
});

export const timerEnvironmentSchema = z.object({ ...common, TIMER_URL: z.url() });
