/** One question to a party: a GET without credentials, whose answer is bounded in time and size. */
import type { Session } from '../../sdk/session.ts';

export interface PartiesCheck {
  readonly session: Pick<Session, 'network' | 'client' | 'authorities' | 'transport'>;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What one call brought. */
export interface Answer {
  readonly status: number;
  readonly json: unknown;
  /** How much the party's clock is ahead of ours, milliseconds; null where it says no time. */
  readonly aheadMs: number | null;
}

/** Milliseconds that a party may take. */
export const ANSWER_MS_MAX = 6_000;
const ANSWER_CHARS_MAX = 4_000_000;

/** The answer, or why there is none. Throws only where the person stopped it. */
export async function ask(
  { session: { transport }, signal, now }: PartiesCheck,
  url: string,
): Promise<Answer | string> {
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
  const before = now();
  try {
    const response = await transport(url, {
      method: 'GET',
      headers: { accept: 'application/json' },
      signal: AbortSignal.any([signal, timeout]),
      redirect: 'error',
    });
    const text = await response.text();
    const middle = (before + now()) / 2;
    const date = Date.parse(response.headers.get('date') ?? '');
    // The header is cut to whole seconds: on average half a second is missing.
    const aheadMs = Number.isNaN(date) ? null : date + 500 - middle;
    return { status: response.status, json: parseJson(text), aheadMs };
  } catch (error) {
    if (signal.aborted) throw error;
    if (timeout.aborted) return `no answer within ${ANSWER_MS_MAX / 1000} seconds`;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : 'no answer';
  }
}

function parseJson(text: string): unknown {
  if (text.length > ANSWER_CHARS_MAX) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
