// A stand-in for the public registry of clinicians (NPPES), with invented people, on loopback.
// Usage: node local/registry.ts FOLDER OWNER_FILE PORT [--fixtures DIR]   (started by `npm start`)
import { createServer } from 'node:http';
import { join } from 'node:path';
import { layoutOf } from './lib/layout.ts';
import { writeJsonFile } from './lib/json-file.ts';
import { ownerOf } from './lib/owner.ts';
import { ownIdentity } from './lib/process-identity.ts';
import { answerQuery, loadFixtures } from './lib/registry-answers.ts';

const OWNER_POLL_MS = 500;

function main(): void {
  const [folder = '', ownerFile = '', port = '', , fixtures] = process.argv.slice(2);
  const layout = layoutOf(join(ownerFile, '..'));
  const extra = fixtures === undefined ? [] : loadFixtures(fixtures);
  writeJsonFile(join(folder, 'process.json'), ownIdentity());
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const known = url.pathname === '/health' || url.pathname.startsWith('/api');
    const answer = url.pathname === '/health' ? { ok: true } : answerQuery(url.searchParams, extra);
    console.log(`${new Date().toISOString()} ${request.method ?? ''} ${url.pathname}`);
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    response.end(known ? JSON.stringify(answer) : '{}');
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

main();
