/** A validator: a hospital's replica of the ledger and its API (design §1, §4). */

import type { Construct } from 'constructs';

import type { Route } from '../../functions/aws/route.ts';
import type { ValidatorConfig } from '../config.ts';
import { Copies } from '../constructs/copies.ts';
import { FifoInbox } from '../constructs/fifo-inbox.ts';
import { FunctionWithLogGroup } from '../constructs/function-with-log-group.ts';
import { SigningKey, WrapKey } from '../constructs/keys.ts';
import { KeyedTable } from '../constructs/tables.ts';
import { ReplicaMetrics } from '../constructs/replica-metrics.ts';
import { TimerChain } from '../constructs/timer-chain.ts';
import { functionName, inboxUrl, peerUrls, peersOf, principalArn } from '../names.ts';
import { PartyStack, type PartyStackProps } from './party-stack.ts';

/** A file of any size is copied part by part, over several runs. */
const REPLICATOR_TIMEOUT_SECONDS = 29;
/** A client may wait 20 s for its receipt; API Gateway waits 29 s. */
const API_TIMEOUT_SECONDS = 25;
/** Partition of the session table that `api` and `timer` may read: the read key, and public keys. */
const READ_PARTITION = 'read';
/** Partition of the session table that `escrow` may read: the share key. */
const SHARE_PARTITION = 'share';

/** Properties of `ValidatorStack`. */
export interface ValidatorStackProps extends Omit<PartyStackProps, 'party' | 'description'> {
  readonly config: PartyStackProps['party']['config'];
  readonly validator: ValidatorConfig;
  /** Routes of the escrow, which a function of its own serves. */
  readonly escrowRoutes: readonly Route[];
  /** Routes of the hospital's copies, which a function of its own serves. */
  readonly copyRoutes: readonly Route[];
}

/** Everything that one validator runs. */
export class ValidatorStack extends PartyStack {
  private readonly props: ValidatorStackProps;
  private readonly ledger: KeyedTable;
  private readonly sessions: KeyedTable;
  private readonly escrow: KeyedTable;
  private readonly signKey: SigningKey;
  private readonly wrapKey: WrapKey;
  private readonly inbox: FifoInbox;
  private readonly timers: TimerChain;
  private readonly copies: Copies;

  constructor(scope: Construct, props: ValidatorStackProps) {
    const { config, validator } = props;
    super(scope, {
      ...props,
      party: { config, service: 'validator', ...validator },
      description: `CareQuorum validator ${validator.id} of ${config.network}`,
    });
    this.props = props;
    const inboxPrincipal = principalArn(config, validator, 'inbox');
    const queueProps = { config, validatorId: validator.id, alarms: this.alarms };

    this.ledger = new KeyedTable(this, 'Ledger', {
      config,
      backup: { enabled: true },
    });
    this.sessions = new KeyedTable(this, 'Sessions', {
      config,
      backup: {
        enabled: false,
        reason:
          'A restored session key would vote twice: losing it makes the replica a learner instead.',
      },
    });
    this.escrow = new KeyedTable(this, 'Escrow', {
      config,
      backup: {
        enabled: false,
        reason: 'A share that was erased or replaced must be gone: a backup would bring it back.',
      },
    });
    this.signKey = new SigningKey(this, 'SignKey', {
      description: `Signs the session certificates of ${this.stackName}`,
      config,
      signer: inboxPrincipal,
    });
    this.wrapKey = new WrapKey(this, 'WrapKey', {
      description: `Wraps the session, read and share keys of ${this.stackName}`,
      config,
      guards: [
        { purposes: ['session'], principalArns: [inboxPrincipal] },
        {
          purposes: ['share'],
          // `inbox` looks whether the key still opens, before it makes another.
          principalArns: [inboxPrincipal, principalArn(config, validator, 'escrow')],
        },
      ],
    });
    this.inbox = new FifoInbox(this, 'Inbox', queueProps);
    this.timers = new TimerChain(this, 'Timers', queueProps);
    this.copies = new Copies(this, 'Copies', queueProps);

    const inbox = this.addInbox();
    const api = this.addApi(inbox);
    const timer = this.addTimer();
    this.addEscrow();
    this.addCopies();
    this.addReplicator();
    this.trustOwn(inbox, [api, timer]);
    const service = functionName(config, validator.id, 'inbox');
    const replica = new ReplicaMetrics(this, 'ReplicaMetrics', { service, alarms: this.alarms });
    this.addDashboard(replica);
    this.addOutputs(inbox);
  }

