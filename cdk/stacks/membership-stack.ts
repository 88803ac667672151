/** The membership service: enrolments and certificates, run by the consortium (design §6). */

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Construct } from 'constructs';

import { registryListsSchema } from '../../functions/membership/registry/configured.ts';
import { FunctionWithLogGroup } from '../constructs/function-with-log-group.ts';
import { SigningKey, WrapKey } from '../constructs/keys.ts';
import { KeyedTable } from '../constructs/tables.ts';
import { MEMBERSHIP_ID, operatorKeys, principalArn } from '../names.ts';
import type { Party } from '../party.ts';
import { PartyStack, type PartyStackProps } from './party-stack.ts';

/** How often clinicians are looked up again and lapses are told to the ledger. */
const RECHECK = Duration.hours(1);
/** API Gateway's limit: registries of clinicians are slow. */
const TIMEOUT_SECONDS = 29;
/** What the membership service wraps: fields that identify a person, and the key of the digests. */
const PURPOSES = ['identity', 'lookup'];

/** Properties of `MembershipStack`. */
export interface MembershipStackProps extends Omit<PartyStackProps, 'party' | 'description'> {
  readonly config: Party['config'];
}

/** Everything that the membership service runs. */
export class MembershipStack extends PartyStack {
  constructor(scope: Construct, props: MembershipStackProps) {
    const { config } = props;
    const party: Party = {
      config,
      service: 'membership',
      id: MEMBERSHIP_ID,
      account: config.membership.account,
      endpoint: config.membership.endpoint,
    };
    super(scope, {
      ...props,
      party,
      description: `CareQuorum membership service of ${config.network}`,
    });
    const apiPrincipal = principalArn(config, party, 'api');
    const enrolments = new KeyedTable(this, 'Enrolments', { config, backup: { enabled: true } });
    // Oldest first: a key is added before operators approve it, and none is ever taken away.
    const caKeys = Array.from({ length: config.membership.caKeys }, (_, index) => {
      const which = index === 0 ? '' : `, key ${index + 1}`;
      return new SigningKey(this, index === 0 ? 'CaKey' : `Successor${index}CaKey`, {
        description: `Certificate authority of ${config.network}${which}`,
        config,
        signer: apiPrincipal,
      });
    });
    const wrapKey = new WrapKey(this, 'WrapKey', {
      description: `Wraps the identity fields of enrolments of ${config.network}`,
      config,
      guards: [{ purposes: PURPOSES, principalArns: [apiPrincipal] }],
    });
    const fn = new FunctionWithLogGroup(this, 'Api', {
      party,
      fn: 'api',
      description: 'API of the membership service',
      code: props.code,
      alarms: this.alarms,
      timeoutSeconds: TIMEOUT_SECONDS,
      environment: {
        NETWORK: config.network,
        API_URL: this.api.url,
        MEMBERSHIP_TABLE: enrolments.table.tableName,
        CA_KEY_IDS: caKeys.map((one) => one.key.keyId).join(','),
        WRAP_KEY_ID: wrapKey.key.keyId,
        REGISTRY_URL: config.membership.registryUrl,
        REGISTRY_LISTS: JSON.stringify(registryListsSchema.strip().parse(config.membership)),
        OPERATOR_KEYS: JSON.stringify(operatorKeys(config)),
      },
    });
    this.api.serve(props.routes, fn);
    enrolments.grantReadWrite(fn.role);
    for (const one of caKeys) one.grantSign(fn.role);
    wrapKey.grantWrapUnwrap(fn.role, PURPOSES);
    new Rule(this, 'Recheck', {
      description: 'Checks clinicians again',
      schedule: Schedule.rate(RECHECK),
      targets: [new LambdaFunction(fn.lambda, { retryAttempts: 1, maxEventAge: RECHECK })],
    });
    this.addDashboard();
    this.output('MembershipTable', enrolments.table.tableName, 'Table of enrolments');
    const keyIds = caKeys.map((one) => one.key.keyId);
    this.output('CaKeyId', keyIds[0] as string, 'KMS key of the certificate authority');
    this.output('WrapKeyId', wrapKey.key.keyId, 'KMS key that wraps');
  }
}
