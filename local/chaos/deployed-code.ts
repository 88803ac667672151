// Where the stack of a validator has the code of its functions from, to give it back.
import { join } from 'node:path';
import { z } from 'zod';
import { functionName, stackName } from '../../cdk/names.ts';
import type { FunctionCode } from '../lib/account-client.ts';
import { LocalError } from '../lib/errors.ts';
import { readJsonFile } from '../lib/json-file.ts';
import type { Stage } from './stage.ts';

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
