// What a scenario is, and the stage on which it plays: a running network, people, documents.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readNetworkFile } from '../../sdk/genesis.ts';
import type { Network } from '../../sdk/network-file.ts';
import { writeSampleDocuments } from '../sample-documents.ts';
import { Cast } from './cast.ts';
import { type Document, readDocuments } from './documents.ts';
import { Steps, type Summary, untilFailure } from './steps.ts';

/** What can be done to the accounts of a network of our own. */
export interface StageAccounts {
  /** In order; the state is kept. */
  stop(id: string): Promise<void>;
  restart(id: string): Promise<void>;
  /** For good: process, state and keys. */
  kill(id: string): Promise<void>;
}

export interface Stage {
  readonly network: Network;
  readonly networkFile: string;
  readonly documents: readonly Document[];
  /** A folder that is gone afterwards. */
  readonly work: string;
  readonly steps: Steps;
  readonly cast: Cast;
  /** Null in a network whose accounts must be left alone. */
  readonly accounts: StageAccounts | null;
}

export interface Scenario {
  readonly name: string;
  /** One line: what it shows. */
  readonly title: string;
  /** It ends with an account that is lost for good, so that others must come before it. */
  readonly isLast?: true;
  run(stage: Stage): Promise<void>;
}

export interface PlayOptions {
  readonly networkFile: string;
  readonly report: (line: string) => void;
  readonly accounts?: StageAccounts | null | undefined;
  readonly operatorsFolder?: string | undefined;
  /** Folder of documents to share. @default documents that this project makes itself */
  readonly documents?: string | undefined;
  /** Category of files that lie in no sub-folder. @default by content */
  readonly category?: string | undefined;
}

/** Plays scenarios one after the other; one that fails does not keep the next from its turn. */
export async function play(scenarios: readonly Scenario[], options: PlayOptions): Promise<Summary> {
  const { networkFile, report, operatorsFolder, category } = options;
  const work = mkdtempSync(join(tmpdir(), 'carequorum-scenario-'));
  const steps = new Steps(report);
  try {
    const network = await readNetworkFile(networkFile);
    const folder = options.documents ?? join(work, 'documents');
    if (options.documents === undefined) await writeSampleDocuments(folder);
    const documents = await readDocuments(folder, { category, report });
    const cast = new Cast({ network, networkFile, operatorsFolder });
    const accounts = options.accounts ?? null;
    const stage: Stage = { network, networkFile, documents, work, steps, cast, accounts };
    const inOrder = [...scenarios].sort((a, b) => Number(a.isLast ?? 0) - Number(b.isLast ?? 0));
    for (const scenario of inOrder) {
      steps.part = scenario.name;
      if (inOrder.length > 1) {
        report('');
        steps.line(`── ${scenario.name}: ${scenario.title}`);
      }
      await untilFailure(() => scenario.run(stage));
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { isGood: steps.isGood, steps: steps.all };
}
