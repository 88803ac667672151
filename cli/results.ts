/** Certified outcomes as documents and lines. */
import { toBase64url } from '../lib/crypto/bytes.ts';
import type { CertifiedResult } from '../sdk/proofs.ts';
import { timeText } from './times.ts';

/** What programs get of a certified outcome; the receipt proves it offline. */
export interface CertifiedJson {
  readonly transaction: string;
  readonly height: number;
  readonly time: number;
  readonly receipt: string;
}

export function certifiedJson({ id, height, time, receipt }: CertifiedResult): CertifiedJson {
  return { transaction: id, height, time, receipt: toBase64url(receipt) };
}

export function certifiedLine({ height, time }: CertifiedResult): string {
  return `Certified by a quorum of hospitals in block ${height}, ${timeText(time)}.`;
}
