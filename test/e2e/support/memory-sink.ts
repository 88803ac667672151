/** A sink that shows what reached a reader, and when. */
import type { DocumentSink } from '../../../sdk/platform/files.ts';

export interface MemorySink extends DocumentSink {
  readonly chunks: Uint8Array[];
  /** True once the document appeared. */
  isKept: boolean;
}

export function memorySink(): MemorySink {
  const chunks: Uint8Array[] = [];
  const sink: MemorySink = {
    chunks,
    isKept: false,
    async write(bytes) {
      chunks.push(bytes.slice());
    },
    async keep() {
      sink.isKept = true;
      return 'memory';
    },
    async discard() {
      if (!sink.isKept) chunks.length = 0;
    },
  };
  return sink;
}
