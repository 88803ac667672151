/** The trace of a run: lines that are the same every time, and a digest over them. */
import { createHash } from 'node:crypto';
import { startTime } from './network.ts';

export class Trace {
  readonly lines: string[] = [];

  /** `who` is a replica's short name, or `·` for the world. */
  line(now: number, who: string, text: string): void {
    const seconds = ((now - startTime) / 1000).toFixed(3);
    this.lines.push(`${seconds.padStart(8)} ${who.padEnd(3)} ${text}`);
  }

  digest(): string {
    return createHash('sha256').update(this.lines.join('\n')).digest('hex');
  }
}
