// Loopback ports: chosen once in a row below the ephemeral range, then remembered by the network.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { LocalError } from './errors.ts';

/** Below what systems hand out for outgoing connections, so that none takes a port meanwhile. */
const PORT_MIN = 15_000;
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 50;

export async function isFreePort(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', () => {
      settle(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        settle(true);
      });
    });
  });
}

/** The ports base, base+1 …; throws `port_in_use` naming the first that is taken. */
export async function takePorts(base: number, count: number): Promise<readonly number[]> {
  if (!Number.isInteger(base) || base < 1024 || base + count > 65_536) {
    throw new LocalError(
      'bad_option',
      `--ports ${base}: give a number from 1024 to ${65_536 - count}.`,
    );
  }
  const ports = rowOfPorts(base, count);
  const taken = await firstTaken(ports);
  if (taken !== undefined) {
    throw new LocalError(
      'port_in_use',
      `Port ${taken} is in use (asked for ${base} to ${ports.at(-1)}).`,
      {
        cure: 'Give another --ports BASE, or none: free ports are then found.',
      },
    );
  }
  return ports;
}

/** A row of that many free ports, from a random place so that two networks seldom meet. */
export async function findPorts(count: number): Promise<readonly number[]> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const base = randomInt(PORT_MIN, PORT_MAX - count);
    const ports = rowOfPorts(base, count);
    if ((await firstTaken(ports)) === undefined) return ports;
  }
  throw new LocalError('port_in_use', `Found no ${count} free ports in a row.`, {
    cure: 'npm start -- --ports BASE',
  });
}

function rowOfPorts(base: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => base + index);
}

async function firstTaken(ports: readonly number[]): Promise<number | undefined> {
  for (const port of ports) {
    if (!(await isFreePort(port))) return port;
  }
  return undefined;
}
