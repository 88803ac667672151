// A function's process: asks LocalStack for work over the Lambda Runtime API, and runs the handler.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { format } from 'node:util';
import { pathToFileURL } from 'node:url';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const root = process.env.LAMBDA_TASK_ROOT;
let requestId = '-';

function call(method, route, body) {
  const data = body === undefined ? undefined : Buffer.from(body);
  const headers = data ? { 'content-type': 'application/json', 'content-length': data.length } : {};
  return new Promise((settle, fail) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${route}`, headers };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        settle({ headers: response.headers, text: Buffer.concat(parts).toString() }),
      );
      response.on('error', fail);
    });
    request.on('error', fail);
    request.end(data);
  });
}

function describe(error) {
  const isError = error instanceof Error;
  return JSON.stringify({
    errorType: isError ? error.name : typeof error,
    errorMessage: isError ? error.message : String(error),
    trace: isError ? (error.stack ?? '').split('\n') : [],
  });
}

const levels = { log: 'INFO', info: 'INFO', debug: 'DEBUG', warn: 'WARN', error: 'ERROR' };
for (const [name, level] of Object.entries(levels)) {
  console[name] = (...values) => {
    const line = format(...values).replaceAll('\n', '\r');
    fs.writeSync(1, `${new Date().toISOString()}\t${requestId}\t${level}\t${line}\n`);
  };
}

/** What nobody caught ends the environment, as on AWS. */
async function die(error) {
  console.error(describe(error));
  const route = requestId === '-' ? 'init/error' : `invocation/${requestId}/error`;
  await call('POST', route, describe(error)).catch(() => {});
  process.exit(128);
}
process.on('uncaughtException', die);
process.on('unhandledRejection', die);

async function loadHandler() {
  const [, file, name] = /^(.+)\.([^.]+)$/.exec(process.env._HANDLER) ?? [];
  const found = ['.mjs', '.js', '.cjs']
    .map((ending) => path.join(root, `${file}${ending}`))
    .find((candidate) => fs.existsSync(candidate));
  if (!found) throw new Error(`there is no module for the handler ${process.env._HANDLER}`);
  const loaded = await import(pathToFileURL(found).href);
  const handler = loaded[name] ?? loaded.default?.[name];
  if (typeof handler !== 'function') throw new Error(`${process.env._HANDLER} is no function`);
  return handler;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: requestId,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

const handler = await loadHandler();
for (;;) {
  const { headers, text } = await call('GET', 'invocation/next');
  requestId = headers['lambda-runtime-aws-request-id'];
  process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'] ?? '';
  try {
    const result = await handler(JSON.parse(text), contextOf(headers));
    await call('POST', `invocation/${requestId}/response`, JSON.stringify(result) ?? 'null');
  } catch (error) {
    console.error(describe(error));
    await call('POST', `invocation/${requestId}/error`, describe(error));
  }
}
