// A running network gets a new bundle, one validator at a time, under load: old and new work together.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFunctions } from '../../cdk/bundle.ts';
import { functionName } from '../../cdk/names.ts';
import { accountClient } from '../lib/account-client.ts';
import { LocalError } from '../lib/errors.ts';
import { PROJECT_ROOT } from '../lib/layout.ts';
import type { PlannedMember } from '../lib/plan.ts';
import { zipOf } from '../lib/zip.ts';
import { awaitOwnVotes, awaitReceipts, awaitWork } from './at-work.ts';
import { deployedCode } from './deployed-code.ts';
import { secondsText } from './measure.ts';
import type { Stage } from './stage.ts';
import { VALIDATOR_FUNCTIONS } from './wipe.ts';

const run = promisify(execFile);

/** The archive of each function of a validator. */
type Archives = ReadonlyMap<string, Buffer>;

/** Names of commits, nothing that a command could take for an option. */
const COMMIT = /^[A-Za-z0-9][A-Za-z0-9._/~^-]{0,63}$/;
/** Receipts that must come before the next one is touched. */
const COMMITS_BETWEEN = 5;

/** Upgrades all validators, the victim first; `from` names a commit whose bundle all run before. */
export async function upgrade(stage: Stage, from: string | undefined): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-upgrade-'));
  try {
    if (from !== undefined) await roll(stage, await bundleOfCommit(stage, folder, from), from);
    const next = await stage.phase('The new bundle', async (step) => {
      const archives = await archivesOf(PROJECT_ROOT, join(folder, 'new'), `new ${Date.now()}`);
      step.result(`${archives.size} functions`);
      return archives;
    });
    await roll(stage, next, 'the new bundle');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the sources of a commit make, with the packages that are installed here. */
async function bundleOfCommit(stage: Stage, folder: string, commit: string): Promise<Archives> {
  if (!COMMIT.test(commit)) {
    throw new LocalError('bad_option', 'Give a commit with --from, such as HEAD~1.');
  }
  return stage.phase(`The bundle of ${commit}`, async (step) => {
    const root = join(folder, 'sources');
    const tar = join(folder, 'sources.tar');
    mkdirSync(root);
    const { signal } = stage;
    try {
      await run('git', ['archive', '--format=tar', '--output', tar, commit], {
        cwd: PROJECT_ROOT,
        signal,
      });
      await run('tar', ['-xf', tar, '-C', root], { signal });
    } catch (cause) {
      throw new LocalError('bad_option', `There is no commit ${commit} here.`, { cause });
    }
    symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(root, 'node_modules'));
    const archives = await archivesOf(root, join(folder, 'old'), `of ${commit}`);
    step.result(`${archives.size} functions`);
    return archives;
  });
}

/** `mark` makes a bundle of the same sources another one. */
async function archivesOf(root: string, outdir: string, mark: string): Promise<Archives> {
  const bundles = await bundleFunctions({ root, outdir });
  return new Map(
    VALIDATOR_FUNCTIONS.map((fn) => {
      const code = readFileSync(join(bundles.folderOf('validator', fn), 'index.mjs'));
      return [fn, zipOf('index.mjs', Buffer.concat([code, Buffer.from(`\n// ${mark}\n`)]))];
    }),
  );
}

/** Gives each validator the archives in turn, and goes on only once that one works and votes. */
async function roll(stage: Stage, archives: Archives, name: string): Promise<void> {
  const { victim, others } = stage;
  const order = [victim, ...others];
  for (const [index, member] of order.entries()) {
    const title = `${member.id} runs ${name}: ${index + 1} of ${order.length}`;
    await stage.phase(title, async (step) => {
      stage.load.takeGapMs();
      const { height } = await stage.reader(member.id).health();
      await install(stage, member, archives);
      await awaitWork(stage, member.id);
      const at = await awaitOwnVotes(stage, member.id, height + 1);
      await awaitReceipts(stage, COMMITS_BETWEEN, `after ${member.id}`);
      step.result(`votes at ${at}, longest gap ${secondsText(stage.load.takeGapMs())}`);
    });
  }
}

async function install(stage: Stage, member: PlannedMember, archives: Archives): Promise<void> {
  const client = accountClient(member);
  for (const [fn, zip] of archives) {
    const name = functionName(stage.config, member.id, fn);
    const before = await client.codeDigest(name);
    stage.undoLater(() => client.updateCode(name, deployedCode(stage, member.id, fn)));
    await client.updateCode(name, { zip });
    if ((await client.codeDigest(name)) !== before) continue;
    throw new LocalError('not_proven', `${name} still runs the code of before.`);
  }
}
