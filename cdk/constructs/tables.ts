/** DynamoDB tables: partition `pk`, sort `sk`, on demand, encrypted. */

import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AttributeType, BillingMode, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

import type { NetworkConfig } from '../config.ts';

/** Reads by key; there is no Scan and no index. */
export const TABLE_READ: readonly string[] = [
  'dynamodb:GetItem',
  'dynamodb:BatchGetItem',
  'dynamodb:Query',
];
/** Writes, alone, in batches or in a transaction. */
export const TABLE_WRITE: readonly string[] = [
  'dynamodb:PutItem',
  'dynamodb:UpdateItem',
  'dynamodb:DeleteItem',
  'dynamodb:BatchWriteItem',
  'dynamodb:ConditionCheckItem',
];

/** Seconds since 1970 after which an item may go; items without it stay. */
const TTL_ATTRIBUTE = 'ttl';

/** Properties of `KeyedTable`. */
export interface KeyedTableProps {
  readonly config: NetworkConfig;
  /** Whether old states may be restored; where they may not, `reason` says why. */
  readonly backup:
    { readonly enabled: true } | { readonly enabled: false; readonly reason: string };
}

/** A table with grants for exactly the calls that functions make. */
export class KeyedTable extends Construct {
  readonly table: Table;
  private readonly config: NetworkConfig;

  constructor(scope: Construct, id: string, props: KeyedTableProps) {
    super(scope, id);
    this.config = props.config;
    this.table = new Table(this, 'Table', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: props.backup.enabled },
      deletionProtection: props.config.retain,
      removalPolicy: props.config.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      timeToLiveAttribute: TTL_ATTRIBUTE,
    });
    if (!props.backup.enabled) {
      Validations.of(this.table).acknowledge({
        id: 'AwsSolutions-DDB3',
        reason: props.backup.reason,
      });
    }
  }

  /** Lets a role read by key. */
  grantRead(grantee: IGrantable): Grant {
    return this.table.grant(grantee, ...TABLE_READ);
  }

  /** Lets a role read and write by key. */
  grantReadWrite(grantee: IGrantable): Grant {
    return this.table.grant(grantee, ...TABLE_READ, ...TABLE_WRITE);
  }

  /** Lets a role read by key and put items, and delete none. */
  grantReadInsert(grantee: IGrantable): Grant {
    return this.table.grant(grantee, ...TABLE_READ, 'dynamodb:PutItem', 'dynamodb:BatchWriteItem');
  }

  /** Lets a role read the items of some partitions only. */
  grantReadPartitions(grantee: IGrantable, partitions: readonly string[]): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:GetItem', 'dynamodb:Query'],
      resourceArns: [this.table.tableArn],
      conditions: this.config.emulatedIam
        ? {}
        : {
            'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [...partitions] },
            Null: { 'dynamodb:LeadingKeys': 'false' },
          },
    });
  }

  /** Lets a role ask for the table's identity, by which a restored copy is told from the original. */
  grantDescribe(grantee: IGrantable): Grant {
    return this.table.grant(grantee, 'dynamodb:DescribeTable');
  }
}
