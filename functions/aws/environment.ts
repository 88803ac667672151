/** Fields of a function's environment. */

import { z } from 'zod';

/** JSON in a variable, such as the map of peers. */
export const jsonText = z
  .string()
  .max(16 * 1024)
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'not JSON' });
      return z.NEVER;
    }
  });
