/** Questions on the terminal; what is typed secretly is not shown. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { SdkError } from '../sdk/errors.ts';

/** Asks on stderr, so that results on stdout stay clean. Throws `aborted` on Ctrl-C. */
export function ask(question: string): Promise<string> {
  return read(question, process.stderr);
}

export async function askSecret(question: string): Promise<string> {
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await read('', silent);
  } finally {
    process.stderr.write('\n');
  }
}

function read(question: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => {
      if (!isAnswered) reject(stopped());
    });
    lines.question(question, (answer) => {
      isAnswered = true;
      lines.close();
      resolve(answer);
    });
  });
}

function stopped(): SdkError {
  return new SdkError('aborted', 'Stopped at a question: nothing was done.', {
    nextStep: 'Run the command again.',
  });
}
