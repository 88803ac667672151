/** Synthesizes the stacks of a network: `cdk synth -c config=config/local.json`. */

import { App } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';

import { routes as membershipRoutes } from '../functions/membership/routes.ts';
import { routes as recordsRoutes } from '../functions/records/routes.ts';
import { copyRoutes } from '../functions/validator/copies/routes.ts';
import { escrowRoutes } from '../functions/validator/escrow/routes.ts';
import { routes as validatorRoutes } from '../functions/validator/routes.ts';
import { bundleFunctions } from './bundle.ts';
import { addChecks } from './checks.ts';
import { ConfigError, loadConfig } from './config.ts';
import { addNetwork } from './network.ts';

const DEFAULT_CONFIG = 'config/local.json';

async function main(): Promise<void> {
  const app = new App();
  addChecks(app);
  const given: unknown = app.node.tryGetContext('config') ?? process.env.CQ_CONFIG;
  const config = loadConfig(typeof given === 'string' && given !== '' ? given : DEFAULT_CONFIG);
  const bundles = await bundleFunctions();
  addNetwork(app, {
    config,
    code: (service, fn) => Code.fromAsset(bundles.folderOf(service, fn)),
    bundleDigest: bundles.digest,
    routes: {
      validator: validatorRoutes,
      escrow: escrowRoutes,
      copies: copyRoutes,
      membership: membershipRoutes,
      records: recordsRoutes,
    },
  });
  app.synth();
}

try {
  await main();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