  /** Takes requests, keeps them in the mempool and wakes the replica; answers reads. */
  private addApi(inbox: FunctionWithLogGroup): FunctionWithLogGroup {
    const { config, validator, routes } = this.props;
    const environment = {
      ...this.commonEnvironment(),
      API_URL: this.api.url,
      OPERATOR_KEY: validator.operatorKey,
      SIGN_KEY_ID: this.signKey.key.keyId,
      WRAP_KEY_ID: this.wrapKey.key.keyId,
      INBOX_URL: inboxUrl(config, validator),
      INBOX_ROLE_ID: inbox.role.roleId,
    };
    const description = `API of validator ${validator.id}`;
    const fn = this.addFunction('Api', 'api', description, environment, {
      timeoutSeconds: API_TIMEOUT_SECONDS,
    });
    this.api.serve(routes, fn);
    this.ledger.grantReadWrite(fn.role);
    this.ledger.grantDescribe(fn.role);
    this.sessions.grantReadPartitions(fn.role, [READ_PARTITION]);
    this.signKey.grantGetPublicKey(fn.role);
    this.wrapKey.grantUnwrap(fn.role, ['read']);
    this.inbox.grantSend(fn.role);
    return fn;
  }

  /** The replica: a serial actor on the inbox. */
  private addInbox(): FunctionWithLogGroup {
    const { config, validator } = this.props;
    const fn = this.addFunction(
      'InboxFunction',
      'inbox',
      `Replica of validator ${validator.id}`,
      {
        ...this.commonEnvironment(),
        OPERATOR_KEY: validator.operatorKey,
        SIGN_KEY_ID: this.signKey.key.keyId,
        WRAP_KEY_ID: this.wrapKey.key.keyId,
        INBOX_URL: inboxUrl(config, validator),
        TIMER_URL: this.timers.queue.queueUrl,
        NOTES_URL: this.copies.notes.queue.queueUrl,
        PEERS: JSON.stringify(peerUrls(config, validator.id)),
      },
      { allowRecursion: true, reservedConcurrency: config.inboxConcurrency },
    );
    this.inbox.consumeWith(fn);
    this.ledger.grantReadWrite(fn.role);
    this.ledger.grantDescribe(fn.role);
    this.sessions.grantReadWrite(fn.role);
    this.signKey.grantSign(fn.role);
    this.wrapKey.grantWrapUnwrap(fn.role, ['session', 'read', 'share']);
    this.timers.grantSend(fn.role);
    this.copies.notes.grantSend(fn.role);
    const peers = peersOf(config, validator.id);
    this.inbox.grantSendToPeers(peers);
    for (const peer of peers) FifoInbox.grantSendTo(config, peer, fn.role);
    return fn;
  }

  /** Deadlines and catching up: tells the replica what it has missed. */
  private addTimer(): FunctionWithLogGroup {
    const { config, validator } = this.props;
    const fn = this.addFunction(
      'TimerFunction',
      'timer',
      `Timers of validator ${validator.id}`,
      {
        ...this.commonEnvironment(),
        WRAP_KEY_ID: this.wrapKey.key.keyId,
        INBOX_URL: inboxUrl(config, validator),
        TIMER_URL: this.timers.queue.queueUrl,
      },
      { allowRecursion: true },
    );
    this.timers.consumeWith(fn);
    this.ledger.grantReadWrite(fn.role);
    this.ledger.grantDescribe(fn.role);
    this.sessions.grantReadPartitions(fn.role, [READ_PARTITION]);
    this.wrapKey.grantUnwrap(fn.role, ['read']);
    this.inbox.grantSend(fn.role);
    this.timers.grantSend(fn.role);
    return fn;
  }

  /** Keeps shares of patients' secrets, and opens its own for readers whom a receipt names. */
  private addEscrow(): void {
    const { validator, escrowRoutes } = this.props;
    const environment = {
      ...this.commonEnvironment(),
      API_URL: this.api.url,
      ESCROW_TABLE: this.escrow.table.tableName,
      WRAP_KEY_ID: this.wrapKey.key.keyId,
    };
    const fn = this.addFunction(
      'EscrowFunction',
      'escrow',
      `Escrow of ${validator.id}`,
      environment,
    );
    this.api.serve(escrowRoutes, fn);
    this.escrow.grantReadWrite(fn.role);
    // The genesis document alone: receipts bring the rest.
    this.ledger.grantRead(fn.role);
    this.sessions.grantReadPartitions(fn.role, [SHARE_PARTITION]);
    this.wrapKey.grantUnwrap(fn.role, ['share']);
  }

