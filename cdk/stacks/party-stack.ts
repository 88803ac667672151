/** What the stacks of all parties share: their name, account, protection, alarms and API. */

import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import type { Route } from '../../functions/aws/route.ts';
import { Alarms } from '../constructs/alarms.ts';
import { PartyDashboard } from '../constructs/party-dashboard.ts';
import type { ReplicaMetrics } from '../constructs/replica-metrics.ts';
import { FunctionWithLogGroup } from '../constructs/function-with-log-group.ts';
import { RoleApi } from '../constructs/role-api.ts';
import { stackName } from '../names.ts';
import type { CodeProvider, Party } from '../party.ts';

/** Properties of every stack. */
export interface PartyStackProps {
  readonly party: Party;
  /** Bundles of the functions. */
  readonly code: CodeProvider;
  /** SHA-256 over all bundles, which institutions compare before they deploy. */
  readonly bundleDigest: string;
  /** Routes of the party's API. */
  readonly routes: readonly Route[];
  readonly description: string;
}

/** The stack of one party, in its own account, made from the configuration alone. */
export class PartyStack extends Stack {
  protected readonly alarms: Alarms;
  protected readonly api: RoleApi;

  constructor(scope: Construct, props: PartyStackProps) {
    const { config, id, account } = props.party;
    const name = stackName(config, id);
    super(scope, name, {
      stackName: name,
      description: props.description,
      env: { account, region: config.region },
      terminationProtection: config.retain,
      tags: { 'carequorum:network': config.network, 'carequorum:party': id },
    });
    this.alarms = new Alarms(this, 'Alarms', { account });
    this.api = new RoleApi(this, 'RestApi', {
      party: props.party,
      name: 'api',
      description: props.description,
      alarms: this.alarms,
    });
    this.output('ApiUrl', this.api.url, 'Base URL of the API, without a trailing slash');
    this.output('BundleDigest', props.bundleDigest, 'SHA-256 over the bundles of all functions');
    this.output('AlarmTopicArn', this.alarms.topic.topicArn, 'Subscribe the operators to this');
  }

  /** One page of what runs here; made last, as it shows every function and alarm. */
  protected addDashboard(replica?: ReplicaMetrics): void {
    new PartyDashboard(this, 'Dashboard', {
      name: this.stackName,
      api: this.api.api,
      alarms: this.alarms.all,
      functions: this.node.findAll().filter((one) => one instanceof FunctionWithLogGroup),
      ...(replica === undefined ? {} : { replica }),
    });
  }

  /** An output that tools read by exactly this name. */
  protected output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
  }
}
