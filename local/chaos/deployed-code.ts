// Gives a function of a validator other code for a while; its own is where its stack has it from.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { functionName, stackName } from '../../cdk/names.ts';
import { accountClient, type FunctionCode } from '../lib/account-client.ts';
import { LocalError } from '../lib/errors.ts';
import { readJsonFile } from '../lib/json-file.ts';
import type { Stage, Undo } from './stage.ts';

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.looseObject({}).optional() }),
  ),
});
const functionSchema = z.object({
  FunctionName: z.string(),
  Code: z.object({ S3Bucket: z.string(), S3Key: z.string() }),
});

/** A run that took its batch before the queues were cut off ends within this time. */
export const LAST_RUN_MS = 1_500;

/** The code that the stack of a validator was deployed with. */
export function deployedCode({ config, layout }: Stage, id: string, fn: string): FunctionCode {
  const name = functionName(config, id, fn);
  const template = join(layout.cloudAssembly, `${stackName(config, id)}.template.json`);
  const resources = readJsonFile(template, templateSchema)?.Resources ?? {};
  for (const { Type, Properties } of Object.values(resources)) {
    if (Type !== 'AWS::Lambda::Function') continue;
    const { data } = functionSchema.safeParse(Properties);
    if (data?.FunctionName === name) return { bucket: data.Code.S3Bucket, key: data.Code.S3Key };
  }
  throw new LocalError('bad_state_file', `${template} has no function ${name}.`);
}

/** Lets a function of the victim run what `build` makes in a folder; the answer takes it back. */
export async function lendCode(
  stage: Stage,
  fn: string,
  build: (folder: string) => Promise<Buffer>,
): Promise<Undo> {
  const { config, victim } = stage;
  const name = functionName(config, victim.id, fn);
  const own = deployedCode(stage, victim.id, fn);
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-code-'));
  try {
    const zip = await build(folder);
    const restore = stage.undoLater(() => exchange(stage, name, own));
    await exchange(stage, name, { zip });
    return restore;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Between two runs: one that died with its old code would leave its messages hidden, and its ledger
 * standing, until the visibility time-out.
 */
async function exchange(stage: Stage, name: string, code: FunctionCode): Promise<void> {
  const client = accountClient(stage.victim);
  const resume = stage.undoLater(() => client.setConsuming(true));
  await client.setConsuming(false);
  await new Promise((settle) => setTimeout(settle, LAST_RUN_MS));
  await client.updateCode(name, code);
  await resume();
}
