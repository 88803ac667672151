/** Whether Spin can be had here, for tests that are nothing without it. */
import { prepareTools } from './tools.ts';

/** Says once why the tests of the model are left out. */
export async function findTools(): Promise<boolean> {
  try {
    await prepareTools(() => undefined);
    return true;
  } catch (error) {
    process.stderr.write(
      `The model is not checked: ${error instanceof Error ? error.message : ''}\n`,
    );
    return false;
  }
}
