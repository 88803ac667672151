/** All seeded bugs: each breaks one rule of docs/pbft.md, in a copy of the code. */
import type { SeededBug } from './bug.ts';
import { caseBugs } from './cases.ts';
import { setBugs } from './sets.ts';
import { storageBugs } from './storage.ts';
import { viewBugs } from './views.ts';
import { votingBugs } from './voting.ts';

export const seededBugs: readonly SeededBug[] = [
  ...votingBugs,
  ...viewBugs,
  ...storageBugs,
  ...setBugs,
  ...caseBugs,
];
