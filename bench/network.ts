/** A local network to measure: a running one, or one of the benchmark's own that it stops again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalNetwork } from '../local/local-network.ts';
import { type Keystore, openKeystore } from '../sdk/keystore.ts';
import { type Network, parseNetworkFile } from '../sdk/network-file.ts';

export interface MeasuredNetwork {
  network: Network;
  folder: string;
  operator: (hospital: string) => Promise<Keystore>;
  close: () => Promise<void>;
}

/** `folder` names a running network; without it one is started in a folder of its own. */
export async function openMeasured(
  folder: string | undefined,
  log: (line: string) => void,
): Promise<MeasuredNetwork> {
  if (folder !== undefined) return describe(folder, async () => undefined);
  const own = mkdtempSync(join(tmpdir(), 'carequorum-bench-'));
  const local = await startLocalNetwork({ folder: own, log });
  return describe(own, async () => {
    await local.stop();
    rmSync(own, { recursive: true, force: true });
  });
}

async function describe(folder: string, close: () => Promise<void>): Promise<MeasuredNetwork> {
  const text = readFileSync(join(folder, 'network.json'), 'utf8');
  return {
    network: await parseNetworkFile(text),
    folder,
    operator: (hospital) => {
      const base = join(folder, 'operators', hospital);
      return openKeystore(`${base}.keystore`, readFileSync(`${base}.passphrase`, 'utf8').trim());
    },
    close,
  };
}
