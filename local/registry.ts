// A stand-in for the public registry of clinicians (NPPES), with invented people, on loopback.
// Usage: node local/registry.ts FOLDER OWNER_FILE PORT [--fixtures DIR]   (started by `npm start`)
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { layoutOf } from './lib/layout.ts';
import { writeJsonFile } from './lib/json-file.ts';
import { ownerOf } from './lib/owner.ts';
import { ownIdentity } from './lib/process-identity.ts';
import {
  answerQuery,
  deactivatedList,
  loadFixtures,
  simulateNpdb,
} from './lib/registry-answers.ts';

const OWNER_POLL_MS = 500;

function main(): void {
  const [folder = '', ownerFile = '', port = '', , fixtures] = process.argv.slice(2);
  const layout = layoutOf(join(ownerFile, '..'));
  const extra = fixtures === undefined ? [] : loadFixtures(fixtures);
  writeJsonFile(join(folder, 'process.json'), ownIdentity());
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    console.log(`${new Date().toISOString()} ${request.method ?? ''} ${url.pathname}`);
    const answer = (type: string, text: string): void => {
      response.writeHead(200, { 'content-type': type });
      response.end(text);
    };
    if (url.pathname === '/health') answer('application/json', '{"ok":true}');
    else if (url.pathname.startsWith('/api')) {
      answer('application/json', JSON.stringify(answerQuery(url.searchParams, extra)));
    } else if (url.pathname === '/deactivated.csv') answer('text/csv', deactivatedList());
    else if (url.pathname === '/npdb/queries') {
      void bodyOf(request).then((body) => {
        answer('application/json', JSON.stringify(simulateNpdb(body)));
      });
    } else response.writeHead(404).end();
  });
  const end = (): void => {
    server.close();
    server.closeAllConnections();
    process.exit(0);
  };
  process.on('SIGTERM', end);
  setInterval(() => {
    if (ownerOf(layout) === undefined) end();
  }, OWNER_POLL_MS);
  server.listen(Number(port), '127.0.0.1');
}

const BODY_BYTES_MAX = 64 * 1024;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if ((length += chunk.length) > BODY_BYTES_MAX) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

main();