  /** Gives out what the hospital holds, for the same receipts as the custodian. */
  private addCopies(): void {
    const { config, validator, copyRoutes } = this.props;
    const environment = {
      NETWORK: config.network,
      VALIDATOR_ID: validator.id,
      LEDGER_TABLE: this.ledger.table.tableName,
      API_URL: this.api.url,
      ...this.copies.environment(),
    };
    const description = `Copies at ${validator.id}`;
    const fn = this.addFunction('CopiesFunction', 'copies', description, environment);
    this.api.serve(copyRoutes, fn);
    this.copies.readWith(fn);
    // The genesis document alone: receipts bring the rest.
    this.ledger.grantRead(fn.role);
  }

  /** Copies what the ledger lets the hospital copy, and deletes what it no longer does. */
  private addReplicator(): void {
    const { validator } = this.props;
    const fn = this.addFunction(
      'ReplicatorFunction',
      'replicator',
      `Replicator of ${validator.id}`,
      {
        ...this.commonEnvironment(),
        ...this.copies.environment(),
        WRAP_KEY_ID: this.wrapKey.key.keyId,
      },
      { allowRecursion: true, timeoutSeconds: REPLICATOR_TIMEOUT_SECONDS },
    );
    this.copies.writeWith(fn);
    this.ledger.grantRead(fn.role);
    this.ledger.grantDescribe(fn.role);
    this.sessions.grantReadPartitions(fn.role, [READ_PARTITION]);
    this.wrapKey.grantUnwrap(fn.role, ['read']);
  }

  /**
   * Tells the replica whose notes to itself it may believe. SQS names a sender as
   * `<role id>:<session>`; emulators, and an account's root, are named by the account.
   */
  private trustOwn(inbox: FunctionWithLogGroup, senders: readonly FunctionWithLogGroup[]): void {
    const ids = senders.map(({ role }) => role.roleId);
    inbox.lambda.addEnvironment('SELF_SENDERS', this.toJsonString([...ids, this.account]));
  }

  private commonEnvironment(): Record<string, string> {
    return {
      NETWORK: this.props.config.network,
      VALIDATOR_ID: this.props.validator.id,
      LEDGER_TABLE: this.ledger.table.tableName,
      SESSION_TABLE: this.sessions.table.tableName,
    };
  }

  private addFunction(
    id: string,
    fn: string,
    description: string,
    environment: Readonly<Record<string, string>>,
    options: {
      readonly allowRecursion?: boolean;
      readonly reservedConcurrency?: number;
      readonly timeoutSeconds?: number;
    } = {},
  ): FunctionWithLogGroup {
    const { config, validator, code } = this.props;
    return new FunctionWithLogGroup(this, id, {
      party: { config, service: 'validator', ...validator },
      fn,
      description,
      code,
      alarms: this.alarms,
      environment,
      ...options,
    });
  }

  private addOutputs(inbox: FunctionWithLogGroup): void {
    const { config, validator } = this.props;
    this.output('InboxUrl', inboxUrl(config, validator), 'Inbox that peers send to');
    this.output('InboxRoleId', inbox.role.roleId, 'SQS SenderId of this replica, before the colon');
    this.output('InboxDeadLettersUrl', this.inbox.deadLetters.queueUrl, 'Read, never redriven');
    this.output('TimerUrl', this.timers.queue.queueUrl, 'Queue of timers');
    this.output('LedgerTable', this.ledger.table.tableName, 'Table of the ledger');
    this.output('SessionTable', this.sessions.table.tableName, 'Table of wrapped keys');
    this.output('CopiesTable', this.copies.table.table.tableName, 'Table of copies');
    this.output('CopiesBucket', this.copies.objects.bucket.bucketName, 'Bucket of copies');
    this.output(
      'CopyNotesUrl',
      this.copies.notes.queue.queueUrl,
      'Queue that wakes the replicator',
    );
    this.output('EscrowTable', this.escrow.table.tableName, 'Table of escrow');
    this.output('SignKeyId', this.signKey.key.keyId, 'KMS key that signs session certificates');
    this.output('WrapKeyId', this.wrapKey.key.keyId, 'KMS key that wraps');
  }
}
