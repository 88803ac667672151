/** What governs a height: who votes on it, with which session keys, under which parameters. */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { parametersSchema } from './parameters.ts';
import { sessionCertificateSchema } from './session.ts';
import { validatorSetSchema } from './validators.ts';

/** Session certificates of the seats of one set: a vote and a read session of each. */
export const seatSessionsSchema = z.array(sessionCertificateSchema).max(2 * limits.validatorsMax);

/**
 * The state after block h says what governs height h + 2: what is committed at h acts at
 * h + window + 1, with a window of one height in flight.
 */
export const governedSchema = z.strictObject({
  validators: validatorSetSchema,
  sessions: seatSessionsSchema,
  parameters: parametersSchema,
});
export type Governed = z.infer<typeof governedSchema>;

/** Heights between a commit and what it changes taking effect: h + window + 1. */
export const ACTIVATION_DELAY = 2;
