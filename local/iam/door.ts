// A door per account to the IAM lane's emulator, which finds an API's account by credential.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Door {
  readonly port: number;
  readonly account: string;
}

const TIMEOUT_MS = 60_000;

/** Opens a loopback port whose requests reach the emulator as unsigned calls to that account. */
export async function openDoor(door: Door, endpoint: string): Promise<Server> {
  const server = createServer((request, response) => {
    forward(door, endpoint, request, response);
  });
  await new Promise<void>((settle, fail) => {
    server.once('error', fail);
    server.listen(door.port, '127.0.0.1', settle);
  });
  return server;
}

/** Names the account in a header, or in the query where the caller has a header of its own. */
function forward(
  door: Door,
  endpoint: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const credential = `${door.account}/20260101/us-east-1/execute-api/aws4_request`;
  const url = new URL(request.url ?? '/', endpoint);
  const headers = { ...request.headers };
  if (headers.authorization === undefined) {
    const unsigned = 'SignedHeaders=host, Signature=0';
    headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, ${unsigned}`;
  } else {
    url.searchParams.set('X-Amz-Credential', credential);
  }
  const onward = httpsRequest(
    url,
    { method: request.method, headers, timeout: TIMEOUT_MS },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  });
  request.pipe(onward);
}
