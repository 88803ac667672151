/** Set changes as they are stored and shown to peers, each with the sessions of its new set. */
import { z } from 'zod';
import { toHex } from '../crypto/bytes.ts';
import { heightField } from '../wire/fields.ts';
import { seatSessionsSchema } from '../wire/governed.ts';
import { type SessionCertificate, sessionSigningBytes } from '../wire/session.ts';
import { ledgerBounds } from './bounds.ts';
import { type SetChain, setLinkSchema } from './set-chain.ts';

export const storedLinkSchema = z.strictObject({
  /** First height on which the new set votes: that of the link's header, and one. */
  fromHeight: heightField,
  link: setLinkSchema,
  /** Session certificates of the new set's seats. */
  sessions: seatSessionsSchema,
});
export type StoredLink = z.infer<typeof storedLinkSchema>;

export const storedLinksSchema = z.array(storedLinkSchema).max(ledgerBounds.linksMax);

/** The chain of sets that links make, each session in it once. */
export function chainOf(links: readonly StoredLink[]): SetChain {
  const sessions = new Map<string, SessionCertificate>();
  for (const one of links.flatMap((stored) => stored.sessions)) {
    sessions.set(toHex(sessionSigningBytes(one.body)), one);
  }
  return { sessions: [...sessions.values()], links: links.map(({ link }) => link) };
}
