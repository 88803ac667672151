/** All stacks of a network. */

import type { App } from 'aws-cdk-lib';

import type { Route } from '../functions/aws/route.ts';
import type { NetworkConfig } from './config.ts';
import type { CodeProvider, Service } from './party.ts';
import { MembershipStack } from './stacks/membership-stack.ts';
import { RecordsStack } from './stacks/records-stack.ts';
import { ValidatorStack } from './stacks/validator-stack.ts';

/** What a network is made of. */
export interface NetworkProps {
  readonly config: NetworkConfig;
  readonly code: CodeProvider;
  /** SHA-256 over all bundles, which institutions compare before they deploy. */
  readonly bundleDigest: string;
  /** Of each party; `escrow` and `copies` are those of validators that functions of their own serve. */
  readonly routes: Readonly<Record<Service | 'escrow' | 'copies', readonly Route[]>>;
}

/** The stacks; none refers to another, so each institution deploys only its own. */
export interface NetworkStacks {
  readonly validators: readonly ValidatorStack[];
  readonly membership: MembershipStack;
  readonly records: RecordsStack;
}

/** Adds every stack of a network to an app. */
export function addNetwork(app: App, props: NetworkProps): NetworkStacks {
  const { routes, ...common } = props;
  return {
    validators: props.config.validators.map(
      (validator) =>
        new ValidatorStack(app, {
          ...{ ...common, validator },
          routes: routes.validator,
          escrowRoutes: routes.escrow,
          copyRoutes: routes.copies,
        }),
    ),
    membership: new MembershipStack(app, { ...common, routes: routes.membership }),
    records: new RecordsStack(app, { ...common, routes: routes.records }),
  };
}
