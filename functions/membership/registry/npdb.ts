/**
 * NPDB, the data bank of reports about clinicians. Only registered entities may query it (45 CFR
 * 60.18), so the query service is a port: a hospital that is one puts a gateway behind it.
 */

import { z } from 'zod';
import type { Fetch } from './nppes.ts';
import type { ClinicianClaim } from './registry.ts';

/** `reports` means that there are some: a person has to read them, not a program. */
export type NpdbVerdict = 'clear' | 'reports' | 'unavailable';

export interface NpdbService {
  query(claim: ClinicianClaim): Promise<NpdbVerdict>;
}

const TIMEOUT_MS = 5_000;
const ANSWER_CHARS_MAX = 10_000;
const answerSchema = z.looseObject({
  /** Echoed, so that an answer cannot pass for that of another query. */
  npi: z.string().regex(/^\d{10}$/),
  reports: z.int().min(0),
});

/** A gateway at `url`: `POST {url}/queries` with the subject, answered by a count of reports. */
export function npdbGateway(url: string, fetchUrl: Fetch = fetch): NpdbService {
  const address = `${url.replace(/\/+$/, '')}/queries`;
  return {
    async query({ npi, name, state, licence }) {
      try {
        const response = await fetchUrl(address, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'application/json' },
          body: JSON.stringify({ npi, name, state, licence }),
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const text = response.ok ? await response.text() : '';
        if (text.length > ANSWER_CHARS_MAX) return 'unavailable';
        const answer = answerSchema.safeParse(JSON.parse(text));
        if (!answer.success || answer.data.npi !== npi) return 'unavailable';
        return answer.data.reports === 0 ? 'clear' : 'reports';
      } catch {
        return 'unavailable';
      }
    },
  };
}
