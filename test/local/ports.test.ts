// Ports: free ones in a row, and a taken one is named.
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { findPorts, isFreePort, takePorts } from '../../local/lib/ports.ts';

async function occupyPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('finds a row of free ports below the ephemeral range', async () => {
  const ports = await findPorts(7);
  expect(ports).toEqual(Array.from({ length: 7 }, (_, index) => (ports[0] ?? 0) + index));
  expect(ports.at(-1)).toBeLessThan(32_768);
  for (const port of ports) expect(await isFreePort(port)).toBe(true);
});

test('a taken port is named with what to do', async () => {
  const taken = await occupyPort();
  await expect(takePorts(taken - 1, 3)).rejects.toMatchObject({
    code: 'port_in_use',
    message: expect.stringContaining(`Port ${taken} is in use`) as string,
    cure: expect.stringContaining('--ports') as string,
  });
});

test.each([0, 80, 65_535, 1.5, Number.NaN])('refuses --ports %s', async (base) => {
  await expect(takePorts(base, 7)).rejects.toMatchObject({ code: 'bad_option' });
});
