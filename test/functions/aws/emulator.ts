/** One MiniStack process for a test file, where a virtual environment with it is found. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { DynamoTable } from '../../../functions/aws/dynamo-table.ts';

const ACCOUNT = '111111111111';
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 5_000;
const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Program of the emulator: CQ_MINISTACK, else the virtual environment of the local network. */
export const ministack: string | null =
  [process.env['CQ_MINISTACK'], join(ROOT, '.local', 'venv', 'bin', 'ministack')].find(
    (path) => path !== undefined && existsSync(path),
  ) ?? null;

/** What a test says when it is skipped. */
export const WITHOUT_EMULATOR = 'MiniStack is not installed: set CQ_MINISTACK or run `npm start`';

export class Emulator {
  readonly endpoint: string;
  readonly account = ACCOUNT;
  readonly #process: ChildProcess;
  readonly #folder: string;
  #tables = 0;

  private constructor(endpoint: string, child: ChildProcess, folder: string) {
    this.endpoint = endpoint;
    this.#process = child;
    this.#folder = folder;
  }

  static async start(program: string): Promise<Emulator> {
    const folder = mkdtempSync(join(tmpdir(), 'cq-ministack-'));
    for (const name of ['state', 's3', 'tmp']) mkdirSync(join(folder, name));
    const port = await freePort();
    const child = spawn(program, [], {
      cwd: folder,
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        GATEWAY_PORT: String(port),
        BIND_HOST: '127.0.0.1',
        MINISTACK_ACCOUNT_ID: ACCOUNT,
        SERVICES: 'dynamodb,sqs,kms,s3',
        STATE_DIR: join(folder, 'state'),
        S3_DATA_DIR: join(folder, 's3'),
        TMPDIR: join(folder, 'tmp'),
        IOT_MTLS_ENABLED: 'false',
        SFTP_ENABLED: '0',
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
    });
    const emulator = new Emulator(`http://127.0.0.1:${port}`, child, folder);
    try {
      await emulator.#untilReady();
    } catch (error) {
      await emulator.stop();
      throw error;
    }
    return emulator;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS_MAX);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  dynamo(): DynamoDBClient {
    return new DynamoDBClient(this.#options());
  }

  sqs(): SQSClient {
    return new SQSClient({ ...this.#options(), useQueueUrlAsEndpoint: true });
  }

  kms(): KMSClient {
    return new KMSClient(this.#options());
  }

  /** A new table as the stacks make them. */
  async table(): Promise<DynamoTable> {
    const client = this.dynamo();
    this.#tables += 1;
    const name = `table-${this.#tables}`;
    await client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    );
    return { client, name };
  }

  #options() {
    return {
      endpoint: this.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: ACCOUNT, secretAccessKey: 'local-network-only' },
    };
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + START_MS_MAX;
    while (Date.now() < deadline) {
      if (this.#process.exitCode !== null) break;
      const isReady = await fetch(`${this.endpoint}/_ministack/health`).then(
        (response) => response.ok,
        () => false,
      );
      if (isReady) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('MiniStack did not start');
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
