/** The custodian: ciphertext of records and the wrap store (design §7). */

import type { Construct } from 'constructs';

import { FunctionWithLogGroup } from '../constructs/function-with-log-group.ts';
import { SigningKey } from '../constructs/keys.ts';
import { RecordsBucket } from '../constructs/records-bucket.ts';
import { KeyedTable } from '../constructs/tables.ts';
import { RECORDS_ID, operatorKeys, principalArn } from '../names.ts';
import type { Party } from '../party.ts';
import { PartyStack, type PartyStackProps } from './party-stack.ts';

/** API Gateway's limit: re-encrypting a part of a record takes a while. */
const TIMEOUT_SECONDS = 29;

/** Properties of `RecordsStack`. */
export interface RecordsStackProps extends Omit<PartyStackProps, 'party' | 'description'> {
  readonly config: Party['config'];
}

/** Everything that the custodian runs. */
export class RecordsStack extends PartyStack {
  constructor(scope: Construct, props: RecordsStackProps) {
    const { config } = props;
    const party: Party = {
      config,
      service: 'records',
      id: RECORDS_ID,
      account: config.records.account,
      endpoint: config.records.endpoint,
    };
    super(scope, { ...props, party, description: `CareQuorum custodian of ${config.network}` });
    const wraps = new KeyedTable(this, 'Wraps', {
      config,
      backup: {
        enabled: false,
        reason: 'Erasing a wrap must be final: a backup would bring back what a patient erased.',
      },
    });
    const objects = new RecordsBucket(this, 'Records', { retain: config.retain });
    const signKey = new SigningKey(this, 'SignKey', {
      description: `Signs what the custodian of ${config.network} stores and erases`,
      config,
      signer: principalArn(config, party, 'api'),
    });
    const fn = new FunctionWithLogGroup(this, 'Api', {
      party,
      fn: 'api',
      description: 'API of the custodian',
      code: props.code,
      alarms: this.alarms,
      timeoutSeconds: TIMEOUT_SECONDS,
      environment: {
        NETWORK: config.network,
        API_URL: this.api.url,
        WRAP_TABLE: wraps.table.tableName,
        RECORDS_BUCKET: objects.bucket.bucketName,
        SIGN_KEY_ID: signKey.key.keyId,
        OPERATOR_KEYS: JSON.stringify(operatorKeys(config)),
      },
    });
    this.api.serve(props.routes, fn);
    wraps.grantReadWrite(fn.role);
    objects.grantObjects(fn.role);
    objects.acknowledgeObjects(
      fn.role,
      'The custodian is the one that holds every object; each release is judged by its receipt.',
    );
    signKey.grantSign(fn.role);
    this.addDashboard();
    this.output('WrapTable', wraps.table.tableName, 'Table of wraps');
    this.output('RecordsBucket', objects.bucket.bucketName, 'Bucket of ciphertext');
    this.output('SignKeyId', signKey.key.keyId, 'KMS key that signs');
  }
}
