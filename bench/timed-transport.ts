/** A transport that times what it carries. */
import { fetchTransport, type Transport } from '../sdk/http.ts';

/** Times HTTP calls of a client by method and path. */
export function timedTransport(): { transport: Transport; calls: { what: string; ms: number }[] } {
  const calls: { what: string; ms: number }[] = [];
  const transport: Transport = async (url, init) => {
    const started = performance.now();
    try {
      return await fetchTransport(url, init);
    } finally {
      const path = new URL(url).pathname.replace(/^.*\/prod/, '');
      calls.push({ what: `${init.method ?? 'GET'} ${path}`, ms: performance.now() - started });
    }
  };
  return { transport, calls };
}
