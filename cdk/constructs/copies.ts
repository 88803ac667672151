/** A hospital's copies of its patients' records: table, bucket, notes, and the two who use them. */

import { Construct } from 'constructs';

import type { NetworkConfig } from '../config.ts';
import { copyNotesDlqName, copyNotesName } from '../names.ts';
import type { Alarms } from './alarms.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';
import { NoteQueue } from './note-queue.ts';
import { RecordsBucket } from './records-bucket.ts';
import { KeyedTable } from './tables.ts';

/** Properties of `Copies`. */
export interface CopiesProps {
  readonly config: NetworkConfig;
  readonly validatorId: string;
  readonly alarms: Alarms;
}

/** Where copies are. They end with the permission: nothing here has versions or backups. */
export class Copies extends Construct {
  readonly table: KeyedTable;
  readonly objects: RecordsBucket;
  readonly notes: NoteQueue;

  constructor(scope: Construct, id: string, { config, validatorId, alarms }: CopiesProps) {
    super(scope, id);
    this.table = new KeyedTable(this, 'Wraps', {
      config,
      backup: {
        enabled: false,
        reason: 'A copy ends with the permission: a backup would bring back what was deleted.',
      },
    });
    this.objects = new RecordsBucket(this, 'Objects', { retain: config.retain });
    this.notes = new NoteQueue(this, 'Notes', {
      queueName: copyNotesName(config, validatorId),
      deadLetterName: copyNotesDlqName(config, validatorId),
      alarms,
    });
  }

  /** What both functions are told. */
  environment(): Record<string, string> {
    return {
      COPIES_TABLE: this.table.table.tableName,
      COPIES_BUCKET: this.objects.bucket.bucketName,
      NOTES_URL: this.notes.queue.queueUrl,
    };
  }

  /** Makes and deletes copies, at notes and on a schedule. */
  writeWith(fn: FunctionWithLogGroup): void {
    this.table.grantReadWrite(fn.role);
    this.objects.grantObjects(fn.role);
    this.objects.acknowledgeObjects(fn.role, 'The replicator makes and deletes every copy.');
    this.notes.grantSend(fn.role);
    this.notes.consumeWith(fn);
  }

  /** Gives copies out: it deletes nothing, and puts no object. */
  readWith(fn: FunctionWithLogGroup): void {
    this.table.grantReadInsert(fn.role);
    this.objects.grantRead(fn.role);
    this.objects.acknowledgeObjects(
      fn.role,
      'It gives out every copy; each release is judged by its receipt.',
    );
    this.notes.grantSend(fn.role);
  }
}
