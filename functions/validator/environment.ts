/** The environment of the functions of a validator, checked at start. */

import { z } from 'zod';
import { networkField, thumbprintField, validatorIdField } from '../../lib/wire/fields.ts';
import { jsonText } from '../aws/environment.ts';

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

export const escrowEnvironmentSchema = z.object({
  NETWORK: networkField,
  VALIDATOR_ID: validatorIdField,
  LEDGER_TABLE: z.string().min(1),
  SESSION_TABLE: z.string().min(1),
  ESCROW_TABLE: z.string().min(1),
  WRAP_KEY_ID: z.string().min(1),
  API_URL: z.url(),
});

/** The hospital's copies: table, bucket, and the queue that wakes the replicator. */
const copies = {
  NETWORK: networkField,
  VALIDATOR_ID: validatorIdField,
  LEDGER_TABLE: z.string().min(1),
  COPIES_TABLE: z.string().min(1),
  COPIES_BUCKET: z.string().min(1),
  NOTES_URL: z.url(),
  /** Set for local networks: then addresses name the bucket in their path. */
  AWS_ENDPOINT_URL_S3: z.url().optional(),
  AWS_ENDPOINT_URL: z.url().optional(),
};

export const copiesEnvironmentSchema = z.object({ ...copies, API_URL: z.url() });

export const replicatorEnvironmentSchema = z.object({
  ...copies,
  SESSION_TABLE: z.string().min(1),
  WRAP_KEY_ID: z.string().min(1),
});

export const timerEnvironmentSchema = z.object({ ...common, TIMER_URL: z.url() });

export const inboxEnvironmentSchema = z.object({
  ...common,
  OPERATOR_KEY: thumbprintField,
  SIGN_KEY_ID: z.string().min(1),
  TIMER_URL: z.url(),
  /** Queue that wakes the replicator. */
  NOTES_URL: z.url(),
  /** Role ids whose notes to the own inbox count, and the account's id. */
  SELF_SENDERS: jsonText.pipe(z.array(z.string().min(1).max(128)).min(1).max(8)),
  /** Queue URL of each peer's inbox. */
  PEERS: jsonText.pipe(z.record(validatorIdField, z.url())),
});
