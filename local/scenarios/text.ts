// Words for the terminal: names that come from files, sizes, times, blocks.
import { randomBytes } from 'node:crypto';
import type { CertifiedResult } from '../../sdk/proofs.ts';

/** Names come from files: control characters must not reach the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\u{fffd}');
}

/** UTC, hours to seconds. */
export function clockText(time: number): string {
  return new Date(time).toISOString().slice(11, 19);
}

export function sizeText(bytes: number): string {
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function blocksOf(results: readonly CertifiedResult[]): string {
  const heights = [...new Set(results.map((one) => one.height))].sort((a, b) => a - b);
  return heights.length === 1 ? `block ${heights[0]}` : `blocks ${heights[0]} to ${heights.at(-1)}`;
}

/** Twelve hex digits, for names of files and people. */
export function shortId(): string {
  return randomBytes(6).toString('hex');
}
