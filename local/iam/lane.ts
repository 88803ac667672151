// The IAM lane's network: one emulator for all accounts that checks every policy, over TLS.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { emulatorCommand } from '../lib/account-commands.ts';
import { startAccount, stopAccount } from '../lib/account-process.ts';
import { holdCeremony } from '../lib/ceremony.ts';
import { runCommand } from '../lib/command.ts';
import { writeConfiguration } from '../lib/configuration.ts';
import {
  bootstrapAccount,
  deployAccount,
  type DeployOptions,
  readApiUrls,
  synthesize,
} from '../lib/deploy.ts';
import { baseEnvironment } from '../lib/environment.ts';
import { accountLayout, type Layout, PROJECT_ROOT } from '../lib/layout.ts';
import { prepareOperators } from '../lib/operators.ts';
import { takeOwnership } from '../lib/owner.ts';
import { type Plan, type PlannedMember, preparePlan } from '../lib/plan.ts';
import { findPorts } from '../lib/ports.ts';
import type { Progress } from '../lib/progress.ts';
import { preparePython } from '../lib/python-environment.ts';
import { accountCommand } from '../lib/account-commands.ts';
import { openDoor } from './door.ts';
import type { LaneEmulator } from './emulator-client.ts';
import { partyOf, type Party } from './resources.ts';
