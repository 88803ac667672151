/** All checkers of a run, in the order in which they look. */
import type { World } from '../world.ts';
import { agreement } from './agreement.ts';
import { amnesia } from './amnesia.ts';
import { binding } from './binding.ts';
import { blame } from './blame.ts';
import { certificates } from './certificates.ts';
import type { Checker } from './checker.ts';
import { halfBlock } from './half-block.ts';
import { lag } from './lag.ts';
import { liveness } from './liveness.ts';
import { outbox } from './outbox.ts';
import { pins } from './pins.ts';
import { receipts } from './receipts.ts';
import { validity } from './validity.ts';
import { views } from './views.ts';
import { votes } from './votes.ts';

export type { Checker } from './checker.ts';

export const checkers: readonly ((world: World) => Checker)[] = [
  agreement,
  certificates,
  validity,
  halfBlock,
  votes,
  binding,
  views,
  amnesia,
  outbox,
  blame,
  receipts,
  pins,
  lag,
  liveness,
];
